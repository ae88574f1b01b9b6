package front

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"clickstream/internal/engine/chdb"
)

// flushEvery keeps a slow result from looking like a dead one.
const flushEvery = 100 * time.Millisecond

// stream answers block by block.
func (x *exchange) stream(session *chdb.Conn, in input, format string) error {
	stream, err := session.Stream(in.SQL, format, in.params...)
	if err != nil {
		return err
	}
	defer stream.Close()
	s := &streaming{exchange: x, start: time.Now(), flushed: time.Now(), tag: exceptionTag()}
	for {
		chunk, err := stream.Next()
		if err != nil && s.out != nil {
			s.breakOff(err)
		}
		if err != nil {
			return err
		}
		more, err := s.send(chunk)
		chunk.Free()
		if err != nil {
			return nil // the client has gone
		}
		if !more {
			return s.end()
		}
	}
}

// streaming is an answer on its way.
type streaming struct {
	*exchange
	out            *encoder // nil until the first bytes
	start, flushed time.Time
	total          chdb.Stats
	tag            string
}

// exceptionTag is a random mark by which a client tells an exception in the middle
// of an answer from data that looks like one.
func exceptionTag() string {
	var tag [8]byte
	_, _ = rand.Read(tag[:]) // never fails
	return hex.EncodeToString(tag[:])
}

// send passes a chunk on; the empty one is the last.
func (s *streaming) send(chunk *chdb.Result) (more bool, err error) {
	counts, data := chunk.Stats(), chunk.Bytes()
	s.total.ReadRows += counts.ReadRows
	s.total.ReadBytes += counts.ReadBytes
	s.total.ResultRows += counts.ResultRows
	if len(data) == 0 {
		return false, nil
	}
	if s.out == nil {
		s.w.Header().Set("X-ClickHouse-Exception-Tag", s.tag)
		s.summary()
		s.out = s.encoder()
	}
	control := http.NewResponseController(s.w)
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := s.out.Write(data); err != nil {
		return false, err
	}
	if time.Since(s.flushed) > flushEvery {
		s.flushed = time.Now()
		err = control.Flush()
	}
	return true, err
}

func (s *streaming) summary() {
	s.total.Elapsed = time.Since(s.start)
	s.setSummary(s.total)
}

func (s *streaming) end() error {
	if s.out == nil {
		s.summary()
		s.w.Header().Set("Content-Length", "0")
		return nil
	}
	_ = s.out.end()
	_ = http.NewResponseController(s.w).SetWriteDeadline(time.Time{})
	return nil
}

// breakOff ends an answer of which a part was sent: the exception in the frame
// that ClickHouse puts it in, then the connection is cut, since status 200 is gone.
func (s *streaming) breakOff(err error) {
	text := s.text(exception(err))
	text = fmt.Sprintf("\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", s.tag, text, len(text)+1, s.tag)
	if s.out.framed { // behind the last frame, not in one
		_, _ = io.WriteString(s.w, text)
	} else {
		_, _ = io.WriteString(s.out, text)
		_ = s.out.end()
	}
	_ = http.NewResponseController(s.w).Flush()
	panic(http.ErrAbortHandler)
}
