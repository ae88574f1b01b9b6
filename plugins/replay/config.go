package replay

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	// Lint rules are Bloblang, parsed when this package starts: its methods must be
	// registered by then, and Go starts packages in the order of their imports.
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"

	"clickstream/internal/connect"
	"clickstream/internal/event"
)

const (
	maxSpeed = 1_000_000
	minRow   = 1 << 10
	topRow   = 16 << 20
)

// spec is the only home of a field's name, unit, default and prose.
func spec() *service.ConfigSpec {
	return service.NewConfigSpec().Stable().Version("0.1.0").Categories("Local").
		Summary("Replays recorded events from CSV and NDJSON files, each row once, whatever is killed.").
		Description("docs/replay.md describes the mapping, the marker and what is guaranteed.").
		Fields(
			service.NewStringListField("paths").
				Description("The files, in this order: names or patterns (`data/*.csv.gz`); what a pattern finds is sorted. An entry may itself be a list with commas. Files ending in .gz or .zst are unpacked on the way.").
				Example([]string{"data/2019-Oct.csv.gz", "data/2019-Nov.csv.gz"}),
			service.NewStringEnumField("format", "auto", "csv", "ndjson").Default("auto").
				Description("What the files hold: CSV under a header (RFC 4180), or one JSON object on each line. `auto` goes by the name: .csv and .tsv, or .ndjson, .jsonl and .json."),
			service.NewStringField("delimiter").Default("").Advanced().
				Description("The character between two fields of CSV. Default: a comma, a tab in files called .tsv.").
				LintRule(`root = if this.length() > 1 || this == "\"" { ["delimiter: want one ASCII character that is no quote"] }`),
			service.NewStringEnumField("preset", "rees46", "none").Default("none").
				Description("A mapping that is there already. `rees46`: the layout of the multi-category store data set of REES46 (event_time, event_type, product_id, category_id, category_code, brand, price, user_id, user_session)."),
			mappingField(),
			service.NewStringField("speed").Default("as_is").
				Description("`as_is`: events keep their times and are sent as fast as they are taken. A factor such as `60x`: the first event happens now, the others as far behind it as in the file, divided by the factor (0.001x to 1000000x).").
				Example("60x"),
			service.NewStringField("run").Default("").
				Description("Another run makes other event ids of the same rows: set it to send a file once more."),
			service.NewStringField("marker").Default("").
				Description("The file that remembers how far the replay is. Default: in the working directory, named after the first file, the run and the topic."),
			service.NewObjectField("kafka",
				service.NewStringListField("brokers").Default([]any{}).Description("Addresses as host:port; an entry may be a list with commas."),
				service.NewStringField("topic").Default("").Description("The topic that the pipeline's output writes to."),
				service.NewTLSToggledField("tls"),
				service.NewObjectField("sasl",
					service.NewStringEnumField("mechanism", "none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512").Default("none").Description("How to log in."),
					service.NewStringField("user").Default("").Description("The user's name."),
					service.NewStringField("password").Default("").Secret().Description("The user's password."),
				).Advanced().Description("Login."),
				service.NewDurationField("settle").Default("3s").Advanced().
					Description("How long to wait, after a replay that was killed, for what it had sent to arrive before the topic is read back."),
			).Optional().
				Description("Where the rows go. After a kill the topic is read back, and rows that it has are not sent again. Without it, rows that were on their way at a kill are sent again."),
			service.NewIntField("max_row_bytes").Default(128<<10).Advanced().
				Description("The longest row; a longer one ends the replay in front of it.").
				LintRule(fmt.Sprintf(`root = if this.number() < %d || this.number() > %d { ["max_row_bytes: want %d to %d"] }`, minRow, topRow, minRow, topRow)),
			service.NewBoolField("quiet").Default(false).Description("Show no progress."),
		).
		LintRule(`let own = this.mapping.or({}).values().any(v -> v.from.or("") != "" || v.default.or("") != "")
root = if this.preset.or("none") == "none" && !$own { ["preset, mapping: want one of them, got none"] } else if this.preset.or("none") != "none" && $own { ["preset, mapping: want one of them, got both"] }`)
}

// mappingField describes where the fields of our events come from.
func mappingField() *service.ConfigField {
	source := func(name, prose string, more ...*service.ConfigField) *service.ConfigField {
		return service.NewObjectField(name, append([]*service.ConfigField{
			service.NewStringField("from").Default("").Description("The column of the CSV file, or the top-level field of the JSON object."),
			service.NewStringField("default").Default("").Description("What stands for an empty or missing value. Without it such a row is no event. Without `from`, every event has it."),
		}, more...)...).Description(prose)
	}
	return service.NewObjectField("mapping",
		source("event_type", "What happened.",
			service.NewStringMapField("values").Default(map[string]any{}).
				Description("What the file's types are called here: page_view, add_to_cart, purchase, remove_from_cart. Default: these four as they are.")),
		source("user_id", "Who."),
		source("product_id", "Which product."),
		source("price", "Its price, from 0 on; four digits after the point are kept."),
		source("timestamp", "When.",
			service.NewStringListField("layouts").Default([]any{layoutRFC3339, layoutUTC}).
				Description("How times are written, the first that fits: `rfc3339`, `utc` (2006-01-02 15:04:05, perhaps with a fraction, perhaps followed by UTC), `unix`, `unix_ms`, or a layout of Go's time package (02/01/2006 15:04).")),
	).Optional().Description("Where the fields of an event come from; other columns are left out.")
}

// config is what the fields say.
type config struct {
	paths     []string
	format    string
	delimiter byte
	mapping   mapping
	speed     float64
	run       string
	marker    string
	maxRow    int
	quiet     bool
	kafka     *kafkaConfig // nil: none
}

