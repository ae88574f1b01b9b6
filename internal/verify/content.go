package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/plugins/clickhouse"
)

const (
	// contentTime is what the records' content may take, unless all of it is asked for.
	contentTime = 10 * time.Second
	// window is how many offsets are held against the table at once, and sampleWindow how
	// many of each of the samples.
	window, sampleWindow = 1 << 16, 1 << 11
	samples              = 32
	// contentBytes are compressed, and may be ten times as much.
	contentBytes = 256 << 10
	day          = 24 * time.Hour
)

// content holds what rows say against what the records of the log say: a checksum of the
// fields of each, the event id among them.
type content struct {
	*run
	judge *clickhouse.Judge
	look  *lookup
	found map[int32]*Finding
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
	judge, err := clickhouse.NewJudge(ctx, r.conn, r.Database, "table: events\nexactly_once: true")
	if err != nil && r.Content == AllContent {
		return err
	}
	if err != nil {
		r.report.note("content was not compared: " + err.Error())
		return nil
	}
	c := &content{run: r, judge: judge, found: map[int32]*Finding{}}
	c.look = &lookup{topicLog: r.log, until: time.Now().Add(365 * day), bytes: contentBytes, each: c.keep}
	spans, err := c.spans(ctx)
	if err != nil {
		return err
	}
	until := time.Now().Add(contentTime)
	for i, s := range spans {
		if r.Content == SomeContent && time.Now().After(until) {
			r.report.note(fmt.Sprintf("content: %d of %d parts of the newest day and of the sample were compared in %s; --content compares everything", i, len(spans), contentTime))
			break
		}
		if err := c.hold(ctx, s); err != nil {
			return err
		}
	}
	c.finish()
	return nil
}

// spans are what is to be compared: all, or a sample and the newest day from its end on.
func (c *content) spans(ctx context.Context) ([]span, error) {
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
		for at := end; at > since; at -= window {
			recent = append(recent, span{p.Partition, max(since, at-window), at})
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
func (c *content) keep(r *kgo.Record) {
	if r.Offset >= c.end {
		return
	}
	if sum, ok := c.judge.Sum(r.Offset, r.Value); ok {
		c.records = append(c.records, checksum{r.Offset, sum})
	}
}

// hold compares one span: by the sum of all checksums, and record by record only if
// that is not the same.
func (c *content) hold(ctx context.Context, s span) error {
	c.records, c.end = c.records[:0], s.end
	for at := s.first; at < s.end; at = c.look.next {
		err := c.look.fetch(ctx, s.partition, at)
		if errors.Is(err, errDeleted) {
			return nil // the log's start has passed it meanwhile
		}
		if err != nil {
			return err
		}
	}
	var want uint64
	for _, r := range c.records {
		want += r.sum
	}
	got, err := c.tables.contentOf(ctx, s, c.judge.SumSQL())
	if err != nil {
		return err
	}
	c.report.Compared += int64(len(c.records))
	if got == want {
		return nil
	}
	return c.detail(ctx, s)
}

// detail notes the records whose rows say something else. A record without a row is
// missing or a letter, which is not told here; of rows that share an offset, after a broker
// lost its log, one has to be the record's.
func (c *content) detail(ctx context.Context, s span) error {
	rows := map[int64][]uint64{}
	err := c.tables.contents(ctx, s, c.judge.SumSQL(), func(offset int64, sum uint64) { rows[offset] = append(rows[offset], sum) })
	if err != nil {
		return err
	}
	for _, r := range c.records {
		if sums := rows[r.offset]; len(sums) > 0 && !slices.Contains(sums, r.sum) {
			f := c.found[s.partition]
			if f == nil {
				f = &Finding{Kind: altered, Partition: s.partition}
				c.found[s.partition] = f
			}
			f.add(Range{r.offset, r.offset})
		}
	}
	return nil
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

// contentOf is the sum of the checksums of a span's rows.
func (t *tables) contentOf(ctx context.Context, s span, sumSQL string) (sum uint64, err error) {
	err = t.each(ctx, "content", "SELECT sumWithOverflow("+sumSQL+") FROM "+t.events+" WHERE "+t.in(s), func(row driver.Rows) error { return row.Scan(&sum) })
	return sum, err
}

func (t *tables) contents(ctx context.Context, s span, sumSQL string, seen func(offset int64, sum uint64)) error {
	return t.each(ctx, "content", "SELECT _offset, "+sumSQL+" FROM "+t.events+" WHERE "+t.in(s), func(row driver.Rows) error {
		var offset int64
		var sum uint64
		err := row.Scan(&offset, &sum)
		seen(offset, sum)
		return err
	})
}
