package broker

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"time"
)

// commitKey names a committed offset.
type commitKey struct {
	group string
	place
}

// commitEntry is an entry of groups.log, as far as it is about a commit.
type commitEntry struct {
	Type       string  `json:"type"`
	Group      string  `json:"g"`
	Topic      string  `json:"t,omitempty"`
	Number     int32   `json:"p,omitempty"`
	Offset     int64   `json:"o,omitempty"`
	Epoch      int32   `json:"e,omitempty"`
	Metadata   *string `json:"m,omitempty"`
	LastCommit *int64  `json:"lc,omitempty"`
}

// setBack mends commits that lie past the end of the log, whose tail was lost then: to
// a copy that was put back, or to a disk that held less than it said. The records that
// come next get the lost ones' offsets, and the group would never read them.
func setBack(dir string, tails []logTail, log *slog.Logger) error {
	path := filepath.Join(dir, "groups.log")
	commits := map[commitKey]commitEntry{}
	err := readEntries(path, func(raw []byte) error {
		var e commitEntry
		if err := json.Unmarshal(raw, &e); err != nil {
			return err
		}
		switch key := (commitKey{e.Group, place{e.Topic, e.Number}}); e.Type {
		case "commit":
			commits[key] = e
		case "delete":
			delete(commits, key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	ends := map[place]int64{}
	for _, t := range tails {
		ends[t.place] = t.end
	}
	var mended []byte
	for key, e := range commits {
		end, ok := ends[key.place]
		if !ok || e.Offset <= end {
			continue
		}
		log.Error("the end of a partition's log is lost: the group's commit is set back to the end there is, records between were lost",
			"topic", key.topic, "partition", key.number, "group", key.group, "committed", e.Offset, "end", end)
		now := time.Now().UnixMilli()
		e.Offset, e.Epoch, e.LastCommit = end, -1, &now
		if mended, err = appendEntry(mended, e); err != nil {
			return err
		}
	}
	if len(mended) == 0 {
		return nil
	}
	return appendFile(path, mended)
}
