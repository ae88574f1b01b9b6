package kafka

import (
	"errors"
	"strconv"
	"time"

	"clickstream/internal/event"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// maxHeader bounds the text of one header, so that a letter always has room for
// its headers.
const maxHeader = 1 << 10

// truncatedHeader marks a letter that lost the end of its value.
const truncatedHeader = "truncated"

// letterRoom is what a dead letter needs beside its key and value: eight headers
// with their names, and the frame of a batch of one.
const letterRoom = 4 << 10

// letter makes a dead letter of r: why m was refused, and where it came from.
func (o *output) letter(r *kgo.Record, m *service.Message) {
	text, ok := m.MetaGet("fallback_error")
	if !ok && m.GetError() != nil {
		text = m.GetError().Error()
	}
	why := event.ParseRejection(text)
	add := func(name, value string) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value[:min(len(value), maxHeader)])})
	}
	r.Headers = make([]kgo.RecordHeader, 0, 9)
	add("reason", string(why.Reason))
	add("field", why.Field)
	add("message", why.Message)
	if c := event.CoordinateOf(m); c != nil {
		r.Key = c.Key
		add("topic", c.Topic)
		add("partition", strconv.Itoa(int(c.Partition)))
		add("offset", strconv.FormatInt(c.Offset, 10))
		add("timestamp", c.Time.UTC().Format(time.RFC3339Nano))
	}
	add("version", o.version)
	o.fit(r)
}

// fit cuts a letter that is larger than the topic takes. It cannot be refused
// instead: nobody is behind the dead letters to take it.
func (o *output) fit(r *kgo.Record) {
	room := int(o.limit.Load()) - letterRoom
	if len(r.Key)+len(r.Value) <= room {
		return
	}
	if len(r.Key) > room {
		r.Key = nil
	}
	o.cut(r, max(0, min(len(r.Value), room-len(r.Key))))
}

// halve cuts a letter that the broker found too large although we did not, which
// happens where it does not tell its limit. It returns false if err is another
// error, or nothing is left to cut.
func (o *output) halve(r *kgo.Record, err error) bool {
	if !errors.Is(err, kerr.MessageTooLarge) || len(r.Value) == 0 {
		return false
	}
	o.cut(r, len(r.Value)/2)
	return true
}

// cut shortens the value to n bytes and says so in the header `truncated`, which
// holds the value's whole length.
func (o *output) cut(r *kgo.Record, n int) {
	if r.Headers[len(r.Headers)-1].Key != truncatedHeader {
		o.stats.truncated.Incr(1)
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: truncatedHeader, Value: strconv.AppendInt(nil, int64(len(r.Value)), 10)})
	}
	r.Value = r.Value[:n]
}
