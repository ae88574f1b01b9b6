package replay

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// markEvery is the time between two marks: so much of the file, at most, is read again
// after a kill.
const markEvery = 250 * time.Millisecond

// begin finds the files, takes the marker and finds out what the topic has. fatal says
// that waiting does not mend the error.
func (r *replay) begin(ctx context.Context) (fatal bool, err error) {
	files, err := findFiles(r.config.paths, r.config.format)
	if err != nil {
		return true, err
	}
	r.path = r.config.markerPath(files[0])
	if r.unlock == nil {
		if r.unlock, err = lockMarker(r.path); err != nil {
			return true, err
		}
	}
	found, err := readMarker(r.path)
	if err != nil {
		return true, err
	}
	if found != nil {
		if err := found.fits(r.path, r.config, files); err != nil {
			return true, err
		}
	}
	r.marker = r.config.newMarker(files)
	if found != nil {
		r.marker.At = found.At
	}
	if fatal, err := r.inspect(ctx, found); err != nil {
		return fatal, err
	}
	r.reader = &reader{config: r.config, files: files, at: r.marker.At}
	for _, f := range files[:r.marker.At.File] {
		r.reader.done += f.Size
	}
	r.say(found)
	return true, r.marker.write(r.path)
}

// say tells the log where the replay begins.
func (r *replay) say(found *marker) {
	switch {
	case r.marker.At.File == len(r.reader.files):
		r.log.With("marker", r.path).Info("everything has been sent before: nothing to do; set another run to send it once more")
	case found != nil:
		r.log.With("marker", r.path, "file", r.reader.files[r.marker.At.File].path, "row", r.marker.At.Row).Info("going on where the marker is")
	}
}

// inspect reads the topic back where rows of a killed replay may lie, and fills in the
// marker's ends. Without a marker they may lie anywhere.
func (r *replay) inspect(ctx context.Context, found *marker) (fatal bool, err error) {
	if r.config.kafka == nil {
		return false, nil
	}
	if r.topic == nil {
		client, err := kgo.NewClient(r.config.kafka.opts...)
		if err != nil {
			return true, err
		}
		r.topic = &topic{name: r.config.kafka.topic, opts: r.config.kafka.opts, client: client, admin: kadm.NewClient(client), settle: r.config.kafka.settle}
	}
	if r.marker.TopicID, err = r.topic.id(ctx); err != nil {
		return false, err
	}
	if found != nil && found.TopicID != r.marker.TopicID {
		return true, markerError(r.path, "is of a topic of this name that is gone")
	}
	ends, err := r.topic.ends(ctx)
	if err != nil {
		return false, err
	}
	if r.marker.Ends = ends; found != nil && !found.Running {
		return false, nil
	}
	var since map[int32]int64
	whole := found == nil
	if !whole {
		if ends, err = r.topic.settled(ctx); err != nil {
			return false, err
		}
		r.marker.Ends, since, whole = ends, found.Ends, found.Whole
	}
	from, err := r.topic.span(ctx, since, whole)
	if errors.Is(err, errTrimmed) {
		return true, markerError(r.path, err.Error())
	}
	if err != nil {
		return false, err
	}
	r.known = known{ids: map[[16]byte]struct{}{}, left: window + 2*batchRows}
	if whole {
		r.known.left = 1 << 62
	}
	if err := r.topic.read(ctx, from, ends, r.known.gather(r.config.run, r.marker.Files)); err != nil {
		return false, err
	}
	if len(r.known.ids) == 0 {
		r.known.ids = nil
		return false, nil
	}
	r.marker.Ends, r.marker.Whole = from, whole
	return false, nil
}

// mark brings the marker up to date again and again.
func (r *replay) mark(ctx context.Context) {
	tick := time.NewTicker(markEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := r.markOnce(ctx); err != nil && ctx.Err() == nil {
			r.progress.trouble(r.log, err)
		}
	}
}

// markOnce writes what has become true. While the topic may have rows that the replay
// has not come to yet, the old marker is the only right one.
func (r *replay) markOnce(ctx context.Context) error {
	if r.searching.Load() {
		return nil
	}
	var ends map[int32]int64
	if r.topic != nil {
		var err error
		if ends, err = r.topic.ends(ctx); err != nil {
			return err
		}
	}
	r.deliveries.mark(ends)
	ripe, ok := r.deliveries.ripe()
	if !ok {
		return nil
	}
	next := *r.marker
	next.At, next.Ends, next.Whole = ripe.at, ripe.ends, false
	if err := next.write(r.path); err != nil {
		return err
	}
	r.marked.Store(ripe.ahead)
	return nil
}

// settle writes a marker that nothing is on its way behind. With rows on their way the
// last one stays.
func (r *replay) settle(ctx context.Context) error {
	open, _, _ := r.deliveries.state()
	if open > 0 || r.searching.Load() && !r.ended {
		return nil
	}
	next := *r.marker
	next.At, next.Running, next.Whole = r.deliveries.place(), false, false
	if r.topic != nil {
		var err error
		if next.Ends, err = r.topic.ends(ctx); err != nil {
			return err
		}
	}
	return next.write(r.path)
}
