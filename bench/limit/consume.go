package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumer is the loop's state. One goroutine reads and scans, one inserts and
// commits; blocks go round between them.
type consumer struct {
	config
	flushAfter time.Duration
	client     *kgo.Client
	server     *native
	scan       scanner
	bad        int
	done, free chan *block
	stored     chan error
}

// consume stores records until it has count of them, or is told to stop. At least
// once: after a crash rows of the last block may be there twice, and a record that is
// no event is skipped.
func consume(ctx context.Context, c config) error {
	flush, err := time.ParseDuration(c.flush)
	if err != nil {
		return fmt.Errorf("--flush: %w", err)
	}
	server, err := dial(c.address, c.database)
	if err != nil {
		return err
	}
	defer server.conn.Close()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.brokers), kgo.ConsumerGroup(c.group), kgo.ConsumeTopics(c.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.FetchMaxBytes(16<<20), kgo.FetchMaxPartitionBytes(4<<20),
		kgo.FetchMinBytes(64<<10), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	l := &consumer{config: c, flushAfter: flush, client: client, server: server,
		done: make(chan *block), free: make(chan *block, 2), stored: make(chan error, 1)}
	l.free <- newBlock()
	l.free <- newBlock()
	go func() { l.stored <- l.store() }()
	err = l.read(ctx)
	close(l.done)
	if stored := <-l.stored; stored != nil {
		err = stored
	}
	if l.bad > 0 {
		fmt.Fprintf(os.Stderr, "limit: %d records are no events\n", l.bad)
	}
	return err
}

// read fills blocks until there is nothing more to read.
func (l *consumer) read(ctx context.Context) error {
	for read := 0; l.count == 0 || read < l.count; {
		var b *block
		select {
		case b = <-l.free:
		case err := <-l.stored:
			l.stored <- err
			return nil // which consume reports
		}
		n, err := l.fill(ctx, b, read)
		if err != nil {
			return err
		}
		read += n
		if n > 0 {
			l.done <- b
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// fill reads into one block until it is full, or old enough.
func (l *consumer) fill(ctx context.Context, b *block, before int) (read int, _ error) {
	poll, cancel := context.WithCancel(ctx)
	defer cancel()
	var old *time.Timer
	for b.rows < l.block && poll.Err() == nil && (l.count == 0 || before+read < l.count) {
		fetches := l.client.PollRecords(poll, l.block-b.rows)
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.Canceled) {
				return read, fmt.Errorf("fetch: %w", e.Err)
			}
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) { l.add(b, p.Records) })
		if read += fetches.NumRecords(); read > 0 && old == nil {
			old = time.AfterFunc(l.flushAfter, cancel)
			defer old.Stop()
		}
	}
	return read, nil
}

// add scans records of one partition into the block.
func (l *consumer) add(b *block, records []*kgo.Record) {
	if len(records) == 0 {
		return
	}
	var f fields
	for _, r := range records {
		if l.scan.scan(r.Value, &f) {
			b.add(&f, r)
		} else {
			l.bad++
		}
	}
	last := records[len(records)-1]
	b.commits[last.Partition] = kgo.EpochOffset{Epoch: last.LeaderEpoch, Offset: last.Offset + 1}
}

// store inserts blocks and commits what is in them.
func (l *consumer) store() error {
	for b := range l.done {
		if b.rows > 0 {
			if err := l.server.store(b); err != nil {
				return fmt.Errorf("insert %d rows: %w", b.rows, err)
			}
		}
		var failed error
		l.client.CommitOffsetsSync(context.Background(), map[string]map[int32]kgo.EpochOffset{l.topic: b.commits},
			func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitResponse, err error) {
				failed = err
			})
		if failed != nil {
			return fmt.Errorf("commit: %w", failed)
		}
		b.reset()
		l.free <- b
	}
	return nil
}
