package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"clickstream/plugins/clickhouse"
)

const (
	// contentTime is what the records' content may take, unless all of it is asked for.
	contentTime = 10 * time.Second
	// window is how many offsets are held against the table at once, and sampleWindow how
	// many of each of the samples.
	window, sampleWindow = 1 << 16, 1 << 11
	// spanWindows are summed by one query: rows lie by type and time, so that a query for
	// one window reads the granules of ten.
	spanWindows = 16
	// comparerCount: the engine and the log's reader take about the same of a processor.
	comparerCount = 2
	samples       = 32
	// contentBytes are compressed, and may be ten times as much.
	contentBytes = 256 << 10
	day          = 24 * time.Hour
)

// content holds what rows say against what the records of the log say: a checksum of the
// fields of each, the event id among them.
type content struct {
	*run
	spans []span
	next  atomic.Int64 // of spans

	mu    sync.Mutex // guards what follows, and the report
	found map[int32]*Finding
}

// comparer is one of those that share the spans: one reads the log while another waits
// for the table.
type comparer struct {
	*content
	judge *clickhouse.Judge
	look  *lookup
	// The records of the window that can be rows.
	records []checksum
	end     int64
}

type checksum struct {
	offset int64
	sum    uint64
}

// span is offsets of one partition.
type span struct {
	partition  int32
	first, end int64
}

