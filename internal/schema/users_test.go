package schema

import (
	"context"
	"strings"
	"testing"

	"clickstream/internal/engine/enginetest"
)

// TestUserStatements: the server's own parser takes each of them, whatever the names,
// and none holds the password. The embedded engine makes no users, so that they run on a
// real server only (docker-compose.yml).
func TestUserStatements(t *testing.T) {
	conn := enginetest.Start(t).Conn(t, "")
	const password = `s3cret'\"`
	for _, r := range []role{writer, reader} {
		for _, name := range []string{"grafana", "back`tick", `back\slash`, "quote'"} {
			statements, err := userStatements("data`base", User{name, password}, r)
			if err != nil || len(statements) < 4 {
				t.Fatalf("%s: got %d statements, %v", r.file, len(statements), err)
			}
			for _, s := range statements {
				var formatted string
				if err := conn.QueryRow(context.Background(), "SELECT formatQuery(?)", s).Scan(&formatted); err != nil {
					t.Errorf("%s: %s\n%v", r.file, s, err)
				}
				if strings.Contains(s, "s3cret") || strings.Contains(s, "{") {
					t.Errorf("%s: got %s", r.file, s)
				}
			}
		}
	}
}

// TestUsersThatCannotBeMade: the error says which file, why, and the way out.
func TestUsersThatCannotBeMade(t *testing.T) {
	conn := enginetest.Start(t).Conn(t, "")
	if said, err := makeUser(t.Context(), conn, "d", User{Name: "grafana"}, reader); said != "" || err != nil {
		t.Errorf("without a password: got %q, %v", said, err)
	}
	_, err := makeUser(t.Context(), conn, "d", User{"grafana", "s3cret"}, reader)
	if err == nil || !strings.HasPrefix(err.Error(), "user_reader.sql: statement 1: ") || !strings.HasSuffix(err.Error(), nextUser) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}
