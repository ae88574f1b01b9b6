package pack

import (
	"testing"

	"gopkg.in/yaml.v3"

	"clickstream/pipelines"
)

func TestFits(t *testing.T) {
	const kafka, clickhouse = "input: {kafka: {topic: t}}\n", "output: {clickhouse: {table: t}}\n"
	for name, tc := range map[string]struct {
		yaml string
		want bool
	}{
		"produce.yaml":            {pipelines.Produce, true},
		"consume.yaml":            {pipelines.Consume, true},
		"a replay":                {"input: {clickstream_replay: {paths: [x]}}\n" + "output: {kafka: {topic: t}}", true},
		"one output":              {kafka + clickhouse, true},
		"labels":                  {"input: {label: in, kafka: {topic: t}}\noutput: {label: out, clickhouse: {table: t}}", true},
		"no buffer":               {"buffer: {none: {}}\n" + kafka + clickhouse, true},
		"a processor":             {"pipeline: {processors: [{mapping: root = this}]}\n" + kafka + clickhouse, false},
		"a processor of an input": {"input: {kafka: {topic: t}, processors: [{mapping: root = this}]}\n" + clickhouse, false},
		"one of an output":        {kafka + "output: {clickhouse: {table: t}, processors: [{mapping: root = this}]}", false},
		"one of a letter":         {kafka + "output: {fallback: [{clickhouse: {table: t}}, {kafka: {topic: t}, processors: [{log: {}}]}]}", false},
		"a buffer":                {"buffer: {memory: {}}\n" + kafka + clickhouse, false},
		"another input":           {"input: {generate: {mapping: root = 1}}\n" + clickhouse, false},
		"another output":          {kafka + "output: {stdout: {}}", false},
		"another letter":          {kafka + "output: {fallback: [{clickhouse: {table: t}}, {file: {path: p}}]}", false},
		"two at once":             {kafka + "output: {broker: {pattern: fan_out, outputs: [{clickhouse: {table: t}}, {clickhouse: {table: u}}]}}", false},
		"in turns":                {kafka + "output: {fallback: [{clickhouse: {table: t}}, {broker: {pattern: round_robin, outputs: [{clickhouse: {table: u}}]}}]}", false},
		"batched letters":         {kafka + "output: {fallback: [{clickhouse: {table: t}}, {broker: {outputs: [{clickhouse: {table: u}}], batching: {count: 5}}}]}", false},
		"a switch":                {kafka + "output: {switch: {cases: [{output: {clickhouse: {table: t}}}]}}", false},
		"an empty fallback":       {kafka + "output: {fallback: []}", false},
		"nothing":                 {"{}", false},
	} {
		// Benthos hands on inputs, outputs and buffers as YAML nodes, the rest as values.
		var nodes map[string]yaml.Node
		var config map[string]any
		if err := yaml.Unmarshal([]byte(tc.yaml), &config); err != nil {
			t.Fatal(name, err)
		}
		if err := yaml.Unmarshal([]byte(tc.yaml), &nodes); err != nil {
			t.Fatal(name, err)
		}
		if got := Fits(config); got != tc.want {
			t.Errorf("%s, as values: got %v, want %v", name, got, tc.want)
		}
		for key, node := range nodes {
			config[key] = &node
		}
		if got := Fits(config); got != tc.want {
			t.Errorf("%s, as nodes: got %v, want %v", name, got, tc.want)
		}
	}
}