// compare goes through the windows, until the time is over if it is bounded. What the log
// does not hold any more nobody can compare.
func (r *run) compare(ctx context.Context) error {
	if r.Content == NoContent {
		return nil
	}
	c := &content{run: r, found: map[int32]*Finding{}}
	comparers := make([]*comparer, comparerCount)
	for i := range comparers {
		var err error
		if comparers[i], err = c.comparer(ctx); err != nil && r.Content == AllContent {
			return err
		} else if err != nil {
			r.report.note("content was not compared: " + err.Error())
			return nil
		}
	}
	var err error
	if c.spans, err = c.toCompare(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	until := time.Now().Add(contentTime)
	for _, one := range comparers {
		group.Go(func() error { return one.all(ctx, until) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if done := int(c.next.Load()); done < len(c.spans) {
		r.report.note(fmt.Sprintf("content: %d of %d parts of the newest day and of the sample were compared in %s; --content compares everything", done, len(c.spans), contentTime))
	}
	c.finish()
	return nil
}

func (c *content) comparer(ctx context.Context) (*comparer, error) {
	judge, err := clickhouse.NewJudge(ctx, c.conn, c.Database, "table: events\nexactly_once: true")
	if err != nil {
		return nil, err
	}
	one := &comparer{content: c, judge: judge}
	one.look = &lookup{topicLog: c.log, until: time.Now().Add(365 * day), bytes: contentBytes, each: one.keep}
	return one, nil
}

// all compares one span after the other, those that no other comparer has taken.
func (c *comparer) all(ctx context.Context, until time.Time) error {
	for c.Content == AllContent || time.Now().Before(until) {
		i := int(c.next.Add(1)) - 1
		if i >= len(c.spans) {
			return nil
		}
		if err := c.hold(ctx, c.spans[i]); err != nil {
			return err
		}
	}
	return nil
}

// toCompare are the spans: all, or a sample and the newest day from its end on.
func (c *content) toCompare(ctx context.Context) ([]span, error) {
	young, err := c.log.since(ctx, time.Now().Add(-day))
	if err != nil {
		return nil, err
	}
	var old, recent []span
	for i, p := range c.report.Partitions {
		first, end := max(p.From, p.LogStart), min(p.To, p.LogEnd)
		since := first
		if c.Content == SomeContent {
			since = min(max(first, young[i]), end)
		}
		for at := end; at > since; {
			from := max(since, (at-1)/window*window-(spanWindows-1)*window)
			recent = append(recent, span{p.Partition, from, at})
			at = from
		}
		for range samples {
			if n := since - first; n > 0 {
				at := first + rand.Int64N(n)
				old = append(old, span{p.Partition, at, min(at+sampleWindow, since)})
			}
		}
	}
	// All partitions' newest windows first.
	slices.SortStableFunc(recent, func(a, b span) int { return int(b.end - a.end) })
	return append(old, recent...), nil
}

// keep notes the checksum of a record that can be a row.
func (c *comparer) keep(r *kgo.Record) {
	if r.Offset >= c.end {
		return
	}
	if sum, ok := c.judge.Sum(r.Offset, r.Value); ok {
		c.records = append(c.records, checksum{r.Offset, sum})
	}
}

// hold compares one span, window by window: by the sum of all checksums, and record by
// record only if that is not the same.
func (c *comparer) hold(ctx context.Context, s span) error {
	stored, err := c.tables.contentOf(ctx, s, c.judge.SumSQL())
	if err != nil {
		return err
	}
	for s.first < s.end {
		w := s
		w.end = min(s.end, (s.first/window+1)*window)
		if err := c.read(ctx, w); err != nil {
			return err
		}
		var want uint64
		for _, r := range c.records {
			want += r.sum
		}
		c.compared(len(c.records))
		if stored[w.first/window] != want {
			if err := c.detail(ctx, w); err != nil {
				return err
			}
		}
		s.first = w.end
	}
	return nil
}

// read takes the checksums of a window's records. It leaves out what the log deletes
// meanwhile, of which there is nothing to compare.
func (c *comparer) read(ctx context.Context, w span) error {
	c.records, c.end = c.records[:0], w.end
	for at := w.first; at < w.end; at = c.look.next {
		err := c.look.fetch(ctx, w.partition, at)
		if errors.Is(err, errDeleted) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// detail notes the records whose rows say something else. A record without a row is
// missing or a letter, which is not told here; of rows that share an offset, after a broker
// lost its log, one has to be the record's.
func (c *comparer) detail(ctx context.Context, s span) error {
	rows := map[int64][]uint64{}
	err := c.tables.contents(ctx, s, c.judge.SumSQL(), func(offset int64, sum uint64) { rows[offset] = append(rows[offset], sum) })
	if err != nil {
		return err
	}
	var others []int64
	for _, r := range c.records {
		if sums := rows[r.offset]; len(sums) > 0 && !slices.Contains(sums, r.sum) {
			others = append(others, r.offset)
		}
	}
	c.altered(s.partition, others)
	return nil
}

func (c *content) compared(records int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Compared += int64(records)
}

// altered notes offsets of one window together, so that neighbours are one range.
func (c *content) altered(partition int32, offsets []int64) {
	if len(offsets) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.found[partition]
	if f == nil {
		f = &Finding{Kind: altered, Partition: partition}
		c.found[partition] = f
	}
	for _, o := range offsets {
		f.add(Range{o, o})
	}
}

func (c *content) finish() {
	for i := range c.report.Partitions {
		p := &c.report.Partitions[i]
		if f := c.found[p.Partition]; f != nil {
			p.Altered = f.Offsets
			first := make([]string, len(f.First))
			for k, r := range f.First {
				first[k] = fmt.Sprintf("_offset BETWEEN %d AND %d", r.First, r.Last)
			}
			f.SQL = fmt.Sprintf("SELECT * FROM %s WHERE %s AND _partition = %d AND (%s) ORDER BY _offset LIMIT 1000",
				c.tables.events, c.tables.mine(), p.Partition, strings.Join(first, " OR "))
			c.report.Findings = append(c.report.Findings, *f)
		}
	}
}

func (t *tables) in(s span) string {
	return fmt.Sprintf("%s AND _partition = %d AND _offset >= %d AND _offset < %d", t.mine(), s.partition, s.first, s.end)
}

// contentOf is the sum of the checksums of a span's rows, by window.
func (t *tables) contentOf(ctx context.Context, s span, sumSQL string) (map[int64]uint64, error) {
	windows := map[int64]uint64{}
	sql := fmt.Sprintf("SELECT toInt64(intDiv(_offset, %d)) AS w, sumWithOverflow(%s) FROM %s WHERE %s GROUP BY w", window, sumSQL, t.events, t.in(s))
	err := t.each(ctx, "content", sql, func(row driver.Rows) error {
		var w int64
		var sum uint64
		err := row.Scan(&w, &sum)
		windows[w] = sum
		return err
	})
	return windows, err
}

// contents calls seen with the checksum of each row of a span.
func (t *tables) contents(ctx context.Context, s span, sumSQL string, seen func(offset int64, sum uint64)) error {
	return t.each(ctx, "content", "SELECT _offset, "+sumSQL+" FROM "+t.events+" WHERE "+t.in(s), func(row driver.Rows) error {
		var offset int64
		var sum uint64
		err := row.Scan(&offset, &sum)
		seen(offset, sum)
		return err
	})
}
