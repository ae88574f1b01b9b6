package kafka

import (
	"context"
	"fmt"

	"clickstream/internal/process"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// checkTails compares the group's commits with the logs: one that lies past the end of
// its log, or past the end of the records of its leader epoch, belongs to records that
// the brokers have lost since. It returns where each such log ends for the group.
// A partition whose leader does not answer is left to franz-go, which asks for the
// epoch before its first fetch, and to the broker, which refuses an offset that it
// does not have.
func (s *session) checkTails(ctx context.Context, starts map[int32]kgo.Offset) (map[int32]int64, error) {
	var epochs kadm.OffsetForLeaderEpochRequest
	some := false
	for id, start := range starts {
		if at := start.EpochOffset(); at.Offset > 0 {
			some = true
			if at.Epoch >= 0 {
				epochs.Add(s.topic, id, at.Epoch)
			}
		}
	}
	if !some {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	admin := kadm.NewClient(s.cl)
	ends, err := admin.ListEndOffsets(ctx, s.topic)
	if err != nil {
		return nil, fmt.Errorf("end of the log of topic %s: %w", s.topic, err)
	}
	var byEpoch kadm.OffsetsForLeaderEpochs
	if len(epochs) > 0 {
		if byEpoch, err = admin.OffsetForLeaderEpoch(ctx, epochs); err != nil {
			return nil, fmt.Errorf("end of a leader epoch of topic %s: %w", s.topic, err)
		}
	}
	begins, err := s.startsIfEmpty(ctx, byEpoch[s.topic])
	if err != nil {
		return nil, err
	}
	lost := map[int32]int64{}
	for id, start := range starts {
		at := start.EpochOffset().Offset
		end := at
		if e, ok := ends.Lookup(s.topic, id); ok && e.Err == nil {
			end = min(end, e.Offset)
		}
		// Below zero: the broker knows nothing of that epoch.
		if e, ok := byEpoch[s.topic][id]; ok && e.Err == nil && e.EndOffset >= 0 {
			if begin, ok := begins.Lookup(s.topic, id); e.EndOffset > 0 || ok && begin.Err == nil && begin.Offset == 0 {
				end = min(end, e.EndOffset)
			}
		}
		if end < at {
			lost[id] = end
		}
	}
	return lost, nil
}

// startsIfEmpty asks for the logs' starts if an epoch ended at 0: either all was lost, or
// all was deleted, and then some brokers say 0 too.
func (s *session) startsIfEmpty(ctx context.Context, epochs map[int32]kadm.OffsetForLeaderEpoch) (kadm.ListedOffsets, error) {
	for _, e := range epochs {
		if e.Err == nil && e.EndOffset == 0 {
			return kadm.NewClient(s.cl).ListStartOffsets(ctx, s.topic)
		}
	}
	return nil, nil
}

// wentBack looks into it when reading begins again at an offset below what this group
// has read: franz-go goes back too where a broker knows nothing of an epoch, as one may
// that leads anew and has stored nothing since, and that is no loss. It reports whether
// reading goes on, from p.expected: at the offset if records were lost, else behind what
// was read. A log that cannot be asked about is asked again by a new session.
func (s *session) wentBack(p *partition, to int64) bool {
	lost, err := s.checkTails(s.ctx, map[int32]kgo.Offset{p.id: kgo.NewOffset().At(p.expected).WithEpoch(p.epoch)})
	if err != nil {
		s.fail(err)
		return false
	}
	end, ok := lost[p.id]
	p.again = !ok
	return p.again || s.truncated(p, min(end, to), p.expected)
}

// newOnes drops the records below an offset, which were read before.
func newOnes(records []*kgo.Record, offset int64) []*kgo.Record {
	for len(records) > 0 && records[0].Offset < offset {
		records = records[1:]
	}
	return records
}

// truncated notices that the log of p lost what lay from offset end up to next, which
// this group has read. Other records have got those offsets, or will get them. It
// reports whether reading goes on: a person should decide, since an output that knows
// records by their offsets may hold the new ones for the lost ones.
func (s *session) truncated(p *partition, end, next int64) bool {
	s.log.log.With("topic", s.topic, "partition", p.id, "from_offset", end, "to_offset", next-1, "records", next-end).
		Error("the brokers lost records that this group has read: other records get their offsets")
	if s.config.stopOnLoss {
		p.stopped = true
		process.Fatal(fmt.Errorf("%s: the log of partition %d of topic %s lost offsets %d to %d, which group %s has read, and gives them out again: set `on_truncation: rewind` to read on from offset %d",
			s.name(), p.id, s.topic, end, next-1, s.config.group.name, end))
		return false
	}
	p.expected = end
	return true
}
