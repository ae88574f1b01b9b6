package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// snapshot is the part of kfake's snapshot.json (persistPartSnapshot, version 1)
// that lets it read a partition segment by segment.
type snapshot struct {
	Version          int               `json:"version"`
	HighWatermark    int64             `json:"high_watermark"`
	LastStableOffset int64             `json:"last_stable_offset"`
	LogStartOffset   int64             `json:"log_start_offset"`
	Epoch            int32             `json:"epoch"`
	CreatedAt        time.Time         `json:"created_at"`
	Segments         []snapshotSegment `json:"segments"`
}

type snapshotSegment struct {
	BaseOffset int64 `json:"base_offset"`
	Size       int64 `json:"size"`
}

// bridgeKill writes the snapshots that a killed broker could not. Without them
// kfake reads the whole log into memory at once: 0.9 GiB for a log of that size,
// and 8 GiB at the cap; with them one segment per partition at a time. It leaves
// alone partitions that have a valid snapshot, and those with transactions, whose
// fate only the whole log tells.
func bridgeKill(dir string, epoch int32) error {
	root := filepath.Join(dir, "partitions")
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no record yet
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, _, ok := splitPartition(e.Name()); !ok {
			continue
		}
		if err := bridgePartition(filepath.Join(root, e.Name()), epoch); err != nil {
			return fmt.Errorf("partition folder %q: %w", e.Name(), err)
		}
	}
	return nil
}

func bridgePartition(dir string, epoch int32) error {
	segments, err := logFiles(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "snapshot.json")
	if len(segments) == 0 {
		return keepEnd(dir, path, epoch)
	}
	if valid(path, segments) {
		return elect(path, epoch)
	}
	last, transactions, err := readIndexes(dir, segments)
	if err != nil || transactions {
		return err
	}
	epoch = max(epoch, last+1)
	end, err := mendTail(dir, &segments[len(segments)-1])
	if err != nil {
		return err
	}
	raw, err := json.Marshal(snapshot{
		Version:       1,
		HighWatermark: end, LastStableOffset: end,
		LogStartOffset: segments[0].BaseOffset, // the janitor cuts between segments only
		Epoch:          epoch, CreatedAt: time.Now(), Segments: segments,
	})
	if err != nil {
		return err
	}
	return replaceFile(path, raw)
}

// mendTail cuts off the batch that a kill may have torn and returns the partition's
// next offset. A torn tail would put every later batch where kfake does not look.
func mendTail(dir string, last *snapshotSegment) (end int64, err error) {
	path := filepath.Join(dir, strconv.FormatInt(last.BaseOffset, 10)+".dat")
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	size, end := wholeBatches(raw, last.BaseOffset)
	if size < last.Size {
		if err := os.Truncate(path, size); err != nil {
			return 0, err
		}
		last.Size = size
	}
	return end, nil
}

// The head of a record batch (Kafka's message format 2): its first offset, the
// length of what follows those two fields, a checksum of all that follows the
// checksum, and the last offset relative to the first.
const (
	batchLength   = 8
	batchFrame    = 12 // first offset and length, which the length leaves out
	batchChecksum = 17
	batchChecked  = 21
	batchLast     = 23
	batchHead     = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// wholeBatches returns how many bytes of a log file are sound batches and the
// offset that follows them; base if there is none.
func wholeBatches(raw []byte, base int64) (size, end int64) {
	end = base
	for rest := raw; len(rest) >= batchHead; {
		length := int64(int32(binary.BigEndian.Uint32(rest[batchLength:]))) + batchFrame
		if length < batchHead || length > int64(len(rest)) {
			break
		}
		sum := binary.BigEndian.Uint32(rest[batchChecksum:])
		if crc32.Checksum(rest[batchChecked:length], castagnoli) != sum {
			break
		}
		first := int64(binary.BigEndian.Uint64(rest))
		end = first + int64(int32(binary.BigEndian.Uint32(rest[batchLast:]))) + 1
		size += length
		rest = rest[length:]
	}
	return size, end
}

// valid reports whether path holds a snapshot of just these segments: kfake's own
// test of whether it may use it.
func valid(path string, segments []snapshotSegment) bool {
	raw, err := os.ReadFile(path)
	var s snapshot
	return err == nil && json.Unmarshal(raw, &s) == nil && slices.Equal(s.Segments, segments)
}

// logFiles lists a partition's log files, oldest first.
func logFiles(dir string) ([]snapshotSegment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var segments []snapshotSegment
	for _, e := range entries {
		name, isLog := strings.CutSuffix(e.Name(), ".dat")
		base, err := strconv.ParseInt(name, 10, 64)
		if !isLog || err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		segments = append(segments, snapshotSegment{base, info.Size()})
	}
	slices.SortFunc(segments, func(a, b snapshotSegment) int { return int(min(max(a.BaseOffset-b.BaseOffset, -1), 1)) })
	return segments, nil
}

// readIndexes returns the newest leader epoch and whether any batch belongs to a
// transaction. An index entry is: version, checksum, epoch (4 bytes, little
// endian), time (8), flags; bit 0 of the flags marks a transaction.
func readIndexes(dir string, segments []snapshotSegment) (epoch int32, transactions bool, err error) {
	for _, s := range segments {
		raw, err := os.ReadFile(filepath.Join(dir, strconv.FormatInt(s.BaseOffset, 10)+".idx"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, false, err
		}
		for ; len(raw) >= indexEntry; raw = raw[indexEntry:] {
			if raw[indexEntry-1]&1 != 0 {
				return 0, true, nil
			}
			epoch = int32(binary.LittleEndian.Uint32(raw[2:]))
		}
	}
	return epoch, false, nil
}
