package broker

import (
	"maps"
	"slices"
)

// commits is how far one group has read, by topic and partition. A topic that the
// group reads but never committed has an entry without partitions.
type commits map[string]map[int32]int64

// limits is what the janitor leaves on disk.
type limits struct {
	keepBytes, keepBatches int64 // of each topic, of what every group has read
}

// cut says up to which offset a partition can be deleted.
type cut struct {
	topic  string
	number int32
	offset int64
}

// plan returns the cuts that free space without touching a record that some group
// of its topic has not read. Cuts fall between segments, since space is freed by
// whole files and a start after a kill takes the first file's first record for the
// log's start. The last segment always stays: it knows the next offset.
// A topic that no group reads is left alone.
func plan(partitions []partition, groups map[string]commits, keep limits) []cut {
	byTopic := map[string][]partition{}
	for _, p := range partitions {
		if readBySomeone(p.topic, groups) {
			byTopic[p.topic] = append(byTopic[p.topic], p)
		}
	}
	var cuts []cut
	for _, topic := range slices.Sorted(maps.Keys(byTopic)) {
		parts := byTopic[topic]
		share := limits{keep.keepBytes / int64(len(parts)), keep.keepBatches / int64(len(parts))}
		for _, p := range parts {
			if offset, ok := cutOf(p, committed(p, groups), share); ok {
				cuts = append(cuts, cut{p.topic, p.number, offset})
			}
		}
	}
	return cuts
}

func readBySomeone(topic string, groups map[string]commits) bool {
	for _, g := range groups {
		if _, ok := g[topic]; ok {
			return true
		}
	}
	return false
}

// committed returns the offset below which every group of p's topic has read p.
func committed(p partition, groups map[string]commits) int64 {
	lowest := int64(-1)
	for _, g := range groups {
		read, ok := g[p.topic]
		if !ok {
			continue
		}
		if offset := read[p.number]; lowest < 0 || offset < lowest { // no commit yet: 0
			lowest = offset
		}
	}
	return lowest
}

// cutOf walks from the newest segment back and keeps what is unread and then as
// much as keep allows; what lies before goes.
func cutOf(p partition, read int64, keep limits) (offset int64, ok bool) {
	var bytes, batches int64
	for i := len(p.segments) - 1; i > 0; i-- {
		s := p.segments[i]
		if s.base > read {
			continue // the segment before it may hold unread records
		}
		// Everything before s.base is read; from it on it counts as kept.
		if bytes += s.bytes; bytes >= keep.keepBytes {
			return s.base, true
		}
		if batches += s.batches; batches >= keep.keepBatches {
			return s.base, true
		}
	}
	return 0, false
}
