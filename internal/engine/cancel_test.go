package engine_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/internal/engine/enginetest"
)

// endless is a statement that ends only when something ends it.
const endless = "SELECT count() FROM system.numbers WHERE NOT ignore(sipHash64(number))"

// TestCancel: a statement ends with its client's context.
func TestCancel(t *testing.T) {
	s := enginetest.Start(t)
	eachClient(t, protocols(), func(t *testing.T, conn driver.Conn) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- conn.Exec(ctx, endless) }()
		eventually(t, "statement runs", func() bool { return running(t, s, endless) == "1" })
		cancel()
		if err := <-done; err == nil {
			t.Error("cancelled statement: got no error")
		}
		eventually(t, "statement gone", func() bool { return running(t, s, endless) == "0" })
	})
}

// TestKill: KILL finds a statement by the id that its client gave it.
func TestKill(t *testing.T) {
	s := enginetest.Start(t)
	for _, mode := range []string{"ASYNC", "SYNC"} {
		eachClient(t, protocols(), func(t *testing.T, conn driver.Conn) {
			ctx := clickhouse.Context(t.Context(), clickhouse.WithQueryID("victim "+t.Name()))
			done := make(chan error, 1)
			go func() { done <- conn.Exec(ctx, endless) }()
			eventually(t, "statement runs", func() bool { return running(t, s, endless) == "1" })
			s.Query(t, "", "KILL QUERY WHERE query_id = 'victim "+t.Name()+"' "+mode)
			if err := <-done; code(err) != 394 {
				t.Errorf("%s: killed statement: got %v\nwant code 394", mode, err)
			}
		})
	}
}

// TestKillStalledInsert: an INSERT whose client was stopped in the middle goes away
// when it is killed, and leaves nothing: the drain of decisions.md 3 depends on it.
func TestKillStalledInsert(t *testing.T) {
	s := enginetest.Start(t)
	for _, mode := range []string{"ASYNC", "SYNC"} {
		t.Run("native "+mode, func(t *testing.T) {
			db := s.Database(t)
			conn := s.Conn(t, db)
			execute(t, conn, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
			ctx := clickhouse.Context(t.Context(), clickhouse.WithQueryID("stalled-native-"+mode))
			batch, err := conn.PrepareBatch(ctx, "INSERT INTO t")
			if err == nil {
				err = errors.Join(batch.Append(uint32(1)), batch.Flush())
			}
			if err != nil {
				t.Fatal(err)
			}
			killStalled(t, s, db, "stalled-native-"+mode, mode)
			if err := batch.Send(); err == nil {
				t.Error("killed insert: got no error")
			}
		})
		t.Run("http "+mode, func(t *testing.T) {
			db := s.Database(t)
			s.Query(t, db, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
			_, body := stalledHTTP(t, s, db, "stalled-http-"+mode)
			defer body.Close()
			killStalled(t, s, db, "stalled-http-"+mode, mode)
		})
	}
}

func killStalled(t *testing.T, s enginetest.Server, db, id, mode string) {
	t.Helper()
	eventually(t, "insert runs", func() bool { return running(t, s, "INSERT INTO t") == "1" })
	s.Query(t, "", "KILL QUERY WHERE Settings['log_comment'] = '"+id+"' "+mode)
	eventually(t, "insert gone", func() bool { return running(t, s, "INSERT INTO t") == "0" })
	if got := s.Query(t, db, "SELECT count() FROM t"); got != "0" {
		t.Errorf("rows of a killed insert: got %s\nwant 0", got)
	}
}

// stalledHTTP starts an INSERT whose body has begun and does not end.
func stalledHTTP(t *testing.T, s enginetest.Server, db, id string) (answer <-chan error, body *io.PipeWriter) {
	t.Helper()
	r, w := io.Pipe()
	request, err := http.NewRequest(http.MethodPost, "http://"+s.HTTP+"/?database="+db+"&query_id="+id+"&query=INSERT+INTO+t+FORMAT+TSV", r)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				err = errors.New(response.Status)
			}
		}
		done <- err
	}()
	if _, err := io.WriteString(w, "1\n2\n"); err != nil {
		t.Fatal(err)
	}
	return done, w
}

// TestHalfInsert: a client that goes away in the middle of an INSERT leaves
// nothing, not even the blocks that had arrived.
func TestHalfInsert(t *testing.T) {
	s := enginetest.Start(t)
	t.Run("native", func(t *testing.T) {
		db := s.Database(t)
		conn := s.Conn(t, db)
		execute(t, conn, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
		batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100_000 {
			if err := batch.Append(uint32(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Flush(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "insert runs", func() bool { return running(t, s, "INSERT INTO t") == "1" })
		if err := batch.Abort(); err != nil { // closes the socket
			t.Fatal(err)
		}
		checkNothing(t, s, db)
	})
	t.Run("http", func(t *testing.T) {
		db := s.Database(t)
		s.Query(t, db, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
		answer, body := stalledHTTP(t, s, db, "half")
		eventually(t, "insert runs", func() bool { return running(t, s, "INSERT INTO t") == "1" })
		_ = body.CloseWithError(errors.New("client died"))
		if err := <-answer; err == nil {
			t.Error("broken off insert: got no error")
		}
		checkNothing(t, s, db)
	})
}

func checkNothing(t *testing.T, s enginetest.Server, db string) {
	t.Helper()
	eventually(t, "insert gone", func() bool { return running(t, s, "INSERT INTO t") == "0" })
	if got := s.Query(t, db, "SELECT count() FROM t"); got != "0" {
		t.Errorf("rows of half an insert: got %s\nwant 0", got)
	}
}

// TestKillWhenFull: a KILL gets through when stalled inserts hold every slot.
func TestKillWhenFull(t *testing.T) {
	s := enginetest.StartOwn(t, enginetest.Options{})
	conn := s.Conn(t, "")
	execute(t, conn, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	options := s.Options("")
	options.MaxOpenConns = 32
	stalled := enginetest.Open(t, options)
	for range 32 {
		if _, err := stalled.PrepareBatch(t.Context(), "INSERT INTO t"); err != nil {
			t.Fatal(err)
		}
	}
	waiting := make(chan error, 1)
	go func() { waiting <- conn.Exec(context.Background(), "SELECT 1") }()
	execute(t, s.Conn(t, ""), "KILL QUERY WHERE startsWith(query, 'INSERT') SYNC")
	if err := <-waiting; err != nil {
		t.Errorf("statement that waited: %v", err)
	}
}

// TestManyAtOnce: more statements than slots wait for their turn.
func TestManyAtOnce(t *testing.T) {
	s := enginetest.Start(t)
	options := s.Options("")
	options.MaxOpenConns, options.DialTimeout = 100, 30*time.Second
	conn := enginetest.Open(t, options)
	done := make(chan error)
	for range 100 {
		go func() { done <- conn.Exec(context.Background(), "SELECT sleep(0.05)") }()
	}
	for range 100 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
