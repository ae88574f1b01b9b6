package engine_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"clickstream/internal/engine/enginetest"
)

// TestSilentInserts: forty INSERTs that send nothing keep no other statement waiting,
// and a KILL ends them.
func TestSilentInserts(t *testing.T) {
	s := enginetest.StartOwn(t, enginetest.Options{})
	conn := s.Conn(t, "")
	execute(t, conn, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a", "CREATE TABLE u (a UInt32) ENGINE = MergeTree ORDER BY a")
	options := s.Options("")
	options.MaxOpenConns = 40
	silent := enginetest.Open(t, options)
	for range 20 {
		if _, err := silent.PrepareBatch(t.Context(), "INSERT INTO t"); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		knock(t, s.HTTP, "POST /?query=INSERT+INTO+t+FORMAT+TSV HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
	}
	eventually(t, "inserts run", func() bool { return running(t, s.Server, "INSERT INTO t") != "0" })
	execute(t, conn, "SELECT 1", "INSERT INTO u SELECT 1", "INSERT INTO u VALUES (2)")
	s.Query(t, "", "INSERT INTO u FORMAT TSV\n3\n")
	if got := s.Query(t, "", "SELECT count() FROM u"); got != "3" {
		t.Errorf("rows beside silent inserts: got %s, want 3", got)
	}
	execute(t, conn, "KILL QUERY WHERE query LIKE 'INSERT INTO t%' SYNC")
	if got := running(t, s.Server, "INSERT INTO t"); got != "0" {
		t.Errorf("inserts that were killed: got %s, want none", got)
	}
}

// knock opens a connection, says something and leaves it there until the test ends.
func knock(t *testing.T, address, text string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err == nil {
		t.Cleanup(func() { c.Close() })
		_, err = c.Write([]byte(text))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestHalfBodies: a thousand clients that stop in the middle of a body cost little
// memory, whatever they had announced.
func TestHalfBodies(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("only Linux tells what a process holds")
	}
	const most = 64 << 20
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(bytes.Repeat([]byte("SELECT 1,"), 100)) // a bytes.Buffer takes everything
	_ = w.Flush()
	post := func(query, header, body string) string {
		return "POST /?" + query + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n" + header + "\r\n" + body
	}
	frame := strings.Repeat("\x00", 16) + "\x82\x09\x00\x00\x08\x00\x00\x00\x08" // 128 MiB on the wire, 128 MiB of data
	for name, text := range map[string]string{
		"a statement, later":  post("", "", "SELECT "+strings.Repeat("1,", 5000)),
		"gzip":                post("", "Content-Encoding: gzip\r\n", packed.String()),
		"frames":              post("decompress=1", "", frame),
		"rows of a statement": post("query=INSERT+INTO+FUNCTION+null('a+String')+FORMAT+TSV", "", strings.Repeat("row\n", 1000)),
	} {
		t.Run(name, func(t *testing.T) {
			s := enginetest.StartOwn(t, enginetest.Options{})
			s.Query(t, "", "SELECT 1")
			before := resident(t, s.PID())
			for range 1000 {
				knock(t, s.HTTP, text)
			}
			s.Query(t, "", "SELECT 1") // whatever is read of them has been, by now
			if grown := resident(t, s.PID()) - before; grown > most {
				t.Errorf("a thousand half bodies: got %d MiB, want at most %d", grown>>20, most>>20)
			} else {
				t.Logf("%d MiB", grown>>20)
			}
		})
	}
}

// resident is what a process holds of memory of its own, in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
