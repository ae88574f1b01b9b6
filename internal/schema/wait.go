package schema

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// waiter asks servers that may not be up yet until they answer.
type waiter struct {
	until time.Time
	say   func(string)
}

const (
	// askPoll is the pause between two questions to a server that does not answer.
	askPoll = 200 * time.Millisecond
	// askTimeout is when a server that has not answered is asked anew.
	askTimeout = 10 * time.Second
)

// await asks until ask returns nil, an error that hopeless says no wait can mend, or
// time is up. The first time that it has to wait it says so.
func (w waiter) await(ctx context.Context, name string, ask func(context.Context) error, hopeless func(error) bool) error {
	tick := time.NewTicker(askPoll)
	defer tick.Stop()
	for first := true; ; first = false {
		err := once(ctx, ask)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", name, ctx.Err())
		case hopeless(err) || untrusted(err):
			return fmt.Errorf("%s: %w", name, err)
		case !time.Now().Before(w.until):
			return fmt.Errorf("%s does not answer: %w; start it, correct its address, or wait longer with --wait", name, err)
		case first:
			w.say(fmt.Sprintf("waiting up to %s for %s (%v)", time.Until(w.until).Round(time.Second), name, err))
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func once(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return ask(ctx)
}

// untrusted tells whether a certificate was refused: that is for a person to mend.
func untrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var alert tls.AlertError
	return errors.As(err, &verification) || errors.As(err, &alert)
}
