package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// windowsFile is what a clean stop leaves about idempotent producers, and keepProducers
// after a kill. kfake keeps the file while it runs, so that a start after a kill would
// hold a producer that went on meanwhile to sequence numbers long past.
const windowsFile = "seq_windows.json"

// prepare makes of what a stop, a kill or a power cut left what kfake can start from.
func prepare(dir string, log *slog.Logger) error {
	epoch, err := nextEpoch(dir)
	if err != nil {
		return err
	}
	if err := bridgeKill(dir, epoch); err != nil {
		return err
	}
	topics, err := readTopics(dir)
	if err != nil {
		return err
	}
	var tails []logTail
	for _, t := range topics {
		for number := range t.Partitions {
			tail, err := readTail(dir, place{t.Name, number})
			if err != nil {
				return fmt.Errorf("log of partition %d of topic %s: %w", number, t.Name, err)
			}
			tails = append(tails, tail)
		}
	}
	if err := keepProducers(dir, tails); err != nil {
		return fmt.Errorf("what producers sent last: %w", err)
	}
	if err := setBack(dir, tails, log); err != nil {
		return fmt.Errorf("committed offsets: %w", err)
	}
	return nil
}

// nextEpoch counts the starts. Each is an election: its number is the leader epoch of
// what is written until the next, so that a consumer can tell a record from one that
// got the offset of a lost one.
func nextEpoch(dir string) (int32, error) {
	path := filepath.Join(dir, "starts")
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	starts, _ := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 32) // none, or spoilt: the logs tell
	starts++
	return int32(starts), replaceFile(path, fmt.Appendf(nil, "%d\n", starts))
}

// elect gives a partition the epoch of this start, and leaves the rest of its snapshot
// as kfake wrote it.
func elect(path string, epoch int32) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var all map[string]json.RawMessage
	var was snapshot
	if err := errors.Join(json.Unmarshal(raw, &all), json.Unmarshal(raw, &was)); err != nil {
		return err
	}
	all["epoch"] = fmt.Append(nil, max(epoch, was.Epoch+1))
	if raw, err = json.Marshal(all); err != nil {
		return err
	}
	return replaceFile(path, raw)
}

// keepEnd begins the log of a partition whose records were all deleted where it ended:
// kfake takes one without a file for new, and would give its offsets out again.
func keepEnd(dir, path string, epoch int32) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var s snapshot
	if err := errors.Join(err, json.Unmarshal(raw, &s)); err != nil || s.HighWatermark == 0 {
		return err
	}
	file, err := os.Create(filepath.Join(dir, strconv.FormatInt(s.HighWatermark, 10)+".dat"))
	if err != nil {
		return err
	}
	file.Close()
	s.LogStartOffset, s.LastStableOffset, s.Epoch = s.HighWatermark, s.HighWatermark, max(epoch, s.Epoch+1)
	s.Segments = []snapshotSegment{{BaseOffset: s.HighWatermark}}
	if raw, err = json.Marshal(s); err != nil {
		return err
	}
	return replaceFile(path, raw)
}
