package simulator

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"

	"github.com/cespare/xxhash/v2"
)

// ledger is the file that says what was sent: a line for each record before it is
// handed to the output, and one for each run of records that was acknowledged.
// docs/simulator.md has its format. Methods may be called at the same time.
type ledger struct {
	mu     sync.Mutex
	file   *os.File
	buf    []byte
	closed bool
	last   int64 // the number of the last record of this run
	totals [dirtKinds]int64
}

// openLedger opens or makes the file, to write behind what earlier runs have left.
func openLedger(path string, seed, run uint64) (*ledger, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w: give a file in a folder that exists and can be written", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("ledger %q: another producer writes it: give each producer its own", path)
		}
		return nil, fmt.Errorf("ledger %q: lock: %w", path, err)
	}
	l := &ledger{file: f}
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		var tail [1]byte
		if _, err := f.ReadAt(tail[:], info.Size()-1); err == nil && tail[0] != '\n' {
			l.buf = append(l.buf, '\n') // a full disk cut the last line
		}
	}
	l.buf = fmt.Appendf(l.buf, "run\t%016x\t%d\n", run, seed)
	if err := l.flush(); err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

// sent writes the lines of a new batch and numbers its records.
func (l *ledger) sent(b *batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.numbers = make([]int64, len(b.ends))
	for i := range b.ends {
		l.last++
		b.numbers[i] = l.last
		s := &b.sent[i]
		l.totals[s.kind]++
		l.buf = append(l.buf, "sent\t"...)
		l.buf = strconv.AppendInt(l.buf, l.last, 10)
		l.buf = append(append(append(l.buf, '\t'), dirtNames[s.kind]...), '\t')
		l.buf = appendID(l.buf, s.id)
		l.buf = append(l.buf, '\t')
		l.buf = appendHash(l.buf, xxhash.Sum64(b.event(i)))
		l.buf = append(append(append(l.buf, '\t'), s.expected...), '\n')
	}
	return l.flush()
}

// acked writes that the output has these records.
func (l *ledger) acked(numbers []int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil // a hard stop: what is acknowledged later counts as open
	}
	for i := 0; i < len(numbers); {
		from := numbers[i]
		for i++; i < len(numbers) && numbers[i] == numbers[i-1]+1; i++ {
		}
		l.buf = fmt.Appendf(l.buf, "acked\t%d\t%d\n", from, numbers[i-1])
	}
	return l.flush()
}

// close writes the totals by kind, which say that the run ended in order, and waits
// until all is on the disk.
func (l *ledger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for kind, n := range l.totals {
		if n > 0 {
			l.buf = fmt.Appendf(l.buf, "total\t%s\t%d\n", dirtNames[kind], n)
		}
	}
	l.buf = append(l.buf, "end\n"...)
	return errors.Join(l.flush(), l.file.Sync(), l.file.Close())
}

// flush hands the lines to the kernel, in one call: a kill of the process cannot
// take them back, only a power cut can.
func (l *ledger) flush() error {
	_, err := l.file.Write(l.buf)
	l.buf = l.buf[:0]
	if err != nil {
		return fmt.Errorf("ledger: %w: make room, or run without `ledger`", err)
	}
	return nil
}

func appendID(dst []byte, id [16]byte) []byte {
	for i, group := range [][]byte{id[0:4], id[4:6], id[6:8], id[8:10], id[10:16]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, group)
	}
	return dst
}

// appendHash writes a hash in 16 digits, as ClickHouse's
// lower(leftPad(hex(xxHash64(payload)), 16, '0')) does.
func appendHash(dst []byte, sum uint64) []byte {
	var raw [8]byte
	for i := range raw {
		raw[i] = byte(sum >> (56 - 8*i))
	}
	return hex.AppendEncode(dst, raw[:])
}
