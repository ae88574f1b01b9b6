package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clickstream/internal/engine"
)

func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		env  map[string]string
		want string // user/password, or a part of the error
	}{
		"nothing": {nil, "/"},
		"values":  {map[string]string{"CLICKHOUSE_USER": "app", "CLICKHOUSE_PASSWORD": "p"}, "app/p"},
		"file":    {map[string]string{"CLICKHOUSE_USER": "app", "CLICKHOUSE_PASSWORD_FILE": file}, "app/from a file"},
		"both":    {map[string]string{"CLICKHOUSE_PASSWORD": "p", "CLICKHOUSE_PASSWORD_FILE": file}, "want one of them, got both"},
		"no file": {map[string]string{"CLICKHOUSE_PASSWORD_FILE": file + "x"}, "CLICKHOUSE_PASSWORD_FILE: open"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD"} {
				t.Setenv(variable, tc.env[variable])
				t.Setenv(variable+"_FILE", tc.env[variable+"_FILE"])
			}
			user, password, err := engine.Credentials()
			got := user + "/" + password
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tc.want) {
				t.Errorf("credentials: got %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestParseReady(t *testing.T) {
	for line, want := range map[string]engine.Addresses{
		"engine ready: native 127.0.0.1:9000, http 127.0.0.1:8123\n": {Native: "127.0.0.1:9000", HTTP: "127.0.0.1:8123"},
		"engine ready: native 127.0.0.1:9000":                        {},
		"broker ready on 127.0.0.1:9092":                             {},
		"":                                                           {},
	} {
		if got, ok := engine.ParseReady(line); ok != (want.HTTP != "") || ok && got != want {
			t.Errorf("%q: got %+v, %v\nwant %+v", line, got, ok, want)
		}
	}
}
