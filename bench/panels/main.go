// Command panels prints how long each panel of both boards takes over a large table:
// `make bench-panels`. It fills the table itself unless told where one is.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/bench/stage"
	"clickstream/grafana"
	"clickstream/internal/page"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "panels:", err)
		os.Exit(1)
	}
}

// limits are what issue 6 asks of a panel's median.
var limits = [2]struct{ span, limit time.Duration }{
	{15 * time.Minute, 100 * time.Millisecond},
	{24 * time.Hour, time.Second},
}

func run(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("panels", flag.ContinueOnError)
	f.SetOutput(out)
	repo := f.String("repo", ".", "root of the `checkout`")
	data := f.String("data", os.TempDir(), "`folder` for 3 GB of tables")
	tables := f.String("tables", "", "`folder` for tables that stay: filled the first time, measured again later; \"\" is one that is gone afterwards")
	rows := f.Int("rows", 100_000_000, "rows of events, over the 24 hours before now")
	address := f.String("address", "", "`host:port` of a ClickHouse whose database is filled; \"\" starts one")
	database := f.String("database", "panels", "the database")
	rounds := f.Int("rounds", 11, "how often each panel is asked")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *rows < 1 || *rounds < 1 {
		return errors.New("want --rows and --rounds of 1 or more")
	}
	panels, err := load()
	if err != nil {
		return err
	}
	b := bench{panels: panels, rounds: *rounds, database: *database, out: out}
	if *address != "" {
		if b.conn, err = clickhouse.Open(&clickhouse.Options{Addr: []string{*address}, Auth: clickhouse.Auth{Database: *database}}); err != nil {
			return err
		}
		defer b.conn.Close()
		return b.measure(ctx)
	}
	s, err := stage.Open(ctx, stage.Options{Repo: *repo, Data: *data, Tables: *tables})
	if s != nil {
		defer func() { _ = s.Close() }() // what it measured is printed by then
	}
	if err != nil {
		return err
	}
	if err := s.Database(ctx, *database, stage.Guarded); err != nil {
		return err
	}
	if b.conn, err = clickhouse.Open(&clickhouse.Options{Addr: []string{s.Native}, Auth: clickhouse.Auth{Database: *database}, ReadTimeout: 10 * time.Minute}); err != nil {
		return err
	}
	defer b.conn.Close()
	if err := fillOnce(ctx, b.conn, *rows, out); err != nil {
		return err
	}
	return b.measure(ctx)
}

// panel is what is measured of a panel.
type panel struct {
	Type, Title string
	Interval    string
	Points      int `json:"maxDataPoints"`
	Targets     []struct {
		RawSQL string `json:"rawSql"`
	}
}

// load reads the panels of all boards in the order in which they are drawn.
func load() (all []panel, err error) {
	names, err := fs.Glob(grafana.Dashboards(), "*.json")
	if err != nil {
		return nil, err
	}
	slices.Reverse(names) // the shop first
	for _, name := range names {
		raw, err := fs.ReadFile(grafana.Dashboards(), name)
		if err != nil {
			return nil, err
		}
		var board struct{ Panels []panel }
		if err := json.Unmarshal(raw, &board); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, slices.DeleteFunc(board.Panels, func(p panel) bool { return len(p.Targets) == 0 })...)
	}
	return all, nil
}

// bench asks panels.
type bench struct {
	conn     driver.Conn
	panels   []panel
	rounds   int
	database string
	out      io.Writer
	to       time.Time // the end of all ranges: of the rows, or the last minutes would be empty
}

// measure prints a line for each panel: the median and the slowest of all rounds, in
// milliseconds. The panels take turns, so that what else the machine does hits them alike.
func (b bench) measure(ctx context.Context) error {
	var rows uint64
	if err := b.conn.QueryRow(ctx, "SELECT count(), max(inserted_at) FROM events").Scan(&rows, &b.to); err != nil {
		return err
	}
	took := make([][2][]time.Duration, len(b.panels)) // by panel and by limit
	for range b.rounds {
		for i, p := range b.panels {
			for k, l := range limits {
				d, err := b.ask(ctx, p, l.span)
				if err != nil {
					return fmt.Errorf("panel %q over %s: %w", p.Title, l.span, err)
				}
				took[i][k] = append(took[i][k], d)
			}
		}
	}
	fmt.Fprintf(b.out, "%d rows of events, %d rounds; milliseconds, median (slowest)\n\n| panel | 15 minutes | 24 hours |\n|---|---|---|\n", rows, b.rounds)
	slow := 0
	for i, p := range b.panels {
		fmt.Fprintf(b.out, "| %s |", p.Title)
		for k, l := range limits {
			slices.Sort(took[i][k])
			median, mark := took[i][k][len(took[i][k])/2], ""
			if median >= l.limit {
				slow, mark = slow+1, " **slow**"
			}
			fmt.Fprintf(b.out, " %.1f (%.1f)%s |", millis(median), millis(took[i][k][len(took[i][k])-1]), mark)
		}
		fmt.Fprintln(b.out)
	}
	fmt.Fprintf(b.out, "\n%d medians at or over their limit (100 ms, 1 s)\n", slow)
	return nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// ask runs a panel's SQL for the range that ends with the rows and reads the answer.
func (b bench) ask(ctx context.Context, p panel, span time.Duration) (time.Duration, error) {
	lowest, points := time.Second, 1000
	if p.Interval != "" {
		var err error
		if lowest, err = time.ParseDuration(p.Interval); err != nil {
			return 0, err
		}
	}
	if p.Points > 0 {
		points = p.Points
	}
	from, to := b.to.Add(-span), b.to
	sql, err := page.Expand(p.Targets[0].RawSQL, page.Query{From: from, To: to, Interval: page.Interval(from, to, points, lowest)})
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	rows, err := b.conn.Query(ctx, sql)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() { // the values do not matter here, only that they came
	}
	return time.Since(begin), rows.Err()
}
