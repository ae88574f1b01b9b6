package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// planted are secrets, each with a word that is found again however its odd characters
// are quoted, and those characters.
const (
	plantedPassword = `kQ7zClickhouse"\p'w {}#:%$x,;ü`
	plantedSASL     = `kQ7zKafka"\p'w{}#:%$x,;ü`
	plantedAddress  = `kQ7zAddress`
	plantedWrong    = `kQ7zWrong"\'`
	plantedWord     = "kQ7z"
)

// TestSecretsStaySecret runs every command with secrets in its environment, its files,
// its addresses and its pipelines, the log at its finest, and looks for them in all that
// comes out: output, HTTP endpoints, arguments of processes, files of data.
func TestSecretsStaySecret(t *testing.T) {
	s := &stack{t: t, dir: t.TempDir(), brokerAddr: freeAddress(t), native: freeAddress(t), http: freeAddress(t)}
	file := filepath.Join(s.dir, "password")
	if err := os.WriteFile(file, []byte(plantedPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	login := []string{"CLICKHOUSE_USER=planted", "CLICKHOUSE_PASSWORD=" + plantedPassword, "KAFKA_PASSWORD=" + plantedSASL}
	byFile := []string{"CLICKHOUSE_USER=planted", "CLICKHOUSE_PASSWORD_FILE=" + file}
	s.startBroker()
	s.startEngine(login...)

	said := &bytes.Buffer{}
	run := func(want int, env []string, args ...string) {
		t.Helper()
		p := start(t, s.env(env...), args...)
		if code := p.exit(); code != want {
			t.Errorf("clickstream %s: exit code %d, want %d:\n%s", strings.Join(args, " "), code, want, lastLines(p.out.String(), 10))
		}
		fmt.Fprintf(said, "== clickstream %s\n%s\n", strings.Join(args, " "), p.out)
	}
	run(exitOK, login, "init")
	run(exitOK, byFile, "init")
	trace := []string{"--log.level", "TRACE", "--set", "http.debug_endpoints=true"}
	produce := s.pipeline("produce", append(login, "RATE=200"), trace...)
	consume := s.pipeline("consume", byFile, trace...)
	pagePort := freeAddress(t)
	page := start(t, s.env(login...), "page", "--listen", pagePort)
	page.awaitLine("page ready")
	consume.awaitReady(200)
	produce.awaitReady(200)
	await(t, "events to be stored", func() error {
		if _, body, err := consume.get("/stats"); err != nil || !strings.Contains(body, "rows") {
			return fmt.Errorf("no rows yet: %w", err)
		}
		return nil
	})

	commandsWithSecrets(t, run, login, byFile)
	for _, url := range []string{"http://" + produce.address, "http://" + consume.address} {
		for _, path := range []string{"/ready", "/metrics", "/stats", "/version", "/endpoints", "/debug/config/json", "/debug/config/yaml", "/debug/stack"} {
			said.WriteString(answered(t, url+path))
		}
	}
	for _, path := range []string{"/api/boards", "/api/boards/clickstream-health", "/api/counts"} {
		said.WriteString(answered(t, "http://"+pagePort+path))
	}
	said.WriteString(answered(t, "http://planted:"+plantedWord+"@"+s.http+"/?query=SELECT+1"))
	said.WriteString(answered(t, "http://"+s.http+"/?query=SELECT+1&user=planted&password="+plantedWord))
	said.WriteString(arguments(t, s.broker, s.engine, page, produce.proc, consume.proc))
	for _, p := range []*proc{produce.proc, consume.proc, page, s.engine, s.broker} {
		p.stop()
		fmt.Fprintf(said, "== clickstream %s\n%s\n", p.name, p.out)
	}
	for line := range strings.Lines(said.String()) {
		if strings.Contains(line, plantedWord) {
			t.Errorf("a secret came out: %.300s", line)
		}
	}
	for _, folder := range []string{"broker", "engine"} {
		searchFiles(t, filepath.Join(s.dir, folder))
	}
}

// commandsWithSecrets runs what ends by itself, in order and in vain.
func commandsWithSecrets(t *testing.T, run func(int, []string, ...string), login, byFile []string) {
	t.Helper()
	wrong := []string{"CLICKHOUSE_USER=planted", "CLICKHOUSE_PASSWORD=" + plantedWrong, "KAFKA_PASSWORD=" + plantedSASL}
	url := []string{"CLICKHOUSE_ADDR=clickhouse://planted:" + plantedAddress + "@127.0.0.1:9000", "KAFKA_BROKERS=kafka://planted:" + plantedAddress + "@127.0.0.1:9092"}
	sasl := []string{"--kafka-sasl-mechanism", "PLAIN", "--kafka-user", "planted", "--wait", "1s"}
	run(exitOK, login, "lint", consumePipeline)
	run(exitOK, login, "echo", consumePipeline)
	run(exitOK, login, "dlq", "list")
	run(exitOK, byFile, "dlq", "stats")
	run(exitFailure, wrong, "-c", consumePipeline, "--log.level", "TRACE", "--set", "http.enabled=false")
	run(exitFailure, wrong, "init", "--wait", "1s")
	run(exitFailure, login, append([]string{"init"}, sasl...)...)
	run(exitFailure, wrong, "verify")
	for _, args := range [][]string{{"-c", consumePipeline}, {"-c", "../../pipelines/produce.yaml"}, {"-c", "../../pipelines/replay.yaml"}, {"init"}, {"verify"}, {"page"}, {"dlq", "list"}, {"demo"}} {
		run(exitConfig, url, args...)
	}
}

const consumePipeline = "../../pipelines/consume.yaml"

// answered returns what a URL answers, whatever the status.
func answered(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	r, err := client.Get(url)
	if err != nil {
		t.Fatalf("%s: no answer", strings.ReplaceAll(url, plantedWord, "***"))
	}
	defer r.Body.Close()
	body := &bytes.Buffer{}
	if _, err := body.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("== %s %v\n%s\n", r.Status, r.Header, body)
}

// arguments are the command lines of running processes, as any user of the machine sees them.
func arguments(t *testing.T, processes ...*proc) string {
	t.Helper()
	all := &bytes.Buffer{}
	for _, p := range processes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(append(bytes.ReplaceAll(text, []byte{0}, []byte{' '}), '\n'))
	}
	return all.String()
}

// searchFiles looks for the secrets in every file of a folder.
func searchFiles(t *testing.T, folder string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(plantedWord)) {
			t.Errorf("a secret is in %s", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%s: searched %d files, %v", folder, files, err)
	}
}
