package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAdvice: what a beginner gets wrong is answered once, with where, what and the next
// step, in words that are not the library's.
func TestAdvice(t *testing.T) {
	const produce, consume = "../../pipelines/produce.yaml", "../../pipelines/consume.yaml"
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const rest = "output:\n  drop: {}\nhttp:\n  enabled: false\n"
	list := file("list.yaml", "input:\n  clickstream_simulator:\n    users: [1]\n"+rest)
	word := file("word.yaml", "input:\n  clickstream_simulator:\n    count: ten\n"+rest)
	tab := file("tab.yaml", "input:\n\tclickstream_simulator: {}\n"+rest)
	typo := file("typo.yaml", "input:\n  clickstream_simulator:\n    rat: 5\n"+rest)
	stranger := file("stranger.yaml", "input:\n  clickstream_simulatr: {}\n"+rest)
	for name, tc := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"rate of the pipeline":    {[]string{"RATE=abc"}, []string{"-c", produce}, exitConfig, `clickstream: root.input: rate: want a number, got "abc", from RATE in the environment (line 8 of ` + produce + ")"},
		"users of run":            {[]string{"USERS=many"}, []string{"run", produce}, exitConfig, `clickstream: root.input: users: want a whole number, got "many", from USERS in the environment (line 7 of ` + produce + ")"},
		"count in the file":       {nil, []string{"-c", word}, exitConfig, `clickstream: root.input: count: want a whole number, got "ten", line 3 of ` + word},
		"list for a number":       {nil, []string{"-c", list}, exitConfig, "list.yaml(3,1) expected int value"},
		"address without a port":  {[]string{"CLICKHOUSE_ADDR=localhost"}, []string{"-c", consume}, exitConfig, `clickstream: root.output.fallback.0: addresses: want host:port, got "localhost", which has no port`},
		"file of a password":      {[]string{"CLICKHOUSE_PASSWORD_FILE=/nowhere"}, []string{"-c", consume}, exitConfig, "clickstream: CLICKHOUSE_PASSWORD_FILE: open /nowhere: no such file or directory\n"},
		"tab":                     {nil, []string{"-c", tab}, exitConfig, "yaml: line 2: found character that cannot start any token: YAML is indented with spaces, not with tabs"},
		"typo":                    {nil, []string{"-c", typo}, exitConfig, "clickstream: " + typo + " is wrong, the lines above say where; `clickstream create`"},
		"typo by set":             {nil, []string{"-c", produce, "--set", "input.clickstream_simulator.rat=5"}, exitConfig, "rat"},
		"unknown component":       {nil, []string{"-c", stranger}, exitConfig, "[clickstream_simulatr]; `clickstream list` names every component"},
		"no such pipeline":        {nil, []string{"-c", "nosuch.yaml"}, exitConfig, "clickstream: nosuch.yaml: open nosuch.yaml: no such file or directory; the pipelines of clickstream are in pipelines/"},
		"error of a command":      {[]string{"PATH=/nowhere", "XDG_CACHE_HOME=" + folder, "HOME=" + folder}, []string{"engine", "--fetch"}, exitFailure, "clickstream: engine library: npm not found on PATH: install Node.js with npm (Debian and Ubuntu: apt-get install npm; macOS: brew install node)\n"},
		"nothing":                 {nil, nil, exitUsage, "clickstream: want a command"},
		"flag of another type":    {nil, []string{"demo", "--for", "soon"}, exitUsage, `demo: --for: want a time such as 30s, got "soon"; `},
		"flag without a value":    {nil, []string{"broker", "--data"}, exitUsage, "broker: --data: want a value behind it; "},
		"unknown flag":            {nil, []string{"verify", "--jsn"}, exitUsage, "verify: there is no flag --jsn; `clickstream verify --help` lists the flags"},
		"unknown flag of a part":  {nil, []string{"dlq", "list", "--jsn"}, exitUsage, "dlq list: there is no flag --jsn; `clickstream dlq list --help` lists the flags"},
		"switch that is neither":  {[]string{"KAFKA_TLS=maybe"}, []string{"verify"}, exitUsage, `verify: KAFKA_TLS in the environment: want true or false, got "maybe"; `},
		"time that is none":       {nil, []string{"verify", "--since", "monday"}, exitUsage, `verify: --since: want a time such as 2026-01-15T00:00:00Z, got "monday"; `},
		"argument of the broker":  {nil, []string{"broker", "now"}, exitUsage, `broker: want flags only, got "now"`},
		"argument of the engine":  {nil, []string{"engine", "now"}, exitUsage, `engine: want flags only, got "now"`},
		"argument of healthcheck": {nil, []string{"healthcheck", "now"}, exitUsage, `healthcheck: want flags only, got "now"`},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, append(tc.env, "HTTP_ADDRESS=127.0.0.1:0"), tc.args...)
			if code := p.exit(); code != tc.code {
				t.Errorf("exit code: got %d, want %d", code, tc.code)
			}
			out := p.out.String()
			if n := strings.Count(out, tc.want); n == 0 || strings.HasPrefix(tc.want, "clickstream: ") && n > 1 {
				t.Errorf("got\n%s\nwant once: %s", out, tc.want)
			}
			for _, noise := range []string{"unmarshal", "strconv", "<no label>", "--chilled", "Failed to write", "USAGE:", "goroutine"} {
				if strings.Contains(out, noise) {
					t.Errorf("got\n%s\nwant no %q in it", out, noise)
				}
			}
		})
	}
}
