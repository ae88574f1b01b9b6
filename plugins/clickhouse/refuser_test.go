package clickhouse

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// refuser stands before a server's native port and answers inserts into events with an
// exception of the test's choice, for what the engine cannot be brought to say.
type refuser struct {
	to     string
	code   int32
	early  bool         // answer the query, not its rows
	left   atomic.Int64 // how many more to refuse
	passed atomic.Int64 // inserts whose rows went through
	l      net.Listener
}

func startRefuser(t testing.TB, to string, code int32) *refuser {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &refuser{to: to, code: code, l: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

// serve passes a connection on. Rows follow the server's answer to their query.
func (p *refuser) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	var answered, asked atomic.Bool
	go func() {
		defer client.Close()
		_, _ = io.Copy(client, watch{server, func() { answered.Store(asked.Load()) }})
	}()
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		query := bytes.Contains(buf[:n], []byte("INSERT INTO ")) && bytes.Contains(buf[:n], []byte(".`events` ("))
		rows := answered.Load() && asked.Load() && !query
		if (rows && !p.early || query && p.early) && p.left.Add(-1) >= 0 {
			_, _ = client.Write(exception(p.code))
			return
		}
		if rows {
			p.passed.Add(1)
		}
		if query || rows {
			asked.Store(query)
			answered.Store(false)
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// watch calls f before what was read is handed on.
type watch struct {
	io.Reader
	f func()
}

func (w watch) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.f()
	return n, err
}

// exception is a native packet: kind 2, code, name, message, stack trace, nothing nested.
func exception(code int32) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{2}, uint32(code))
	for _, text := range []string{"DB::Exception", "DB::Exception: stub", ""} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return append(b, 0)
}
