package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"clickstream/internal/deadletters"
	tables "clickstream/internal/schema"
)

// replay is what replay and drop share. Whoever calls it closes the client.
func (r *dlqRun) replay() (job *deadletters.Replay, bar *progress, err error) {
	if r.Int("batch") < 1 || r.Int("batch") > 10_000 {
		return nil, nil, errUsage{fmt.Errorf("--batch: want 1 to 10000, got %d", r.Int("batch"))}
	}
	bar = &progress{start: time.Now(), terminal: isTerminal(os.Stderr), verb: map[string]string{"replay": "replayed", "drop": "dropped"}[r.Command.Name], say: r.say}
	job = &deadletters.Replay{
		Link: &deadletters.Link{}, Letters: r.letters, Filter: r.filter, Batch: r.Int("batch"),
		Progress: bar.show, Say: r.say,
	}
	client, err := r.open(deadletters.ProducerOptions(r.letters, job.Link)...)
	if err != nil {
		return nil, nil, err
	}
	job.Client = client
	return job, bar, nil
}

func replayLetters(r *dlqRun) error {
	topic := textOf(r.Context, "topic")
	if err := tables.CheckTopic(topic); err != nil {
		return &tables.ConfigError{Err: fmt.Errorf("--topic: %w", err)}
	}
	if topic == r.letters || topic == deadletters.MarksTopic(r.letters) {
		return &tables.ConfigError{Err: fmt.Errorf("--topic: want the topic for events, got %q", topic)}
	}
	job, bar, err := r.replay()
	if err != nil {
		return err
	}
	defer job.Client.Close()
	job.Topic = topic
	if r.Bool("dry-run") {
		return r.dryRun(job)
	}
	start := time.Now()
	sums, err := job.Run(r.ctx)
	bar.end()
	if sums.ByReason != nil {
		r.print("replayed %s to topic %s in %s%s%s", letterCount(sums.Handled), topic, time.Since(start).Round(time.Millisecond), left(sums), details(sums))
	}
	return err
}

func dropLetters(r *dlqRun) error {
	job, bar, err := r.replay()
	if err != nil {
		return err
	}
	defer job.Client.Close()
	if !r.Bool("yes") {
		book, err := deadletters.Read(r.ctx, job.Client, r.letters)
		if err != nil {
			return err
		}
		chosen, sums := job.PlanDrop(book)
		r.print("would drop %s%s; --yes does it", letterCount(len(chosen)), details(sums))
		return nil
	}
	sums, err := job.Drop(r.ctx)
	bar.end()
	if sums.ByReason != nil {
		r.print("dropped %s%s%s", letterCount(sums.Handled), left(sums), details(sums))
	}
	if err != nil || !r.Bool("purge") {
		return err
	}
	deleted, err := job.Purge(r.ctx)
	if err == nil {
		r.print("deleted %s offsets from topic %s", humanize.Comma(deleted), r.letters)
	}
	return err
}

func (r *dlqRun) print(format string, args ...any) { fmt.Fprintf(r.App.Writer, format+"\n", args...) }

func letterCount(n int) string {
	if n == 1 {
		return "1 letter"
	}
	return humanize.Comma(int64(n)) + " letters"
}

func left(s deadletters.Sums) string {
	if s.Left == 0 {
		return ""
	}
	return fmt.Sprintf(", %s left", humanize.Comma(int64(s.Left)))
}

// details are what was chosen by reason, and what was skipped and why.
func details(s deadletters.Sums) string {
	var text string
	if len(s.ByReason) > 0 {
		text = " (" + deadletters.ReasonsText(s.ByReason) + ")"
	}
	if len(s.Skipped) > 0 {
		text += "; skipped: " + deadletters.ReasonsText(s.Skipped)
	}
	return text
}

// progress is a bar on a terminal, and a line in five seconds elsewhere.
type progress struct {
	start, last time.Time
	terminal    bool
	drawn       bool
	verb        string
	say         func(string)
}

const (
	barWidth = 30
	barPause = 100 * time.Millisecond
	// linePause is the time between two lines where nobody watches.
	linePause = 5 * time.Second
)

func (p *progress) show(done, total int) {
	pause := linePause
	if p.terminal {
		pause = barPause
	}
	if time.Since(p.last) < pause && done < total {
		return
	}
	p.last = time.Now()
	rate := float64(done) / max(time.Since(p.start).Seconds(), 0.001)
	text := fmt.Sprintf("%s of %s, %s letters/s", humanize.Comma(int64(done)), letterCount(total), humanize.Comma(int64(rate)))
	if done < total {
		text += ", " + (time.Duration(float64(total-done)/max(rate, 0.001)) * time.Second).String() + " to go"
	}
	if !p.terminal {
		p.say(p.verb + " " + text)
		return
	}
	full := barWidth * done / max(total, 1)
	fmt.Fprintf(os.Stderr, "\r\x1b[K[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), text)
	p.drawn = true
}

// end leaves the bar's line.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprintln(os.Stderr)
		p.drawn = false
	}
}

func isTerminal(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}
