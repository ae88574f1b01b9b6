package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"clickstream/internal/secrets"
)

// secretsCommand draws what docker-compose.yml needs, so that nobody has to.
func secretsCommand() *cli.Command {
	return &cli.Command{
		Name:  "secrets",
		Usage: "Draw the passwords of docker-compose.yml into its volume, once, or show them",
		Description: "A password that the environment gives, or a file that NAME_FILE names, wins:\n" +
			"CLICKHOUSE_PASSWORD, CLICKHOUSE_WRITER_PASSWORD, GRAFANA_CLICKHOUSE_PASSWORD, GRAFANA_ADMIN_PASSWORD.\n" +
			"To see them: docker compose run --rm secrets secrets --show",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Value: "/secrets", Usage: "`FOLDER` of the passwords"},
			&cli.BoolFlag{Name: "show", Usage: "print the passwords that are there"},
		},
		Action: runSecrets,
	}
}

func runSecrets(c *cli.Context) error {
	if err := flagsOnly(c); err != nil {
		return err
	}
	if c.Bool("show") {
		return showSecrets(c)
	}
	fresh, err := secrets.Draw(c.String("dir"), secrets.All, secret)
	if err != nil {
		return cli.Exit("secrets: "+err.Error(), exitFailure)
	}
	for _, name := range fresh {
		fmt.Fprintf(c.App.Writer, "new: %s\n", name)
	}
	if len(fresh) == 0 {
		fmt.Fprintln(c.App.Writer, "nothing to do, all passwords are there")
	}
	return nil
}

func showSecrets(c *cli.Context) error {
	for _, s := range secrets.All {
		value, err := secrets.Read(c.String("dir"), s)
		if err != nil {
			return cli.Exit("secrets: "+err.Error()+"; `clickstream secrets` draws them", exitFailure)
		}
		fmt.Fprintf(c.App.Writer, "%-28s %s   (%s)\n", s.Variable, value, s.For)
	}
	return nil
}
