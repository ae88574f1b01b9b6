package broker

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/iotest"
	"time"

	"clickstream/internal/corpus"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// request is a frame with this size, key and version, and rest behind them.
func request(size uint32, key, version int16, rest ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, size)
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	return append(b, rest...)
}

// apiVersions is a whole, sound request of version 0 without a client id.
func apiVersions() []byte {
	return request(10, int16(kmsg.ApiVersions), 0, 0, 0, 0, 1, 0xff, 0xff)
}

// TestForeignersAreReset sends what is no Kafka request to a live broker: each gets
// its connection reset, and the broker goes on serving Kafka clients.
func TestForeignersAreReset(t *testing.T) {
	b := startTest(t, testConfig(t))
	cl := client(t, b.Addr())
	createTopic(t, cl, topic, 3)
	for name, hello := range map[string][]byte{
		"unknown key":         request(10, 9999, 0, 0, 0, 0, 1, 0, 0),
		"negative key":        request(10, -1, 0, 0, 0, 0, 1, 0, 0),
		"negative version":    request(10, 3, -1, 0, 0, 0, 1, 0, 0),
		"http":                []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"ssh":                 []byte("SSH-2.0-OpenSSH_9.2\r\n"),
		"tls":                 tlsHello(t),
		"huge":                request(maxFrame+1, 3, 0),
		"small":               request(4, 3, 0),
		"empty":               make([]byte, 64),
		"all ones":            bytes.Repeat([]byte{0xff}, 64),
		"bad after a request": append(apiVersions(), request(10, 9999, 0)...),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", b.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, err = conn.Write(hello)
			if err == nil {
				_, err = io.Copy(io.Discard, conn)
			}
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Error("the connection was left open")
			}
		})
	}
	produce(t, cl, 0, 10)
}

// TestOddRequestsAreSurvived sends each request Kafka knows with a body of nothing
// but zeroes or ones in the oldest and an absurd version.
func TestOddRequestsAreSurvived(t *testing.T) {
	b := startTest(t, testConfig(t))
	for key := range int16(128) {
		if kmsg.RequestForKey(key) == nil {
			continue
		}
		for _, version := range []int16{0, 1 << 14} {
			for _, fill := range []byte{0, 0xff} {
				conn, err := net.Dial("tcp", b.Addr())
				if err != nil {
					t.Fatalf("after key %d: %v", key, err)
				}
				rest := bytes.Repeat([]byte{fill}, 60)
				conn.Write(request(uint32(len(rest)+4), key, version, rest...))
				conn.(*net.TCPConn).CloseWrite()
				conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
				io.Copy(io.Discard, conn)
				conn.Close()
			}
		}
	}
	cl := client(t, b.Addr())
	createTopic(t, cl, topic, 3)
	produce(t, cl, 0, 10)
}

func tlsHello(t *testing.T) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	go tls.Client(ours, &tls.Config{ServerName: "localhost"}).Handshake()
	buf := make([]byte, 4096)
	n, err := theirs.Read(buf)
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// memoryConn is a connection whose peer sent these bytes.
type memoryConn struct {
	net.Conn
	io.Reader
}

func (memoryConn) SetReadDeadline(time.Time) error { return nil }
func (c memoryConn) Read(p []byte) (int, error)    { return c.Reader.Read(p) }
func (memoryConn) Close() error                    { return nil }
func (memoryConn) RemoteAddr() net.Addr            { return &net.TCPAddr{} }

// FuzzGuard: whatever comes, in whatever pieces, the guard hands out a prefix of it
// that consists of whole, sound requests.
func FuzzGuard(f *testing.F) {
	corpus.Add(f)
	for _, sent := range [][]byte{
		apiVersions(),
		append(apiVersions(), apiVersions()...),
		request(10, 9999, 0),
		[]byte("GET / HTTP/1.1\r\n\r\n"),
		request(8, 3, 9, 1, 2, 3, 4),
		append(kmsg.NewRequestFormatter().AppendRequest(nil, &kmsg.JoinGroupRequest{Version: 9, Group: "g"}, 1), apiVersions()...),
		request(16, int16(kmsg.SyncGroup), 3, make([]byte, 12)...),
		twinTopics(f),
	} {
		f.Add(sent, "whole")
		f.Add(sent, "torn")
	}
	f.Fuzz(func(t *testing.T, sent []byte, mode string) {
		var from io.Reader = bytes.NewReader(sent)
		if mode == "torn" {
			from = iotest.OneByteReader(from)
		}
		d := guard(nil, &lobby{}, 0, slog.New(slog.DiscardHandler))
		g := &guardConn{Conn: memoryConn{Reader: from}, door: d, closed: make(chan struct{})}
		got, _ := io.ReadAll(g)
		if want := soundPrefix(sent); !bytes.Equal(got, want) {
			t.Fatalf("handed out\n got %x\nwant %x", got, want)
		}
	})
}

// soundPrefix is what a guard must hand out, computed the plain way.
func soundPrefix(sent []byte) []byte {
	done := 0
	for len(sent)-done >= headSize {
		size, err := checkHead([headSize]byte(sent[done:]))
		if err != nil || done+int(size)+4 > len(sent) {
			break
		}
		if _, err := inspect(sent[done : done+int(size)+4]); err != nil {
			break
		}
		done += int(size) + 4
	}
	return sent[:done]
}

// TestFalseTagCount: a request whose head promises millions of tagged fields is refused
// at once; to count them would keep a core busy for seconds.
func TestFalseTagCount(t *testing.T) {
	b := startTest(t, testConfig(t))
	conn := dial(t, b.Addr())
	conn.Write(request(27, int16(kmsg.JoinGroup), 9, append([]byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f}, make([]byte, 12)...)...))
	begin := time.Now()
	if _, err := answerTo(conn); err == nil {
		t.Error("the request was answered")
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("the connection was ended after %s", took)
	}
}
