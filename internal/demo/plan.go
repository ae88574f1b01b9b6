package demo

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// plan is a Config with everything settled: addresses, folders, whose servers.
type plan struct {
	Config
	folder *folder
	login  login
	topic  string
	// ownKafka and ownClickHouse: started by this demo, with its data in its folder.
	ownKafka, ownClickHouse    bool
	producerHTTP, consumerHTTP string
	producePath, consumePath   string
	loginFile                  string // HTTP headers for ClickHouse; empty without a password
}

// How long a stop may take before it becomes a kill. A pipeline gives itself 30 s
// (shutdown_timeout); the engine lets inserts end.
const (
	pipelineGrace = 35 * time.Second
	serverGrace   = 30 * time.Second
	pageGrace     = 5 * time.Second // it holds nothing
)

// initWait is enough for servers of others to answer; our own are ready by then.
const initWait = "10s"

// Go's collector lets a heap double before it looks; in a demo that shares a
// laptop, a soft limit is worth a little CPU. The engine's own memory, which is
// not Go's, has its own limits.
const (
	serverMemory   = "192MiB"
	pipelineMemory = "160MiB"
	pageMemory     = "96MiB"
)

func (p plan) broker() service {
	return service{
		name:     "broker",
		args:     []string{"broker", "--data", p.folder.dir(brokerDir), "--listen", p.Kafka},
		env:      memory(serverMemory),
		ready:    "broker ready",
		orphaned: syscall.SIGTERM,
		grace:    serverGrace,
	}
}

func (p plan) engine() service {
	return service{
		name:     "engine",
		args:     []string{"engine", "--data", p.folder.dir(engineDir), "--native", p.ClickHouse, "--http", p.ClickHouseHTTP},
		env:      memory(serverMemory),
		ready:    "engine ready",
		orphaned: syscall.SIGTERM,
		grace:    serverGrace,
	}
}

func (p plan) init() service {
	return service{name: "init", args: []string{"init", "--wait", initWait}, env: p.env(""), orphaned: syscall.SIGTERM, grace: serverGrace}
}

func (p plan) producer() service { return p.pipeline("producer", p.producePath, p.producerHTTP) }

// consumer has a name of its own in its group: killed and started again, or started
// by the next demo, it goes on at once instead of when its old session ends (9 s).
func (p plan) consumer() service {
	s := p.pipeline("consumer", p.consumePath, p.consumerHTTP)
	if p.ownKafka && p.Env("KAFKA_INSTANCE_ID") == "" {
		s.env = append(s.env, "KAFKA_INSTANCE_ID=demo")
	}
	return s
}

// page shows the same boards as compose's Grafana.
func (p plan) page() service {
	return service{
		name:     "page",
		args:     []string{"page", "--listen", p.Page},
		env:      append(p.env(""), memory(pageMemory)...),
		ready:    "page ready",
		orphaned: syscall.SIGKILL,
		grace:    pageGrace,
	}
}

func (p plan) pipeline(name, path, http string) service {
	return service{
		name:     name,
		args:     []string{"-c", path},
		env:      append(p.env(http), memory(pipelineMemory)...),
		orphaned: syscall.SIGKILL,
		grace:    pipelineGrace,
	}
}

// env tells a child where the servers are, as compose would. What else the user
// has set (SEED, USERS, CLICKHOUSE_PASSWORD, ...) reaches it with our environment.
func (p plan) env(http string) []string {
	env := []string{
		"KAFKA_BROKERS=" + p.Kafka,
		"CLICKHOUSE_ADDR=" + p.ClickHouse,
		"RATE=" + strconv.Itoa(p.Rate),
	}
	if http != "" {
		env = append(env, "HTTP_ADDRESS="+http)
	}
	return env
}

// memory is a default that the user's own GOMEMLIMIT overrides.
func memory(limit string) []string {
	if os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return []string{"GOMEMLIMIT=" + limit}
}

// banner is what a demo says first: at most six lines.
func (p plan) banner() string {
	var b strings.Builder
	fmt.Fprintf(&b, "clickstream %s demo: %s -> kafka %s -> clickhouse %s\n",
		p.Version, rateText(p.Rate), owned(p.Kafka, p.ownKafka, "KAFKA_BROKERS"), owned(p.ClickHouse, p.ownClickHouse, "CLICKHOUSE_ADDR"))
	if p.Page != "" {
		fmt.Fprintf(&b, "  page     http://%s\n", p.Page)
	}
	fmt.Fprintf(&b, "  data     %s, logs of every process in %s\n", p.folder.path, p.folder.dir(logsDir))
	if p.ownClickHouse {
		fmt.Fprintf(&b, "  query    curl %s'http://%s/' --data 'SELECT event_type, count() FROM %s.events GROUP BY event_type'\n", p.curlLogin(), p.ClickHouseHTTP, p.login.database)
	}
	fmt.Fprintf(&b, "  metrics  http://%s/metrics (producer), http://%s/metrics (consumer)\n", p.producerHTTP, p.consumerHTTP)
	fmt.Fprintf(&b, "  stop     %s\n", p.stopText())
	return b.String()
}

// curlLogin is how curl gives the password without showing it in its arguments.
func (p plan) curlLogin() string {
	if p.loginFile == "" {
		return ""
	}
	return fmt.Sprintf("-H @'%s' ", p.loginFile)
}

func (p plan) stopText() string {
	if p.For > 0 {
		return fmt.Sprintf("by itself %s after the first row, or with Ctrl-C; twice: at once", p.For)
	}
	return "Ctrl-C (stores what is in flight, then sums up); twice: at once"
}

func rateText(rate int) string {
	if rate == 0 {
		return "as many events as it can"
	}
	return strconv.Itoa(rate) + " events/s"
}

// owned marks a server that the environment chose.
func owned(address string, ours bool, variable string) string {
	if ours {
		return address
	}
	return address + " (from " + variable + ")"
}