type kafkaConfig struct {
	topic  string
	opts   []kgo.Opt
	settle time.Duration
}

// topic is the topic's name, "" without one.
func (c *config) topic() string {
	if c.kafka == nil {
		return ""
	}
	return c.kafka.topic
}

// parse returns a config whose every value is in range, or an error that names the
// field.
func parse(pc *service.ParsedConfig) (*config, error) {
	c := &config{}
	paths, errPaths := pc.FieldStringList("paths")
	format, errFormat := pc.FieldString("format")
	delimiter, errDelimiter := pc.FieldString("delimiter")
	speed, errSpeed := pc.FieldString("speed")
	run, errRun := pc.FieldString("run")
	marker, errMarker := pc.FieldString("marker")
	maxRow, errRow := pc.FieldInt("max_row_bytes")
	quiet, errQuiet := pc.FieldBool("quiet")
	if err := errors.Join(errPaths, errFormat, errDelimiter, errSpeed, errRun, errMarker, errRow, errQuiet); err != nil {
		return nil, err
	}
	c.paths, c.format, c.run, c.marker, c.maxRow, c.quiet = list(paths), format, run, marker, maxRow, quiet
	if len(c.paths) == 0 {
		return nil, errors.New("paths: want at least one file, got none")
	}
	if !slices.Contains([]string{"auto", "csv", "ndjson"}, format) {
		return nil, fmt.Errorf("format: want auto, csv or ndjson, got %q", format)
	}
	if len(delimiter) > 1 || delimiter == `"` || delimiter == "\n" || delimiter == "\r" || delimiter != "" && delimiter[0] >= 0x80 {
		return nil, fmt.Errorf("delimiter: want one ASCII character that is no quote, got %q", delimiter)
	}
	if delimiter != "" {
		c.delimiter = delimiter[0]
	}
	if maxRow < minRow || maxRow > topRow {
		return nil, fmt.Errorf("max_row_bytes: want %d to %d, got %d", minRow, topRow, maxRow)
	}
	if strings.ContainsAny(run, "/\\\x00") || len(run) > 64 {
		return nil, fmt.Errorf("run: want at most 64 characters without a slash, got %q", run)
	}
	var err error
	if c.speed, err = parseSpeed(speed); err != nil {
		return nil, err
	}
	if c.mapping, err = parseMapping(pc); err != nil {
		return nil, err
	}
	if c.kafka, err = parseKafka(pc.Namespace("kafka")); err != nil {
		return nil, fmt.Errorf("kafka.%w", err)
	}
	return c, nil
}

// list takes apart entries that are themselves lists.
func list(entries []string) (out []string) {
	for _, entry := range strings.Split(strings.Join(entries, ","), ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			out = append(out, entry)
		}
	}
	return out
}

func parseSpeed(text string) (float64, error) {
	if text == "as_is" {
		return 0, nil
	}
	number, ok := strings.CutSuffix(text, "x")
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || math.IsNaN(v) || v < 0.001 || v > maxSpeed {
		return 0, fmt.Errorf("speed: want as_is, or 0.001x to %dx such as 60x, got %q", maxSpeed, text)
	}
	return v, nil
}

func parseKafka(pc *service.ParsedConfig) (*kafkaConfig, error) {
	brokers, errBrokers := pc.FieldStringList("brokers")
	topic, errTopic := pc.FieldString("topic")
	settle, errSettle := pc.FieldDuration("settle")
	conf, enabled, errTLS := pc.FieldTLSToggled("tls")
	mechanism, errMechanism := pc.FieldString("sasl", "mechanism")
	user, errUser := pc.FieldString("sasl", "user")
	password, errPassword := pc.FieldString("sasl", "password")
	if err := errors.Join(errBrokers, errTopic, errSettle, errTLS, errMechanism, errUser, errPassword); err != nil {
		return nil, err
	}
	if len(brokers) == 0 && topic == "" {
		return nil, nil // an object that is left out has its fields' defaults
	}
	brokers, err := connect.Addresses(brokers...)
	if err != nil {
		return nil, fmt.Errorf("brokers: %w", err)
	}
	if topic == "" {
		return nil, errors.New("topic: want a name, got none")
	}
	if settle < 0 {
		return nil, fmt.Errorf("settle: want 0s or more, got %s", settle)
	}
	opts := []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.ClientID("clickstream"), kgo.DisableClientMetrics()}
	if enabled {
		opts = append(opts, kgo.DialTLSConfig(conf))
	}
	switch login := (scram.Auth{User: user, Pass: password}); mechanism {
	case "none":
	case "PLAIN":
		opts = append(opts, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
	case "SCRAM-SHA-256":
		opts = append(opts, kgo.SASL(login.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		opts = append(opts, kgo.SASL(login.AsSha512Mechanism()))
	default:
		return nil, fmt.Errorf("sasl.mechanism: want none, PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, got %q", mechanism)
	}
	return &kafkaConfig{topic: topic, opts: opts, settle: settle}, kgo.ValidateOpts(opts...)
}

// markerPath is where the marker lies.
func (c *config) markerPath(first file) string {
	if c.marker != "" {
		return c.marker
	}
	parts := slices.DeleteFunc([]string{first.Name, c.run, c.topic(), "replay.json"}, func(s string) bool { return s == "" })
	return filepath.Clean(strings.Join(parts, "."))
}

// names are the names of the event types.
func names() map[string]event.Type {
	out := map[string]event.Type{}
	for t := event.PageView; t <= event.RemoveFromCart; t++ {
		out[t.String()] = t
	}
	return out
}
