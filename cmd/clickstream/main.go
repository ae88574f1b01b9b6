// Command clickstream is a Benthos distribution that simulates web visitors,
// carries their events through Kafka and stores them in ClickHouse.
//
// A program that wants these plugins beside others imports clickstream/plugins and
// calls service.RunCLI itself; everything else here is the comfort of the command:
// exit codes, a second signal, readiness, and the subcommands.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/urfave/cli/v2"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	"clickstream/internal/process"
	_ "clickstream/plugins"
)

// version and built are set by the linker (Makefile, Dockerfile).
var (
	version = "dev"
	built   = "unknown"
)

// Exit codes, for scripts and orchestrators (docs/design.md lists them).
const (
	exitOK      = 0
	exitFailure = 1   // something failed while running
	exitUsage   = 2   // the command line is wrong
	exitUnacked = 3   // stopped with data that was taken in and not delivered
	exitConfig  = 78  // the configuration is wrong (sysexits.h: EX_CONFIG)
	exitAbort   = 130 // a second signal (128 + SIGINT)
)

func main() {
	os.Exit(run(context.Background(), os.Args))
}

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string) int {
	if len(args) < 2 { // Benthos would copy standard input to standard output, without a word
		fmt.Fprintln(os.Stderr, "clickstream: want a command, or -c and a pipeline: `clickstream demo` shows everything at once, `clickstream --help` lists the commands")
		return exitUsage
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	process.SetVersion(version)
	logs := startLogs(args)
	env := &environment{args: args[1:]}
	p := newPipeline(logs, env, cancel)
	p.watchSignals(runsPipeline(args))

	options := []service.CLIOptFunc{
		logs.captured,
		service.CLIOptSetArgs(args...),
		service.CLIOptSetVersion(version, built),
		service.CLIOptSetBinaryName("clickstream"),
		service.CLIOptSetProductName("clickstream"),
		service.CLIOptSetDocumentationURL("docs/ and README.md"),
		service.CLIOptSetMainSchemaFrom(schema),
		service.CLIOptSetEnvVarLookup(env.lookup),
		service.CLIOptCustomRunFlags(nil, p.onRun),
		service.CLIOptOnConfigParse(p.onConfig),
		service.CLIOptOnStreamStart(p.onStart),
		service.CLIOptAddTeeLogger(slog.New(serverErrors{})),
	}
	for _, c := range commands() {
		options = append(options, service.CLIOptAddCommand(withAdvice(c)))
	}
	code, err := service.RunCLIToCode(ctx, options...)
	return p.exitCode(args, code, err)
}

// commands lists this distribution's own subcommands; Benthos adds run, lint,
// test, list, create, echo, blobl, streams and template.
func commands() []*cli.Command {
	return []*cli.Command{
		demoCommand(),
		pageCommand(),
		brokerCommand(),
		engineCommand(),
		initCommand(),
		secretsCommand(),
		verifyCommand(),
		dlqCommand(),
		healthcheckCommand(),
		// Benthos' own studio command talks to a third party's host.
		{Name: "studio", Hidden: true, Action: func(*cli.Context) error {
			return cli.Exit("studio is not part of clickstream", exitUsage)
		}},
	}
}

// schema is Benthos' configuration with this distribution's defaults.
func schema() *service.ConfigSchema {
	s := service.GlobalEnvironment().FullConfigSchema(version, built)
	s.SetFieldDefault("127.0.0.1:4195", "http", "address") // Benthos listens on every interface, without a password
	s.SetFieldDefault(map[string]any{"@service": "clickstream"}, "logger", "static_fields")
	s.SetFieldDefault(map[string]any{"disabled": map[string]any{}}, "tracer")
	s.SetFieldDefault("30s", "shutdown_timeout") // above twice a flush and an insert's deadline
	return s
}

// exitCode turns what Benthos returned into this command's exit codes, and prints
// the error that has not been logged yet.
func (p *pipeline) exitCode(args []string, code int, err error) int {
	p.logs.Close()
	switch fatal := p.fatal.Load(); {
	case fatal != nil:
		fmt.Fprintln(os.Stderr, "clickstream:", *fatal)
		return exitFailure
	case p.env.failed.Load() != nil:
		err, code = *p.env.failed.Load(), exitConfig
	case err != nil && !p.running.Load() && usageError(err):
		code = exitUsage
	case code != exitOK && !p.started.Load() && (p.running.Load() || isLint(args)):
		code = exitConfig
	case code == exitFailure && err == nil && !p.running.Load() && unknownCommand(args):
		code = exitUsage
	case code == exitOK:
		code = p.stopCode()
	}
	if err != nil && err.Error() != "" {
		fmt.Fprintln(os.Stderr, "clickstream:", advise(err, p.file))
	}
	return code
}
