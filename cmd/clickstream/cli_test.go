package main

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestExitCodes: one line per promise of docs/design.md.
func TestExitCodes(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("input:\n  kafka:\n    brokerz: []\noutput:\n  drop: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	value := filepath.Join(t.TempDir(), "value.yaml")
	if err := os.WriteFile(value, []byte("http: {enabled: false}\ninput:\n  clickstream_simulator:\n    users: ${USERS_HERE:-1}\noutput:\n  drop: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"version":            {[]string{"--version"}, exitOK, "Version: dev"},
		"lint is clean":      {[]string{"lint", "../../pipelines/produce.yaml", "../../pipelines/consume.yaml"}, exitOK, ""},
		"tests are clean":    {[]string{"test", "../../pipelines/produce.yaml", "../../pipelines/consume.yaml"}, exitOK, ""},
		"unknown field":      {[]string{"lint", bad}, exitConfig, "brokerz"},
		"run unknown field":  {[]string{"-c", bad}, exitConfig, "brokerz"},
		"value out of range": {[]string{"-c", value}, exitConfig, "users"},
		"no such file":       {[]string{"-c", "nowhere.yaml"}, exitConfig, "nowhere.yaml"},
		"unknown command":    {[]string{"prodcue"}, exitUsage, "prodcue"},
		"unknown flag":       {[]string{"--prodcue"}, exitUsage, "prodcue"},
		"unknown demo flag":  {[]string{"demo", "--prodcue"}, exitUsage, "prodcue"},
		"not healthy":        {[]string{"healthcheck", "--url", "http://127.0.0.1:1/ready"}, exitFailure, "127.0.0.1:1"},
		"no studio":          {[]string{"studio"}, exitUsage, "not part of clickstream"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, nil, tc.args...)
			if code := p.exit(); code != tc.code {
				t.Errorf("exit code %d, want %d:\n%s", code, tc.code, p.out)
			}
			if out := p.out.String(); !strings.Contains(out, tc.want) {
				t.Errorf("output lacks %q:\n%s", tc.want, out)
			}
		})
	}
}

// TestPortTaken: a pipeline whose HTTP port is taken does not run on without it.
func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := start(t, []string{"HTTP_ADDRESS=" + l.Addr().String()}, "-c", "../../pipelines/produce.yaml")
	if code := p.exit(); code != exitFailure {
		t.Errorf("exit code %d, want %d", code, exitFailure)
	}
	if last := lastLines(p.out.String(), 1); !strings.Contains(last, l.Addr().String()) || !strings.Contains(last, "HTTP_ADDRESS") {
		t.Errorf("the error names neither the port nor the way out: %s", last)
	}
}

// TestHealthcheck: the command says what /ready says.
func TestHealthcheck(t *testing.T) {
	s := newStack(t)
	consume := s.pipeline("consume", nil)
	consume.awaitReady(200)
	url := "http://" + consume.address + "/ready"
	if p := start(t, nil, "healthcheck", "--url", url); p.exit() != exitOK {
		t.Errorf("healthcheck of a ready pipeline:\n%s", p.out)
	}
	s.engine.kill()
	s.produce(eventJSON(1))
	consume.awaitReady(503)
	p := start(t, nil, "healthcheck", "--url", url)
	if code := p.exit(); code != exitFailure {
		t.Errorf("healthcheck without ClickHouse: exit code %d, want %d", code, exitFailure)
	}
	if !strings.Contains(p.out.String(), s.native) {
		t.Errorf("the answer does not name the server:\n%s", p.out)
	}
}

// TestSecretFromFile: CLICKHOUSE_PASSWORD_FILE stands for CLICKHOUSE_PASSWORD.
func TestSecretFromFile(t *testing.T) {
	s := newStack(t)
	s.engine.stop()
	s.startEngine("CLICKHOUSE_USER=writer", "CLICKHOUSE_PASSWORD=open sesame")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("open sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	consume := s.pipeline("consume", []string{"CLICKHOUSE_USER=writer", "CLICKHOUSE_PASSWORD_FILE=" + file})
	consume.awaitReady(200)
	if strings.Contains(consume.out.String(), "sesame") {
		t.Errorf("the password is in the log:\n%s", consume.out)
	}
	consume.stop()
}

// TestStopWithoutServer: Ctrl-C ends a pipeline whose server was never there soon, and
// says what it left.
func TestStopWithoutServer(t *testing.T) {
	s := newStack(t)
	s.pipeline("produce", nil).awaitReady(http.StatusOK) // so that there is something to consume
	for pipeline, env := range map[string]string{
		"produce": "KAFKA_BROKERS=127.0.0.1:1",
		"consume": "CLICKHOUSE_ADDR=127.0.0.1:1",
	} {
		t.Run(pipeline, func(t *testing.T) {
			p := s.pipeline(pipeline, []string{env})
			p.awaitLine(`127\.0\.0\.1:1\b.*trying again|trying again.*127\.0\.0\.1:1\b`)
			await(t, "a batch on its way", func() error {
				if pipeline == "consume" && p.metric("clickstream_kafka_in_flight_bytes") == 0 {
					return errors.New("nothing was read yet")
				}
				return nil
			})
			begin := time.Now()
			p.signal(syscall.SIGTERM)
			if code := p.exit(); code != exitUnacked {
				t.Errorf("exit code %d, want %d:\n%s", code, exitUnacked, p.out)
			}
			if took := time.Since(begin); took > 15*time.Second { // Benthos alone takes 22
				t.Errorf("stopped after %v, want 3 s", took)
			}
			if want := "127.0.0.1:1"; !strings.Contains(p.out.String(), "never answered") {
				t.Errorf("output does not say that %s never answered:\n%s", want, p.out)
			}
		})
	}
}
