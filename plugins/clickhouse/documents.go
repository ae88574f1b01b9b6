package clickhouse

import (
	"clickstream/internal/event"
	"clickstream/internal/pack"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// documents are what a batch consists of: messages, or the records of one that stands
// for many.
type documents interface {
	Len() int
	// row fills in what number i has, or says why it cannot be a row. letters asks for
	// why another output refused it.
	row(i int, r *row, letters bool) *event.Rejection
	// fail makes the error that names the rejected ones, of which there are some.
	fail(r *rejections) error
}

// documentsOf returns what the batch consists of. Of a pack that another output has
// refused records of, those are messages of their own.
func documentsOf(batch service.MessageBatch) documents {
	if len(batch) == 1 {
		if p := pack.Of(batch[0]); p != nil && p.Refused() == nil {
			return &packed{Pack: p, batch: batch}
		}
	}
	return &plain{batch: pack.Unpack(batch), from: batch}
}

// plain are documents of a message each.
type plain struct {
	batch service.MessageBatch
	from  service.MessageBatch // as Benthos has it
}

func (m *plain) Len() int { return len(m.batch) }

func (m *plain) row(i int, r *row, letters bool) *event.Rejection {
	msg := m.batch[i]
	doc, err := msg.AsBytes()
	*r = row{doc: doc}
	if at := event.CoordinateOf(msg); at != nil {
		r.at = *at
	}
	if msg.GetError() != nil {
		return &event.Rejection{Reason: event.ReasonOther, Message: "a processor failed on the message"}
	}
	if err != nil {
		return &event.Rejection{Reason: event.ReasonJSON, Message: "the message has no bytes"}
	}
	if letters {
		text, _ := msg.MetaGet("fallback_error")
		r.letter = event.ParseRejection(text)
	}
	return nil
}

func (m *plain) fail(r *rejections) error {
	e := service.NewBatchError(m.batch, r.why[0])
	for n, i := range r.index {
		_ = e.Failed(i, r.why[n]) // it returns e
	}
	return pack.Failed(m.from, m.batch, e)
}

// packed are the records of a pack.
type packed struct {
	*pack.Pack
	batch service.MessageBatch // the one message
}

func (p *packed) row(i int, r *row, letters bool) *event.Rejection {
	r.doc = p.Record(i, &r.at)
	if letters {
		r.letter = event.ParseRejection("")
	}
	return nil
}

func (p *packed) fail(r *rejections) error {
	refused := make([]pack.Refusal, len(r.index))
	for n, i := range r.index {
		refused[n] = pack.Refusal{Index: i, Why: r.why[n]}
	}
	p.Refuse(refused)
	return service.NewBatchError(p.batch, r.why[0]).Failed(0, r.why[0])
}
