package exactlyonce

import (
	"context"
	"errors"
	"slices"
)

var errBusy = errors.New("other inserts still run")

// client is the Table of one worker: requests to the server, over the network.
type client struct{ *worker }

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
	err := c.ask(func(reply func(error)) {
		c.server.serveTops(partitions, func(t map[Partition]int64, err error) { tops = t; reply(err) })
	})
	return tops, err
}

func (c client) Read(_ context.Context, ranges []Range, seen func(Partition, int64, ID)) error {
	var rows []visible
	err := c.ask(func(reply func(error)) {
		c.server.serveRead(ranges, func(v []visible, err error) { rows = v; reply(err) })
	})
	if err == nil {
		for _, v := range rows {
			seen(v.Partition, v.offset, v.id)
		}
	}
	return err
}

func (c client) Insert(_ context.Context, pieces []Piece) error {
	sent := slices.Clone(pieces)
	for i := range sent {
		sent[i].Rows = slices.Clone(sent[i].Rows) // as the bytes of a request would be
	}
	return c.ask(func(reply func(error)) { c.server.serveInsert(&insert{pieces: sent, reply: reply}) })
}
