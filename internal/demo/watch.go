package demo

import (
	"context"
	"fmt"
	"time"
)

const (
	// refresh is the time between two looks at the servers.
	refresh = time.Second
	// eagerRefresh is the same before the first row is there, to time it.
	eagerRefresh = 50 * time.Millisecond
	// logCheck is the time between two checks of the logs' sizes.
	logCheck = time.Minute
	// maxShare bounds the looks to one part in so many of the time: a table too large
	// to be read within 50 ms is looked at more rarely, but not so rarely that the
	// line looks dead: on a busy machine a look takes long and costs little.
	maxShare = 20
	maxPause = 10 * time.Second
)

// watch shows the numbers until the demo is to stop: ctx has ended, its time is
// up, or (the error) a child cannot be kept running.
func (d *demo) watch(ctx context.Context) error {
	var (
		speed rates
		shown status
		end   <-chan time.Time
		late  <-chan time.Time
		logs  = time.NewTicker(logCheck)
		next  = time.NewTimer(0)
	)
	defer logs.Stop()
	defer next.Stop()
	if d.For > 0 {
		late = time.After(firstRowLimit)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.supervisor.broken:
			return err
		case <-end:
			return nil
		case <-late:
			return fmt.Errorf("no row in the table after %s: see the logs in %s", firstRowLimit, d.folder.dir(logsDir))
		case <-logs.C:
			d.trimLogs()
		case <-next.C:
			began := time.Now()
			waiting := d.firstRow == 0
			d.look(ctx, &speed, &shown)
			if waiting && d.firstRow > 0 && d.For > 0 {
				end, late = time.After(d.For), nil
			}
			next.Reset(pause(time.Since(began), d.firstRow == 0))
		}
	}
}

// pause is the time to the next look, given what the last one took.
func pause(took time.Duration, eager bool) time.Duration {
	if eager {
		return max(eagerRefresh, took)
	}
	return max(refresh-took, min(maxShare*took, maxPause))
}

// look reads the numbers and shows them. A server that does not answer is shown
// too, and asked again at the next look: its child is being started again.
func (d *demo) look(ctx context.Context, speed *rates, shown *status) {
	shown.up, shown.instead = time.Since(d.begin), ""
	defer func() {
		if ctx.Err() == nil { // or every read was cut short by the stop
			d.screen.status(time.Now(), *shown)
		}
	}()
	if d.firstRow == 0 && !d.lookForRow(ctx, shown) {
		return
	}
	at, err := d.topicReader.position(ctx)
	if err != nil {
		shown.instead = fmt.Sprintf("kafka %s: %v", d.Kafka, err)
		return
	}
	now := time.Now()
	stored, table, err := d.tableReader.recent(ctx)
	if err != nil {
		shown.instead = fmt.Sprintf("clickhouse %s: %v", d.ClickHouse, err)
		return
	}
	shown.recent, shown.lag = table, at.lag()
	shown.produced, shown.stored, shown.rated = speed.add(counters{at: now, produced: at.end, stored: stored})
}

// lookForRow tells whether this run's first row is there.
func (d *demo) lookForRow(ctx context.Context, shown *status) bool {
	stored, err := d.tableReader.stored(ctx)
	if err == nil && stored > d.before.stored+d.base.stored {
		d.firstRow = time.Since(d.begin)
		shown.up = d.firstRow
		d.screen.say("first row after " + seconds(d.firstRow))
		return true
	}
	shown.instead = "waiting for the first row"
	return false
}

// trimLogs bounds the children's logs. One that cannot be is no reason to stop.
func (d *demo) trimLogs() {
	for _, name := range []string{"broker", "engine", "consumer", "producer", "page"} {
		_ = trimLog(logPath(d.folder.dir(logsDir), name), maxLogBytes)
	}
}
