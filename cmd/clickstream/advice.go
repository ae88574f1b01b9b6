package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// advise turns what Benthos and the YAML library say of a pipeline in file that cannot
// run into where, what and the next step. An error that is ours already stays as it is.
func advise(err error, file string) string {
	text := err.Error()
	if strings.HasSuffix(text, "--chilled") { // it would run a configuration that is wrong
		return file + " is wrong, the lines above say where; `clickstream create` prints the fields of any component"
	}
	if m := notBuilt.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	text = strings.TrimPrefix(text, "configuration file read error: ")
	if m := wrongType.FindStringSubmatch(text); m != nil {
		return m[1] + m[2] + ": " + wrongValue(m[4], m[5]) + ", " + origin(file, m[3])
	}
	switch {
	case strings.Contains(text, "unable to infer"):
		return text + "; `clickstream list` names every component"
	case strings.Contains(text, "found a tab character"), strings.Contains(text, "found character that cannot start any token"):
		return text + ": YAML is indented with spaces, not with tabs"
	case file != "" && strings.Contains(text, "open "+file+": no such file"):
		return text + "; the pipelines of clickstream are in pipelines/"
	}
	return text
}

// How Benthos v4.80.0 and yaml.v3 say it; a test holds each to what they really say.
var (
	notBuilt  = regexp.MustCompile(`(?s)^service closing due to: .*failed to init \w+ (?:<no label>|'.*') path (.*)$`)
	wrongType = regexp.MustCompile("(?s)^(.*)field '([^']*)': yaml: unmarshal errors:\\s+line (\\d+): cannot unmarshal !!\\w+ `(.*?)` into (\\S+)")
)

// wrongValue says what kind of value a Go type wants.
func wrongValue(got, goType string) string {
	kind := map[string]string{"bool": "true or false", "string": "a text", "float64": "a number"}[goType]
	if kind == "" {
		kind = "a whole number"
	}
	return fmt.Sprintf("want %s, got %q", kind, got)
}

// variable is how a pipeline asks for one of the environment.
var variable = regexp.MustCompile(`\$\{(\w+)`)

// origin says where the value on a line of file was written: there, or in the
// environment that the line asks for it.
func origin(file, line string) string {
	where := "line " + line + " of " + file
	text, _ := os.ReadFile(file)
	var n int
	_, _ = fmt.Sscan(line, &n)
	lines := strings.Split(string(text), "\n")
	if n < 1 || n > len(lines) {
		return where
	}
	if m := variable.FindStringSubmatch(lines[n-1]); m != nil && os.Getenv(m[1]) != "" {
		return "from " + m[1] + " in the environment (" + where + ")"
	}
	return where
}

// pipelineFile is the file that a command line runs.
func pipelineFile(c *cli.Context) string {
	for _, level := range c.Lineage() {
		if file := level.String("config"); file != "" {
			return file
		}
	}
	return c.Args().First()
}

// flagOf is whether a flag of Benthos is set, on whatever level of the command line.
func flagOf(c *cli.Context, name string) bool {
	return slices.ContainsFunc(c.Lineage(), func(level *cli.Context) bool { return level.Bool(name) })
}

// withAdvice makes c, and every command below it, say on one line what is wrong with
// its flags: the library prints the whole help, and its own words of Go twice.
func withAdvice(c *cli.Command) *cli.Command {
	c.OnUsageError = func(ctx *cli.Context, err error, _ bool) error {
		name := strings.TrimPrefix(ctx.Command.HelpName, "clickstream ")
		return cli.Exit(name+": "+adviseFlag(ctx.Command, err)+"; `clickstream "+name+" --help` lists the flags", exitUsage)
	}
	for _, sub := range c.Subcommands {
		withAdvice(sub)
	}
	return c
}

// How urfave/cli v2 says it.
var (
	unknownFlag = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)
	badFlag     = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-([\w-]+): `)
	badVariable = regexp.MustCompile(`^could not parse (".*") as .* value from environment variable "(\w+)" for flag ([\w-]+): `)
	bareFlag    = regexp.MustCompile(`^flag needs an argument: -(.*)$`)
)

func adviseFlag(c *cli.Command, err error) string {
	text := err.Error()
	if m := unknownFlag.FindStringSubmatch(text); m != nil {
		return "there is no flag --" + strings.TrimLeft(m[1], "-")
	}
	if m := badVariable.FindStringSubmatch(text); m != nil {
		return m[2] + " in the environment: want " + flagKind(c, m[3]) + ", got " + m[1]
	}
	if m := badFlag.FindStringSubmatch(text); m != nil {
		return "--" + m[2] + ": want " + flagKind(c, m[2]) + ", got " + m[1]
	}
	if m := bareFlag.FindStringSubmatch(text); m != nil {
		return "--" + strings.TrimLeft(m[1], "-") + ": want " + flagKind(c, strings.TrimLeft(m[1], "-")) + " behind it"
	}
	return text
}

// flagKind says what a flag takes.
func flagKind(c *cli.Command, name string) string {
	for _, f := range c.Flags {
		if f.Names()[0] != name {
			continue
		}
		switch f.(type) {
		case *cli.IntFlag, *cli.Int64Flag, *cli.UintFlag, *cli.Uint64Flag:
			return "a whole number"
		case *cli.DurationFlag:
			return "a time such as 30s"
		case *cli.TimestampFlag:
			return "a time such as 2026-01-15T00:00:00Z"
		case *cli.BoolFlag:
			return "true or false"
		}
	}
	return "a value"
}

// flagsOnly refuses arguments where there is nothing that one could mean.
func flagsOnly(c *cli.Context) error {
	if !c.Args().Present() {
		return nil
	}
	return cli.Exit(fmt.Sprintf("%s: want flags only, got %q", c.Command.Name, c.Args().First()), exitUsage)
}
