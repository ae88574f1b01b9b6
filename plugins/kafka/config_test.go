package kafka

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
)

const (
	goodInput  = "brokers: [127.0.0.1:9092]\ntopic: events\ngroup: readers\n"
	goodOutput = "brokers: [127.0.0.1:9092]\ntopic: events\n"
)

func TestParseInput(t *testing.T) {
	for name, tc := range map[string]struct{ yaml, want string }{
		"least":              {goodInput, "<nil>"},
		"brokers in one":     {"brokers: ['a:1, b:2,']\ntopic: events\ngroup: readers", "<nil>"},
		"no broker":          {"brokers: [' ']\ntopic: events\ngroup: readers", "brokers: want at least one host:port, got none"},
		"broker has no port": {"brokers: [localhost]\ntopic: events\ngroup: readers", `brokers: want host:port, got "localhost", which has no port`},
		"no topic":           {"brokers: [a:1]\ntopic: ''\ngroup: readers", "topic: want a name, got none"},
		"no group":           {"brokers: [a:1]\ntopic: events\ngroup: ''", "group: want a name, got none"},
		"start":              {goodInput + "start: middle", `start: want earliest or latest, got "middle"`},
		"metadata":           {goodInput + "metadata: [kafka_lag]", `metadata: want kafka_topic, kafka_key, kafka_partition, kafka_offset, kafka_timestamp_unix_ms or headers, got "kafka_lag"`},
		"session":            {goodInput + "session_timeout: 2s", "session_timeout: want at least 3 x heartbeat_interval (3s), got 2s"},
		"drain":              {goodInput + "drain_timeout: 20s", "drain_timeout: want less than rebalance_timeout (20s), got 20s"},
		"limit":              {goodInput + "max_in_flight_bytes: 10", "max_in_flight_bytes: want 1048576 or more, got 10"},
		"interval":           {goodInput + "commit_interval: 0s", "commit_interval: want more than 0, got 0s"},
		"fetch wait":         {goodInput + "fetch_max_wait: 1ms", "max fetch wait 1ms is less than allowed 10ms"},
		"half a login":       {goodInput + "sasl: {mechanism: PLAIN, user: ann}", "sasl: PLAIN wants user and password, one of them is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			pc, err := inputSpec().ParseYAML(tc.yaml, nil)
			if err == nil {
				_, err = openInput(pc, service.MockResources())
			}
			if got := fmt.Sprint(err); got != tc.want {
				t.Errorf("open\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestParseOutput(t *testing.T) {
	for name, tc := range map[string]struct{ yaml, want string }{
		"least":       {goodOutput, "<nil>"},
		"two keys":    {goodOutput + "key: a\nkey_field: b", "key, key_field: want at most one of them, got both"},
		"compression": {goodOutput + "compression: rar", `compression: want none, gzip, snappy, lz4 or zstd, got "rar"`},
		"in flight":   {goodOutput + "max_in_flight: 0", "max_in_flight: want 1 or more, got 0"},
	} {
		t.Run(name, func(t *testing.T) {
			pc, err := outputSpec().ParseYAML(tc.yaml, nil)
			if err == nil {
				_, _, _, err = openOutput(pc, service.MockResources())
			}
			if got := fmt.Sprint(err); got != tc.want {
				t.Errorf("open\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestLint(t *testing.T) {
	linter := service.NewEnvironment().NewComponentConfigLinter()
	for yaml, want := range map[string]string{
		goodInput:                                           "",
		goodInput + "commit_interval: soon":                 "commit_interval: want a duration",
		goodInput + "session_timeout: 2s":                   "want at least 3 x heartbeat_interval",
		goodInput + "rebalance_timeout: 5s":                 "want less than rebalance_timeout",
		goodInput + "max_batch_records: 0":                  "want 1 or more",
		goodInput + "lag: true":                             "field lag not recognised",
		"brokers: [a:1]\ngroup: g\ntopic: 'clicks & carts'": "want 1 to 249",
	} {
		indented := "kafka:\n  " + strings.ReplaceAll(strings.TrimSpace(yaml), "\n", "\n  ")
		lints, err := linter.LintInputYAML([]byte(indented))
		got := fmt.Sprint(lints)
		if err != nil || (want == "") != (len(lints) == 0) || !strings.Contains(got, want) {
			t.Errorf("lint of\n%s\n got %s, %v\nwant %q", indented, got, err, want)
		}
	}
}
