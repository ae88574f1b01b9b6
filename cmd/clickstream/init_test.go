package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInitRefusesBadSettings(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	for name, tc := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"unknown flag":     {nil, []string{"--nope"}, exitUsage, "init: there is no flag --nope; `clickstream init --help` lists the flags"},
		"argument":         {nil, []string{"clickstream"}, exitUsage, `init: want flags only, got "clickstream"`},
		"no number":        {nil, []string{"--partitions", "x"}, exitUsage, `init: --partitions: want a whole number, got "x"; `},
		"retention":        {nil, []string{"--events-retention", "90"}, exitConfig, "init: --events-retention: want a number of days such as 90d, or 0 to keep rows for ever, got \"90\""},
		"retention by env": {[]string{"DEAD_LETTERS_RETENTION=soon"}, nil, exitConfig, "init: --dead-letters-retention: want a number of days"},
		"address":          {[]string{"CLICKHOUSE_ADDR=localhost"}, nil, exitConfig, `init: clickhouse addresses: want host:port, got "localhost", which has no port`},
		"password file":    {[]string{"CLICKHOUSE_PASSWORD_FILE=" + absent}, nil, exitConfig, "init: CLICKHOUSE_PASSWORD_FILE: open " + absent},
		"no broker":        {[]string{"KAFKA_BROKERS=127.0.0.1:1"}, []string{"--wait", "0s"}, exitFailure, "init: Kafka at 127.0.0.1:1 does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, tc.env, append([]string{"init"}, tc.args...)...)
			if code := p.exit(); code != tc.code {
				t.Errorf("exit code: got %d, want %d", code, tc.code)
			}
			if got := p.out.String(); !strings.Contains(got, tc.want) {
				t.Errorf("output\n got %s\nwant ...%s...", got, tc.want)
			}
		})
	}
}

// Compose hands on variables that nobody set as empty ones, and secrets as files.
func TestInitTwiceWithEmptyVariables(t *testing.T) {
	s := newStack(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := s.env("CLICKHOUSE_DATABASE=", "KAFKA_TOPIC=", "EVENTS_RETENTION=", "KAFKA_PARTITIONS=", "KAFKA_TLS=", "CLICKHOUSE_PASSWORD=", "CLICKHOUSE_PASSWORD_FILE="+password)
	p := start(t, env, "init")
	if code := p.exit(); code != exitOK {
		t.Errorf("exit code: got %d, want %d", code, exitOK)
	}
	if got, want := strings.TrimSpace(p.out.String()), "nothing to do, schema is version "; !strings.HasPrefix(got, want) {
		t.Errorf("output\n got %s\nwant %s...", got, want)
	}
}
