package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"clickstream/bench/report"
	"clickstream/bench/stage"
)

// write puts what was found into the page, each part between its own marks, and draws
// the plots; without a page it prints the parts.
func (f findings) write(ctx context.Context, o options) error {
	runs := fmt.Sprintf("%s events, %%d runs each", report.Count(float64(o.events)))
	parts := []struct{ name, text, runs string }{
		{"kafka", f.kafka.text(), fmt.Sprintf(runs, o.rounds)},
		{"embedded", f.embedded.text(), fmt.Sprintf(runs, o.rounds)},
		{"sweep", sweepText(f.loads), fmt.Sprintf("%s each", window)},
		{"scale", f.scaled.text(), fmt.Sprintf(runs, min(o.rounds, scaleRounds))},
		{"big", f.grown.text(), fmt.Sprintf("%s each, %d runs", bigWindow, min(o.rounds, bigRounds))},
	}
	var page string
	if o.page != "" {
		text, err := os.ReadFile(o.page)
		if err != nil {
			return err
		}
		page = string(text)
	}
	for _, p := range parts {
		if p.text == "" {
			continue
		}
		text := p.text + "\n" + origin(ctx, o) + "; " + p.runs + ".\n"
		if o.page == "" {
			fmt.Printf("\n%s\n\n%s", p.name, text)
			continue
		}
		var err error
		if page, err = report.Splice(page, p.name, text); err != nil {
			return fmt.Errorf("%s: %w", o.page, err)
		}
	}
	if o.page == "" {
		return nil
	}
	if err := os.WriteFile(o.page, []byte(page), 0o644); err != nil {
		return err
	}
	return draw(ctx, o, f.loads)
}

// draw has bench/python/plot.py draw the loads next to the page.
func draw(ctx context.Context, o options, loads []load) error {
	if len(loads) == 0 {
		return nil
	}
	data, err := json.Marshal(loads)
	if err != nil {
		return err
	}
	return stage.Pipe(ctx, data, filepath.Join(o.Repo, "bench/python/run"), "plot.py", filepath.Dir(o.page))
}

// cell is a median with its spread, in a table.
func cell(s report.Spread, number func(float64) string) string {
	if s.Low == s.High {
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", number(s.Median), number(s.Low), number(s.High))
}

func two(n float64) string { return strconv.FormatFloat(n, 'f', 2, 64) }

// text is the table of all players, and what the ratios come to.
func (t turns) text() string {
	if t == nil {
		return ""
	}
	table := [][]string{{"who", "rows or events/s", "client us", "broker us", "engine us", "client RSS", "rows a part", "new parts/s"}}
	for _, p := range []player{limit, ours, python, ceiling, produceOurs} {
		if len(t[p.name]) == 0 {
			continue
		}
		row := []string{p.name, cell(t.of(p, perSecond), report.Count)}
		for _, cpu := range []func(result) float64{
			func(r result) float64 { return micros(r.client) },
			func(r result) float64 { return micros(r.broker) },
			func(r result) float64 { return micros(r.engine) },
		} {
			row = append(row, two(t.of(p, cpu).Median))
		}
		row = append(row, fmt.Sprintf("%.0f MiB", t.of(p, func(r result) float64 { return float64(r.rss) / (1 << 20) }).High))
		if parts := t.of(p, func(r result) float64 { return float64(r.parts) }); parts.Median > 0 {
			perPart := t.of(p, func(r result) float64 { return float64(r.events) / float64(max(r.parts, 1)) })
			row = append(row, report.Count(perPart.Median), two(t.of(p, func(r result) float64 { return r.partsPerSecond }).Median))
		} else {
			row = append(row, "", "")
		}
		table = append(table, row)
	}
	return report.Table(table...) + "\n" + report.Table(t.ratios()...)
}

// ratios are what the project is held to, run by run.
func (t turns) ratios() [][]string {
	table := [][]string{{"ratio, median of the runs", "measured", "wanted"}}
	for _, r := range []struct {
		what   string
		a, b   player
		number func(result) float64
		want   string
	}{
		{"consume.yaml / bench/limit, rows per CPU-second", ours, limit, perCPUSecond, "0.75"},
		{"consume.yaml / bench/limit, rows per second", ours, limit, perSecond, "0.85"},
		{"consume.yaml / Python, rows per CPU-second", ours, python, perCPUSecond, "12"},
		{"consume.yaml / Python, rows per second", ours, python, perSecond, "12"},
		{"bench/limit / Python, rows per second", limit, python, perSecond, "15"},
		{"produce.yaml / bench/limit produce, events per CPU-second", produceOurs, ceiling, perCPUSecond, "0.60"},
	} {
		if ratio := t.ratio(r.a, r.b, r.number); ratio.Median > 0 {
			table = append(table, []string{r.what, cell(ratio, two), r.want})
		}
	}
	return table
}

func sweepText(loads []load) string {
	if len(loads) == 0 {
		return ""
	}
	table := [][]string{{"offered events/s", "who", "stored rows/s", "p50", "p99", "slowest", "new parts/s"}}
	for _, l := range loads {
		row := []string{report.Count(float64(l.Offered)), l.Player, report.Count(l.Stored)}
		for _, ms := range []float64{l.P50, l.P99, l.Max} {
			sign := ""
			if !l.Caught {
				sign = "> "
			}
			row = append(row, sign+report.Count(ms)+" ms")
		}
		table = append(table, append(row, two(l.Parts)))
	}
	return report.Table(table...)
}

func (r *scaled) text() string {
	if r == nil {
		return ""
	}
	table := [][]string{{"consume.yaml", "rows/s", "client us"}}
	for _, c := range r.cases {
		table = append(table, []string{c.name, cell(report.Of(c.perSecond...), report.Count), two(report.Of(c.client...).Median)})
	}
	return report.Table(table...)
}

func (g *grown) text() string {
	if g == nil {
		return ""
	}
	return report.Table([]string{"table", "CPU us an event, client and engine"},
		[]string{"empty", cell(g.empty, two)},
		[]string{report.Count(bigRows) + " rows", cell(g.full, two)},
		[]string{"ratio (wanted: at most 1.1)", two(g.full.Median / g.empty.Median)})
}

// origin says what was measured where.
func origin(ctx context.Context, o options) string {
	commit, err := stage.Output(ctx, "git", "-C", o.Repo, "describe", "--always", "--dirty", "--exclude=*")
	if err != nil {
		commit = "unknown"
	}
	return stage.Machine() + "; commit " + strings.TrimSpace(commit)
}
