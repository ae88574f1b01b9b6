package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"

	"clickstream/internal/deadletters"
	tables "clickstream/internal/schema"
	"clickstream/pipelines"
	"clickstream/plugins/clickhouse"
)

func dryRunFlags() []cli.Flag {
	return append(tableFlags(),
		&cli.BoolFlag{Name: "dry-run", Usage: "send nothing; say what would be sent, and whether it would be stored now"},
		jsonFlag("the dry run as JSON"),
		&cli.StringFlag{Name: "pipeline", Usage: "`FILE` of the pipeline that a dry run judges by (default: the consume.yaml that ships)"},
		&cli.BoolFlag{Name: "no-table", Usage: "a dry run does not ask ClickHouse, and only counts"})
}

// dryRun prints what a replay would do.
func (r *dlqRun) dryRun(job *deadletters.Replay) error {
	by, err := r.openPipeline()
	if err != nil {
		return err
	}
	book, err := deadletters.Read(r.ctx, job.Client, r.letters)
	if err != nil {
		return err
	}
	judge, err := r.judge(by)
	if err != nil {
		return err
	}
	forecast, err := job.Forecast(r.ctx, book, judge)
	if err != nil {
		return err
	}
	if r.Bool("json") {
		return r.printJSON(forecast)
	}
	r.print("would replay %s to topic %s%s", letterCount(forecast.Letters), forecast.Topic,
		details(deadletters.Sums{ByReason: forecast.ByReason, Skipped: forecast.Skipped}))
	r.print("replayed before: %s; dropped: %s", letterCount(forecast.Replayed), letterCount(forecast.Dropped))
	if by != nil {
		r.print("by table %s and %s of %s: %s would be stored, %s refused again%s",
			by.table, by.path, by.name, letterCount(forecast.Stored), letterCount(forecast.Refused), by.caveat())
	}
	return forecast.WriteText(r.App.Writer)
}

// judging is the pipeline that letters are judged by.
type judging struct {
	name       string
	outputs    []judgingOutput // of ClickHouse, in their order
	processors int
	path       string // of the output that judges
	table      string
}

type judgingOutput struct{ path, fields string }

// caveat says what is not foreseen.
func (j *judging) caveat() string {
	if j.processors == 0 {
		return ""
	}
	return "; its processors are not run, what they change is not foreseen"
}

// openPipeline reads the pipeline that a dry run judges by; nil: it only counts.
func (r *dlqRun) openPipeline() (*judging, error) {
	if r.Bool("no-table") {
		return nil, nil
	}
	text, name := pipelines.Consume, "the consume.yaml that ships"
	if path := r.String("pipeline"); path != "" {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, &tables.ConfigError{Err: fmt.Errorf("--pipeline: %w", err)}
		}
		text, name = string(raw), path
	}
	j := &judging{name: name}
	if err := j.read(text); err != nil {
		return nil, &tables.ConfigError{Err: fmt.Errorf("--pipeline: %s: %w", name, err)}
	}
	return j, nil
}

// read finds what matters for a row. Variables of the environment are put in, as a run
// of the pipeline has them.
func (j *judging) read(text string) error {
	builder := service.NewStreamBuilder()
	if err := builder.SetYAML(text); err != nil {
		return err
	}
	err := builder.WalkComponents(func(w *service.WalkedComponent) error {
		switch {
		case w.ComponentType == "processor":
			j.processors++
		case w.ComponentType == "output" && w.Name == "clickhouse":
			config, err := w.ConfigAny()
			if err != nil {
				return err
			}
			component, _ := config.(map[string]any)
			fields, err := yaml.Marshal(component[w.Name])
			if err != nil {
				return err
			}
			j.outputs = append(j.outputs, judgingOutput{w.Path, string(fields)})
		}
		return nil
	})
	if err == nil && len(j.outputs) == 0 {
		err = errors.New("want an output clickhouse, found none")
	}
	return err
}

// judge asks the first output that takes records as they come, and ClickHouse for its
// table as it is now.
func (r *dlqRun) judge(by *judging) (deadletters.Judge, error) {
	if by == nil {
		return nil, nil
	}
	conn, database, err := r.openDatabase()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for _, o := range by.outputs {
		judge, err := clickhouse.NewJudge(r.ctx, conn, database, o.fields)
		switch {
		case err == nil:
			by.path, by.table = o.path, judge.Table
			return judge.Check, nil
		case !errors.Is(err, clickhouse.ErrLettersOnly):
			return nil, fmt.Errorf("%s: %s: %w; or leave the table out with --no-table", by.name, o.path, err)
		}
	}
	return nil, &tables.ConfigError{Err: fmt.Errorf("--pipeline: %s: want an output clickhouse for events, found one for refused rows only", by.name)}
}
