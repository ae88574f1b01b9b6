package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/internal/engine/enginetest"
)

// code returns the code of a typed exception, 0 for any other error.
func code(err error) int32 {
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// TestExceptions: errors carry the codes that a server gives, and leave the
// connection fit for the next statement.
func TestExceptions(t *testing.T) {
	eachClient(t, clients(), func(t *testing.T, conn driver.Conn) {
		execute(t, conn, "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
		for sql, want := range map[string]int32{
			"SELEC 1":                        62,
			"SELECT 1; SELECT 2":             62,
			"SELECT nothing":                 47,
			"SELECT * FROM missing":          60,
			"SELECT * FROM missing.t":        81,
			"INSERT INTO missing VALUES (1)": 60,
			"CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a":                                                                           57,
			"SELECT throwIf(number = 5) FROM numbers(10)":                                                                                      395,
			"SELECT number FROM numbers(1000000000) ORDER BY rand() SETTINGS max_memory_usage = 1000000":                                       241,
			"SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number)) SETTINGS max_execution_time = 0.2, max_threads = 1": 159,
			"SELECT * FROM file('/etc/passwd', 'LineAsString')":                                                                                497,
			"SELECT * FROM url('http://127.0.0.1:1/', 'CSV')":                                                                                  497,
			"SYSTEM SHUTDOWN":                    497,
			"SYSTEM KILL":                        497,
			"DROP DATABASE default":              497,
			"SELECT 1 INTO OUTFILE '/tmp/never'": 48,
			"INSERT INTO t FROM INFILE '/etc/passwd' FORMAT TSV":        48,
			"INSERT INTO t SELECT * FROM input('a UInt8') FORMAT TSV 1": 48,
		} {
			if got := code(conn.Exec(within(t, 30*time.Second), sql)); got != want {
				t.Errorf("%s: got code %d\nwant %d", sql, got, want)
			}
			if got := scan[uint8](t, conn, "SELECT 1"); got != 1 {
				t.Fatalf("statement after %s: got %d", sql, got)
			}
		}
	})
}

// TestExceptionInAnswer: rows that were sent come first, then the error.
func TestExceptionInAnswer(t *testing.T) {
	eachClient(t, protocols(), func(t *testing.T, conn driver.Conn) {
		rows, err := conn.Query(t.Context(), "SELECT throwIf(number = 1000000) FROM numbers(2000000) SETTINGS max_threads = 1, max_block_size = 1000")
		n := 0
		for err == nil && rows.Next() {
			n++
		}
		if err == nil {
			err = rows.Err()
		}
		if err == nil || !strings.Contains(err.Error(), "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO") {
			t.Errorf("error after %d rows: got %v\nwant code 395", n, err)
		}
	})
}

// TestInsertExceptions: a bad insert stores nothing and says why.
func TestInsertExceptions(t *testing.T) {
	eachClient(t, protocols(), func(t *testing.T, conn driver.Conn) {
		execute(t, conn, "CREATE TABLE t (a UInt32, CONSTRAINT small CHECK a < 5000) ENGINE = MergeTree ORDER BY a")
		if _, err := conn.PrepareBatch(t.Context(), "INSERT INTO missing"); code(err) != 60 {
			t.Errorf("insert into a missing table: got %v\nwant code 60", err)
		}
		if _, err := conn.PrepareBatch(t.Context(), "INSERT INTO t (b)"); code(err) != 16 && !strings.Contains(err.Error(), "b") {
			t.Errorf("insert into a missing column: got %v\nwant code 16", err)
		}
		batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10_000 {
			if err := batch.Append(uint32(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); code(err) != 469 { // VIOLATED_CONSTRAINT
			t.Errorf("insert against a constraint: got %v\nwant code 469", err)
		}
		if got := scan[uint64](t, conn, "SELECT count() FROM t"); got != 0 {
			t.Errorf("rows: got %d\nwant 0", got)
		}
	})
}

// TestLogin: who may connect, and to which database.
func TestLogin(t *testing.T) {
	s := enginetest.StartOwn(t, enginetest.Options{User: "app", Password: "se'cret"})
	for name, tc := range map[string]struct {
		user, password, database string
		want                     int32
	}{
		"right":          {"app", "se'cret", "", 0},
		"default":        {"app", "se'cret", "default", 0},
		"wrong password": {"app", "secret", "", 516},
		"no password":    {"app", "", "", 516},
		"wrong user":     {"default", "se'cret", "", 516},
		"no database":    {"app", "se'cret", "missing", 81},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range protocols() {
				server := s.Server
				server.User, server.Password = tc.user, tc.password
				var one uint8
				err := c.open(t, server, tc.database).QueryRow(within(t, 10*time.Second), "SELECT 1").Scan(&one)
				if got := code(err); got != tc.want || (err == nil) != (tc.want == 0) {
					t.Errorf("%s: got %v\nwant code %d", c, err, tc.want)
				}
			}
		})
	}
}
