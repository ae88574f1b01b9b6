package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// settled settles a demo on data and gives its folder back when the test ends.
func settled(t *testing.T, data string, env map[string]string, password bool) (plan, error) {
	t.Helper()
	for _, name := range []string{"CLICKHOUSE_PASSWORD", "CLICKHOUSE_PASSWORD_FILE"} {
		t.Setenv(name, env[name])
	}
	p, err := settle(Config{
		Data: data, Kafka: "127.0.0.1:0", ClickHouse: "127.0.0.1:0", ClickHouseHTTP: "127.0.0.1:0", Password: password,
		Env: func(name string) string { return env[name] },
	})
	if err == nil {
		t.Cleanup(func() { _ = p.folder.unlock() })
	}
	return p, err
}

// TestPassword: a drawn password lasts as long as its folder; a given one is taken.
// Either reaches the children as a file, and shows neither in a banner nor in an
// argument or the environment.
func TestPassword(t *testing.T) {
	data := t.TempDir()
	var drawn string
	for _, tc := range []struct {
		name string
		env  map[string]string
		flag bool
	}{
		{"none", nil, false},
		{"drawn", nil, true},
		{"drawn before", nil, true},
		{"given", map[string]string{"CLICKHOUSE_PASSWORD": "planted"}, false},
	} {
		p, err := settled(t, data, tc.env, tc.flag)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		_ = p.folder.unlock() // for the next one
		password := p.login.password
		switch {
		case tc.name == "none" && password != "", tc.name == "given" && password != "planted", tc.flag && len(password) < 20, drawn != "" && tc.flag && password != drawn:
			t.Errorf("%s: got password %q, drawn before %q", tc.name, password, drawn)
		}
		if tc.flag {
			drawn = password
		}
		if password == "" {
			continue
		}
		text, err := os.ReadFile(os.Getenv("CLICKHOUSE_PASSWORD_FILE"))
		if strings.TrimSpace(string(text)) != password || os.Getenv("CLICKHOUSE_PASSWORD") != "" {
			t.Errorf("%s: file holds %q, %v; environment %q", tc.name, text, err, os.Getenv("CLICKHOUSE_PASSWORD"))
		}
		shown := p.banner()
		for _, s := range []service{p.broker(), p.engine(), p.init(), p.producer(), p.consumer(), p.page()} {
			shown += strings.Join(append(s.args, s.env...), " ")
		}
		if strings.Contains(shown, password) || !strings.Contains(shown, "curl -H @'"+p.loginFile+"'") {
			t.Errorf("%s: got\n%s", tc.name, shown)
		}
	}
	if _, err := settled(t, t.TempDir(), map[string]string{"CLICKHOUSE_PASSWORD": "a\nb"}, false); err == nil || !strings.Contains(err.Error(), "want one line") {
		t.Errorf("a password of two lines: got %v", err)
	}
	if _, err := settled(t, t.TempDir(), map[string]string{"CLICKHOUSE_ADDR": "db:9000"}, true); err == nil || !strings.Contains(err.Error(), "CLICKHOUSE_ADDR") {
		t.Errorf("a drawn password for another's server: got %v", err)
	}
}

// TestOthersSeeNothing: folders and files of a demo are its user's alone, also those
// that an earlier version has made.
func TestOthersSeeNothing(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(data, "lock"))
	if _, err := settled(t, data, nil, true); err != nil {
		t.Fatal(err)
	}
	err := filepath.Walk(data, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: got mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
