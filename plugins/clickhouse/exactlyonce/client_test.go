package exactlyonce

import (
	"context"
	"errors"
	"slices"
)

var (
	errBusy = errors.New("other inserts still run")
	errCuts = errors.New("the answer is cut short")
)

// client is the Table of one worker: requests to the server, over the network. Like the
// real one it holds what it has read against how much there is.
type client struct{ *worker }

// cut says that an answer is not whole; the mutant `believing` does not look.
func (c client) cut(got, want int) error {
	if got != want && !c.believing {
		return errCuts
	}
	return nil
}

func (c client) Fence(_ context.Context, claims []Claim) error {
	return c.ask(func(reply func(error)) { c.server.serveFence(claims, reply) })
}

func (c client) Drain(_ context.Context, claims []Claim) error {
	for range 3 {
		running := 0
		err := c.ask(func(reply func(error)) {
			c.server.serveKill(claims, func(n int, err error) { running = n; reply(err) })
		})
		if err != nil || running == 0 {
			return err
		}
	}
	return errBusy
}

func (c client) Tops(_ context.Context, partitions []Partition) (map[Partition]int64, error) {
	var tops map[Partition]int64
	whole := 0
	err := c.ask(func(reply func(error)) {
		c.server.serveTops(partitions, func(t map[Partition]int64, n int, err error) { tops, whole = t, n; reply(err) })
	})
	if err != nil {
		return nil, err
	}
	return tops, c.cut(len(tops), whole)
}

func (c client) Read(_ context.Context, ranges []Range, seen func(Partition, int64, ID)) error {
	var rows []visible
	whole := 0
	err := c.ask(func(reply func(error)) {
		c.server.serveRead(ranges, func(v []visible, n int, err error) { rows, whole = v, n; reply(err) })
	})
	if err != nil {
		return err
	}
	for _, v := range rows {
		seen(v.Partition, v.offset, v.id)
	}
	return c.cut(len(rows), whole)
}

func (c client) Insert(_ context.Context, pieces []Piece) error {
	sent := slices.Clone(pieces)
	for i := range sent {
		sent[i].Rows = slices.Clone(sent[i].Rows) // as the bytes of a request would be
	}
	return c.ask(func(reply func(error)) { c.server.serveInsert(&insert{pieces: sent, reply: reply}) })
}
