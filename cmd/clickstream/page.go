package main

import (
	"fmt"
	"os/signal"
	"slices"
	"syscall"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/urfave/cli/v2"

	"clickstream/grafana"
	"clickstream/internal/page"
	"clickstream/internal/process"
	tables "clickstream/internal/schema"
)

// pageCommand shows the dashboards without Grafana.
func pageCommand() *cli.Command {
	own := []cli.Flag{
		&cli.StringFlag{Name: "listen", Value: "127.0.0.1:3000", Usage: "loopback `ADDRESS` to serve on; port 0 picks a free one"},
		&cli.StringFlag{Name: "dashboards", Usage: "`FOLDER` of dashboards of your own, Grafana's JSON, beside the shipped ones"},
	}
	return &cli.Command{
		Name:  "page",
		Usage: "Show the dashboards of grafana/dashboards in a browser, without Grafana, alive within a second",
		Description: "Reads ClickHouse and nothing else; the server refuses it any change. The password comes from\n" +
			"CLICKHOUSE_PASSWORD, or from the file that CLICKHOUSE_PASSWORD_FILE names. A file that is added to\n" +
			"the folder or changed shows without a restart; docs/dashboards.md says what is drawn.",
		Flags:  append(own, readerFlags()...),
		Action: runPage,
	}
}

// readerFlags are those of init's that say how to reach ClickHouse.
func readerFlags() []cli.Flag {
	return slices.DeleteFunc(clickhouseFlags(), func(f cli.Flag) bool {
		return slices.Contains([]string{"events-retention", "dead-letters-retention", "wait"}, f.Names()[0])
	})
}

func runPage(c *cli.Context) error {
	if c.Args().Present() {
		return cli.Exit(fmt.Sprintf("page: want flags only, got %q", c.Args().First()), exitUsage)
	}
	options, err := readerOptions(c)
	if err != nil {
		return cli.Exit("page: "+err.Error(), exitConfig)
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	process.OnParentDeath(stop)
	err = page.Serve(ctx, c.String("listen"), page.Config{
		ClickHouse: *options, Dashboards: grafana.Dashboards(), Folder: c.String("dashboards"), Version: version,
	}, c.App.Writer)
	if err != nil {
		return cli.Exit("page: "+err.Error(), exitFailure)
	}
	return nil
}

// readerOptions is how to reach ClickHouse, by flags and environment.
func readerOptions(c *cli.Context) (*clickhouse.Options, error) {
	password, err := secret("CLICKHOUSE_PASSWORD")
	if err != nil {
		return nil, err
	}
	reader := tables.ClickHouse{Addresses: textOf(c, "clickhouse"), User: textOf(c, "user"), Password: password, TLS: tlsOf(c, "clickhouse-tls")}
	options, err := reader.Options()
	if err != nil {
		return nil, err
	}
	options.Auth.Database = textOf(c, "database")
	return options, nil
}
