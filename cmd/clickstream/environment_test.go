package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// oddValues are what passwords and names may hold, and what would end a quote, begin
// another field or mean something else if a pipeline's text took them as they are.
var oddValues = []string{
	`p"q`, `back\slash`, `a\tb`, `x", topic: "hijack`, `it's`, "#hash", "a: b", "[1, 2]", "{a: b}", "*a", "!t", "%d", "@at", "$1", "${{HOME}}", "${HOME}",
	" blank ", "true", "007", "ключ ❄", "line\u2028end", "\x01\x1b[31m", "tab\there", "two\nlines",
}

// TestEnvironmentIsValues: whatever a variable holds arrives byte for byte, from the
// environment and from a file, and nothing else in the pipeline changes.
func TestEnvironmentIsValues(t *testing.T) {
	dir := t.TempDir()
	var yaml strings.Builder
	yaml.WriteString("http: { enabled: false }\ninput: { generate: { count: 1, mapping: 'root = \"x\"' } }\noutput:\n  broker:\n    pattern: fan_out\n    outputs:\n")
	var env []string
	for i, value := range oddValues {
		name := "VALUE_" + string(rune('A'+i))
		yaml.WriteString("      - file: { codec: lines, path: \"" + dir + "/${" + name + ":unset}/out\" }\n")
		if i%2 == 0 {
			env = append(env, name+"="+value)
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"_FILE="+path)
	}
	file := filepath.Join(dir, "odd.yaml")
	if err := os.WriteFile(file, []byte(yaml.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := start(t, env, "lint", file); p.exit() != 0 {
		t.Errorf("lint: %s", p.out)
	}
	if p := start(t, env, "-c", file); p.exit() != 0 {
		t.Fatalf("run: %s", p.out)
	}
	for _, value := range oddValues {
		if text, err := os.ReadFile(filepath.Join(dir, value, "out")); err != nil || string(text) != "x\n" {
			t.Errorf("%q: got %q, %v", value, text, err)
		}
	}
}

// TestEnvironmentThatCannotBePlaced: the error names the variable, not its value.
func TestEnvironmentThatCannotBePlaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.yaml")
	const yaml = "http: { enabled: false }\ninput: { generate: { count: 1, mapping: 'root = \"${A}\"' } }\noutput: { file: { codec: lines, path: ${B:/dev/null} } }\n"
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ env, want string }{
		"the field's own quote": {`A=s3'cret`, "A in the environment cannot be placed: it holds characters that mean something to YAML where the file asks for it: put the reference in double quotes, everywhere in the file, as in pipelines/consume.yaml (here it stands in single quotes)"},
		"another field":         {"B=s3cret, codec: all-bytes", "B in the environment cannot be placed: it holds characters"},
		"no UTF-8":              {"B=s3cret\xff", "B in the environment cannot be placed: it is not UTF-8"},
	} {
		for _, args := range [][]string{{"-c", file}, {"lint", file}, {"run", file}} {
			p := start(t, []string{"A=a", tc.env}, args...)
			if code := p.exit(); code != exitConfig || !strings.Contains(p.out.String(), "clickstream: "+tc.want) || strings.Contains(p.out.String(), "cret") {
				t.Errorf("%s: %v: exit code %d, output\n%s", name, args, code, p.out)
			}
		}
	}
}

// TestEnvironmentOfFolders: a file is found however the command line names it: in a folder
// of streams, by a pattern, with three dots, behind a flag.
func TestEnvironmentOfFolders(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	const odd = `p"q\t`
	stream := "input: { generate: { count: 1, mapping: 'root = \"x\"' } }\noutput: { file: { codec: lines, path: \"" + dir + "/out-${V}\" } }\n"
	file, root := filepath.Join(deep, "s.yaml"), filepath.Join(dir, "root.yml")
	for path, text := range map[string]string{file: stream, root: "http: { enabled: false }\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"lint", dir + "/..."}, {"lint", deep + "/*.yaml"}, {"lint", file}} {
		if p := start(t, []string{"V=" + odd}, args...); p.exit() != 0 {
			t.Errorf("%v: %s", args, p.out)
		}
	}
	start(t, []string{"V=" + odd}, "streams", "--observability="+root, filepath.Join(dir, "a"))
	await(t, "the stream to write", func() error { _, err := os.Stat(filepath.Join(dir, "out-"+odd)); return err })
}
