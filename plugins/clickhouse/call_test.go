package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"clickstream/internal/event"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/redpanda-data/benthos/v4/public/service"
)

// TestBadRowsAnywhere: bad rows anywhere in a batch, more of them than good ones or none,
// blocks that end anywhere in it, and a server that refuses some of the rest: each bad row
// is named once, and every other row is stored once, in its place.
func TestBadRowsAnywhere(t *testing.T) {
	random := seeded(t)
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			share, most := random.Float64(), 1+random.IntN(3*chunkRows)
			if random.IntN(2) == 0 {
				share *= 0.05
			}
			l := &ledger{outcome: func(rows []byte) error {
				if slices.Contains(rows, 13) {
					return &driver.Exception{Code: 469}
				}
				return nil
			}}
			c := base1()
			c.maxRows = most
			w := bench(t, c, l)
			batch := numbers(random.IntN(256), 1+random.IntN(5*chunkRows))
			var want, good []string
			for i := range batch {
				doc, _ := batch[i].AsBytes()
				n := string(doc[len(`{"n":`) : len(doc)-1])
				switch {
				case random.Float64() < share:
					bad := []string{"{", `{"n":-1}`, `{"n":"7"}`, `{}`, `[7]`, ""}[random.IntN(6)]
					if bad == "" {
						batch[i].SetError(errors.New("a processor's"))
					} else {
						batch[i] = service.NewMessage([]byte(bad))
					}
					want = append(want, strconv.Itoa(i))
				case n == "13":
					want = append(want, strconv.Itoa(i))
				default:
					good = append(good, n)
				}
			}
			var failed, stored []string
			index := batch.Index()
			if err := w.write(t.Context(), documentsOf(batch)); err != nil {
				failed = failedIndexes(t, index, err)
			}
			for _, n := range slices.Concat(l.blocks...) {
				stored = append(stored, strconv.Itoa(int(n)))
			}
			if got, want := fmt.Sprint(failed, stored), fmt.Sprint(want, good); got != want {
				t.Fatalf("share %.2f, blocks of %d: failed, stored\n got %s\nwant %s", share, most, got, want)
			}
		})
	}
}

func failedIndexes(t *testing.T, index *service.Indexer, err error) (all []string) {
	failed, ok := err.(*service.BatchError)
	if !ok {
		t.Fatal(err)
	}
	failed.WalkMessagesIndexedBy(index, func(i int, _ *service.Message, err error) bool {
		if err != nil {
			all = append(all, strconv.Itoa(i))
		}
		return true
	})
	return all
}

// TestBytesOfABlock: a block takes rows until it has max_bytes, so that only its last row
// exceeds them, whatever rows consist of: nothing but numbers, long texts, long keys.
func TestBytesOfABlock(t *testing.T) {
	random := seeded(t)
	columns := []tableColumn{{"n", "UInt64", ""}, {"m", "Nullable(UInt64)", ""}, {"s", "String", ""}, {"k", "String", ""}}
	p, err := newPlan(&config{table: "t", columns: map[string]string{"n": "n", "m": "m", "s": "s", "@key": "k"}}, columns)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		longest, most := 1<<random.IntN(18), 1+random.IntN(1<<18)
		source, sizes := &event.Source{}, []int{}
		var batch service.MessageBatch
		for range 1 + random.IntN(500) {
			text, key := random.IntN(longest), random.IntN(longest)
			at := &event.Record{Context: t.Context(), Coordinate: event.Coordinate{Source: source, Key: make([]byte, key)}}
			batch = append(batch, service.NewMessageWithContext(at, fmt.Appendf(nil, `{"n":1,"s":%q}`, strings.Repeat("x", text))))
			sizes = append(sizes, 8+8+text+key)
		}
		w := &writer{pace: newPace(limit{rows: 1000, bytes: most})}
		c := &call{batch: documentsOf(batch), todo: []rowRange{{0, len(batch)}}}
		for first := 0; len(c.todo) > 0; {
			g := newGroup(newBlock(p))
			w.addSome(g, c)
			last := first + g.block.rows - 1
			if before := g.block.bytes - sizes[last]; before >= most {
				t.Errorf("texts and keys of %d bytes at most: got %d bytes before the last row, want less than %d", longest, before, most)
			}
			if len(c.todo) > 0 && g.block.bytes < most {
				t.Errorf("got a block of %d bytes, want %d or more", g.block.bytes, most)
			}
			first = last + 1
		}
	}
}
