package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// logTail is what the end of a partition's log says.
type logTail struct {
	place
	end     int64 // the offset that the next record gets
	windows map[int64]*window
}

// tailBytes is how much of a partition's log is read for what producers sent last. A
// producer that asks again after a kill sent its batch just before it; that of one
// that was cut off while others wrote more than this is not recognized any more.
const tailBytes = 64 << 20

// readTail reads the segments of a partition from the end back.
func readTail(dir string, at place) (logTail, error) {
	tail := logTail{place: at, windows: map[int64]*window{}}
	path := partitionPath(dir, at)
	segments, err := logFiles(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(segments) == 0 {
		return tail, nil
	}
	if err != nil {
		return tail, err
	}
	first, size := len(segments)-1, segments[len(segments)-1].Size
	for first > 0 && size < tailBytes {
		first--
		size += segments[first].Size
	}
	for _, s := range segments[first:] {
		raw, err := os.ReadFile(filepath.Join(path, strconv.FormatInt(s.BaseOffset, 10)+".dat"))
		if err != nil {
			return tail, err
		}
		tail.end = s.BaseOffset
		eachBatch(raw, tail.add)
	}
	return tail, nil
}

func (t *logTail) add(b batchHeader) {
	t.end = b.first + int64(b.last) + 1
	if b.producer < 0 || b.control {
		return
	}
	w := t.windows[b.producer]
	if w == nil || w.Epoch != b.epoch {
		w = &window{Producer: b.producer, Topic: t.topic, Number: t.number, Epoch: b.epoch, Seen: true}
		t.windows[b.producer] = w
	}
	w.push(b)
}

// batchHeader is what a record batch says of its producer.
type batchHeader struct {
	first, producer       int64
	last, sequence, count int32
	epoch                 int16
	control               bool
}

// Where it says so; see batchLength.
const (
	batchAttributes = 21
	batchProducer   = 43
	batchEpoch      = 51
	batchSequence   = 53
	batchCount      = 57
	controlBatch    = 0x20
)

func eachBatch(raw []byte, do func(batchHeader)) {
	for len(raw) >= batchHead {
		length := int64(int32(binary.BigEndian.Uint32(raw[batchLength:]))) + batchFrame
		if length < batchHead || length > int64(len(raw)) {
			return
		}
		do(batchHeader{
			first:    int64(binary.BigEndian.Uint64(raw)),
			last:     int32(binary.BigEndian.Uint32(raw[batchLast:])),
			control:  binary.BigEndian.Uint16(raw[batchAttributes:])&controlBatch != 0,
			producer: int64(binary.BigEndian.Uint64(raw[batchProducer:])),
			epoch:    int16(binary.BigEndian.Uint16(raw[batchEpoch:])),
			sequence: int32(binary.BigEndian.Uint32(raw[batchSequence:])),
			count:    int32(binary.BigEndian.Uint32(raw[batchCount:])),
		})
		raw = raw[length:]
	}
}

// window is what kfake remembers of a producer in a partition, by which it knows a
// batch that is sent again: an entry of seq_windows.json (persistSeqWindowEntry).
type window struct {
	Producer int64          `json:"pid"`
	Topic    string         `json:"topic"`
	Number   int32          `json:"partition"`
	Entries  [5]windowEntry `json:"entries"`
	Count    uint8          `json:"count"`
	At       uint8          `json:"at"`
	Epoch    int16          `json:"epoch"`
	Seen     bool           `json:"seen"`
	NextSeq  int32          `json:"next_seq"`
}

type windowEntry struct {
	FirstSeq int32 `json:"first_seq"`
	NextSeq  int32 `json:"next_seq"`
	Offset   int64 `json:"offset"`
}

func (w *window) push(b batchHeader) {
	w.NextSeq = int32((int64(b.sequence) + int64(b.count)) % math.MaxInt32)
	w.Entries[w.At] = windowEntry{b.sequence, w.NextSeq, b.first}
	w.At = (w.At + 1) % uint8(len(w.Entries))
	w.Count = min(w.Count+1, uint8(len(w.Entries)))
}

// keepProducers writes what kfake knew of producers when it was killed, so that a
// batch that is sent again is not stored again. After a clean stop its own file is
// there, but the log is what counts. A producer that kfake has not noted is added: it
// would forget what it is told of one it does not know.
func keepProducers(dir string, tails []logTail) error {
	windows, err := savedWindows(dir, tails)
	if err != nil {
		return err
	}
	epochs := map[int64]int16{}
	for _, t := range tails {
		for _, w := range t.windows {
			windows = append(windows, *w)
			epochs[w.Producer] = max(epochs[w.Producer], w.Epoch)
		}
	}
	raw, err := json.Marshal(map[string]any{"version": entryVersion, "windows": windows})
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(dir, windowsFile), raw); err != nil {
		return err
	}
	return noteProducers(filepath.Join(dir, "pids.log"), epochs)
}

// savedWindows returns those of a clean stop whose producers sent nothing that is at
// the end of the log.
func savedWindows(dir string, tails []logTail) ([]window, error) {
	var file struct {
		Windows []window `json:"windows"`
	}
	raw, err := os.ReadFile(filepath.Join(dir, windowsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, err
	}
	known := map[place]logTail{}
	for _, t := range tails {
		known[t.place] = t
	}
	return slices.DeleteFunc(file.Windows, func(w window) bool {
		t, ok := known[place{w.Topic, w.Number}]
		gone := slices.ContainsFunc(w.Entries[:], func(e windowEntry) bool { return e.Offset >= t.end })
		return !ok || gone || t.windows[w.Producer] != nil
	}), nil
}

// producerEntry is an entry of pids.log.
type producerEntry struct {
	Type     string `json:"type"`
	Producer int64  `json:"pid"`
	Epoch    int16  `json:"epoch"`
}

func noteProducers(path string, epochs map[int64]int16) error {
	err := readEntries(path, func(raw []byte) error {
		var e producerEntry
		err := json.Unmarshal(raw, &e)
		delete(epochs, e.Producer)
		return err
	})
	if err != nil || len(epochs) == 0 {
		return err
	}
	var log []byte
	for _, id := range slices.Sorted(maps.Keys(epochs)) {
		if log, err = appendEntry(log, producerEntry{"init", id, epochs[id]}); err != nil {
			return err
		}
	}
	return appendFile(path, log)
}
