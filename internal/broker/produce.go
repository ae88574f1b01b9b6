package broker

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The versions of Produce that kfake takes, the first with tagged fields, and the
// first that names topics by their ids.
const (
	produceFrom, produceTo = 3, 13
	produceFlexible        = 9
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
	if one.key != int16(kmsg.Produce) {
		return one, nil
	}
	if one.version < produceFrom || one.version > produceTo {
		if one.size > maxPlain {
			return one, fmt.Errorf("version of a Produce request of %d bytes: want %d to %d, got %d", one.size, produceFrom, produceTo, one.version)
		}
		return one, nil
	}
	acks, wrote, err := parseProduce(frame[12:], one.version)
	one.silent = acks == 0
	if acks == -1 {
		one.wrote = wrote
	}
	return one, err
}

var errProduce = errors.New("produce request: its lengths do not fit each other")

// parseProduce walks through a Produce request behind its correlation id. It takes no
// memory for lengths that are not true, as a decoder would.
func parseProduce(body []byte, version int16) (acks int16, wrote []written, err error) {
	p := producer{Reader: kbin.Reader{Src: body}, flexible: version >= produceFlexible, ids: version >= produceIDs}
	p.NullableString() // client id
	p.tags()
	if p.flexible {
		p.CompactNullableString() // transactional id
	} else {
		p.NullableString()
	}
	acks = p.Int16()
	p.Int32() // timeout
	for range p.length() {
		topic := p.topic()
		for range p.length() {
			topic.number = p.Int32()
			p.skipRecords()
			p.tags()
			if wrote = append(wrote, topic); len(wrote) > maxPartitions || !p.Ok() {
				return 0, nil, errProduce
			}
		}
		p.tags()
		if p.topics++; p.topics > maxPartitions || !p.Ok() {
			return 0, nil, errProduce
		}
	}
	p.tags()
	if !p.Ok() {
		return 0, nil, errProduce
	}
	return acks, wrote, nil
}

type producer struct {
	kbin.Reader
	flexible, ids bool
	topics        int
}

func (p *producer) topic() (t written) {
	switch {
	case p.ids:
		t.id = p.Uuid()
	case p.flexible:
		t.topic = p.CompactString()
	default:
		t.topic = p.String()
	}
	return t
}

// length reads how many elements follow.
func (p *producer) length() int32 {
	var n int32
	if p.flexible {
		n = p.CompactArrayLen()
	} else {
		n = p.ArrayLen()
	}
	return max(n, 0)
}

func (p *producer) skipRecords() {
	if p.flexible {
		p.CompactNullableBytes()
	} else {
		p.NullableBytes()
	}
}

// tags skips tagged fields. kmsg.SkipTags would count to four billion if told so.
func (p *producer) tags() {
	if !p.flexible {
		return
	}
	for n := p.Uvarint(); n > 0 && p.Ok(); n-- {
		p.Uvarint()
		p.Span(int(p.Uvarint()))
	}
}
