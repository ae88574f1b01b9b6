package broker

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The versions of Produce that kfake takes, and the first that names topics by their
// ids.
const (
	produceFrom, produceTo = 3, 13
	produceIDs             = 13
)

// written is a partition that a Produce request appends to: by name or by id.
type written struct {
	topic  string
	id     [16]byte
	number int32
}

// inspect reads what the guard needs to know of a whole request. What else is wrong
// with it is kfake's to refuse.
func inspect(frame []byte) (flight, error) {
	one := flight{
		key: int16(binary.BigEndian.Uint16(frame[4:])), version: int16(binary.BigEndian.Uint16(frame[6:])),
		number: int32(binary.BigEndian.Uint32(frame[8:])), size: len(frame) - 4,
	}
	head := reader{Reader: kbin.Reader{Src: frame[12:]}, flexible: flexible(one.key, one.version)}
	head.NullableString() // client id
	head.tags()
	if !head.Ok() {
		return one, fmt.Errorf("head of a %s request: its lengths do not fit each other", kmsg.NameForKey(one.key))
	}
	if one.key != int16(kmsg.Produce) {
		if head.flexible {
			return one, sound(head.Src, one.key, one.version)
		}
		return one, nil
	}
	if one.version < produceFrom || one.version > produceTo {
		if one.size > maxPlain {
			return one, fmt.Errorf("version of a Produce request of %d bytes: want %d to %d, got %d", one.size, produceFrom, produceTo, one.version)
		}
		return one, nil
	}
	acks, wrote, err := parseProduce(head, one.version >= produceIDs)
	one.silent = acks == 0
	if acks == -1 {
		one.wrote = wrote
	}
	return one, err
}

var errProduce = errors.New("produce request: its lengths do not fit each other")

// parseProduce walks through the body of a Produce request. It takes no memory for
// lengths that are not true, as a decoder would.
func parseProduce(p reader, ids bool) (acks int16, wrote []written, err error) {
	if p.flexible {
		p.CompactNullableString() // transactional id
	} else {
		p.NullableString()
	}
	acks = p.Int16()
	p.Int32() // timeout
	topics := 0
	for range p.length() {
		topic := p.topic(ids)
		for range p.length() {
			topic.number = p.Int32()
			p.skipRecords()
			p.tags()
			if wrote = append(wrote, topic); len(wrote) > maxPartitions || !p.Ok() {
				return 0, nil, errProduce
			}
		}
		p.tags()
		if topics++; topics > maxPartitions || !p.Ok() {
			return 0, nil, errProduce
		}
	}
	p.tags()
	if !p.Ok() {
		return 0, nil, errProduce
	}
	return acks, wrote, nil
}

// flexible reports whether a request has tagged fields and compact lengths.
func flexible(key, version int16) bool {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	return req.IsFlexible()
}

// reader reads either kind of lengths.
type reader struct {
	kbin.Reader
	flexible bool
}

func (r *reader) topic(ids bool) (t written) {
	if ids {
		t.id = r.Uuid()
	} else {
		t.topic = r.text()
	}
	return t
}

// length reads how many elements follow.
func (r *reader) length() int32 {
	var n int32
	if r.flexible {
		n = r.CompactArrayLen()
	} else {
		n = r.ArrayLen()
	}
	return max(n, 0)
}

func (r *reader) skipRecords() {
	if r.flexible {
		r.CompactNullableBytes()
	} else {
		r.NullableBytes()
	}
}

// tags skips tagged fields. kmsg.SkipTags would count to four billion if told so.
func (r *reader) tags() {
	if !r.flexible {
		return
	}
	for n := r.Uvarint(); n > 0 && r.Ok(); n-- {
		r.Uvarint()
		r.Span(int(r.Uvarint()))
	}
}

func (r *reader) text() string {
	if r.flexible {
		return r.CompactString()
	}
	return r.String()
}
