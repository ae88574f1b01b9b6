package engine_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"clickstream/internal/engine/enginetest"
)

// TestInjection: what the fronts put together from a client's words stays one statement.
func TestInjection(t *testing.T) {
	s := enginetest.Start(t)
	db := s.Database(t)
	s.Query(t, db, "CREATE TABLE hits (a Int8) ENGINE = Memory")
	second := "; INSERT INTO " + db + ".hits VALUES (1); "

	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_threads = 1" + second + "SET max_threads": 1}))
	if err := s.Conn(t, db).Exec(ctx, "SELECT 1"); code(err) != 115 {
		t.Errorf("name of a setting: got %v, want code 115", err)
	}

	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("x", "1\n") // a bytes.Buffer takes everything
	_ = w.Close()
	query := url.Values{"query": {"SELECT * FROM x"}, "x_structure": {"a Int8)" + second + "CREATE TEMPORARY TABLE y (a Int8"}}
	response, err := http.Post("http://"+s.HTTP+"/?"+query.Encode(), w.FormDataContentType(), &form)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); !strings.Contains(string(text), "Multi-statements") {
		t.Errorf("structure of a table: got %d %q", response.StatusCode, text)
	}

	if _, err := s.Conn(t, db).PrepareBatch(t.Context(), "INSERT INTO FUNCTION null("+second+")"); err == nil {
		t.Error("target of an INSERT: got no error")
	}
	if got := s.Query(t, db, "SELECT count() FROM hits"); got != "0" {
		t.Errorf("statements that were smuggled in: got %s", got)
	}
}
