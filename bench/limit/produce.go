package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/event"
)

// slab is how many records are allocated at a time.
const slab = 1024

// source writes the key and the value of the next record.
type source func(*kgo.Record)

// produce sends count records with all acknowledgements, keyed by user.
func produce(ctx context.Context, c config, next source) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.brokers), kgo.DefaultProduceTopic(c.topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.ProducerBatchMaxBytes(1_000_000), kgo.MaxBufferedRecords(200_000), kgo.MaxBufferedBytes(256<<20))
	if err != nil {
		return err
	}
	defer client.Close()
	if c.count <= 0 {
		return errors.New("--count: want more than 0 records")
	}
	var failed atomic.Pointer[error]
	done := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
	}
	var records []kgo.Record
	for range c.count {
		if len(records) == 0 {
			records = make([]kgo.Record, slab)
		}
		next(&records[0])
		client.Produce(ctx, &records[0], done)
		records = records[1:]
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("produce: %w", *err)
	}
	return nil
}

// shop draws events whose texts are of the lengths that the simulator's have.
type shop struct {
	draws *rand.Rand
	milli int64
	users [500]string
	items [200]string
}

func newShop(first time.Time) *shop {
	s := &shop{draws: rand.New(rand.NewPCG(1, 2)), milli: first.UnixMilli()}
	for i := range s.users {
		s.users[i] = fmt.Sprintf("user_%04d", i+1)
	}
	for i := range s.items {
		s.items[i] = fmt.Sprintf("prod_%03d", i+1)
	}
	return s
}

// next is an event; 100 of them share a millisecond.
func (s *shop) next(i int) event.Event {
	kind := event.PageView // 94, 4.7 and 1.3 %, as plugins/simulator has it
	if n := s.draws.IntN(1000); n >= 987 {
		kind = event.Purchase
	} else if n >= 940 {
		kind = event.AddToCart
	}
	e := event.Event{Type: kind, UserID: s.users[s.draws.IntN(len(s.users))], UnixMilli: s.milli + int64(i/100)}
	item := s.draws.IntN(len(s.items))
	e.ProductID, e.Price = s.items[item], int64(300+47*item)
	for half := range 2 {
		for i, n := 0, s.draws.Uint64(); i < 8; i++ {
			e.ID[half*8+i] = byte(n >> (8 * i))
		}
	}
	return e
}

// ready gives out 65,536 records again and again, made beforehand.
func ready() source {
	const distinct = 1 << 16
	s := newShop(time.Now())
	keys, values := make([][]byte, distinct), make([][]byte, distinct)
	for i := range distinct {
		e := s.next(i)
		keys[i], values[i] = []byte(e.UserID), event.Append(nil, e)
	}
	i := 0
	return func(r *kgo.Record) {
		r.Key, r.Value = keys[i%distinct], values[i%distinct]
		i++
	}
}

// fresh gives out count events that end now, each with an id of its own.
func fresh(count int) source {
	s := newShop(time.Now().Add(-time.Duration(count/100) * time.Millisecond))
	i := 0
	return func(r *kgo.Record) {
		e := s.next(i)
		r.Key, r.Value = []byte(e.UserID), event.Append(make([]byte, 0, event.MaxLen(len(e.UserID), len(e.ProductID))), e)
		i++
	}
}
