package simulator

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/redpanda-data/benthos/v4/public/service"

	// Lint rules are Bloblang, parsed when this package starts: its methods must be
	// registered by then, and Go starts packages in the order of their imports.
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
)

// The limits of the fields. A million users fit in 30 MB; five million events/s is
// more than one core makes.
const (
	maxUsers = 1_000_000
	maxRate  = 5_000_000
	// maxCount is what a float64 holds exactly: 57 years of the highest rate.
	maxCount = 1 << 53
	// maxDrawnSeed keeps a drawn seed short enough to be typed.
	maxDrawnSeed = 999_999_999
)

// What the fields take, in the words of the errors.
const (
	wantUsers = "1 to 1000000 users"
	wantRate  = "0 to 5000000 whole events per second"
	wantCount = "0 to 9007199254740992 events"
)

type settings struct {
	users    int
	rate     int64 // events per second; 0 = as fast as the output takes them
	seed     int64 // 0 = draw one
	count    int64 // 0 = endless
	scenario *scenario
	rhythm   bool
	dirt     [dirtKinds]float64 // shares of the records
	ledger   string             // a file; empty = none
}

// spec is the only home of a field's name, unit, default and prose.
func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Stable().
		Version("0.1.0").
		Categories("Utility").
		Summary("Emits the events of simulated visitors of a web shop at a steady rate.").
		Description(`Visitors come as a Poisson process, look at products of Zipf popularity for times that follow a Weibull law, put some of
what they looked at into the cart, and buy the cart at the prices they saw or give it up, in the proportions of a real shop: of a hundred events
about 94 are page_view, 4.5 add_to_cart and 1.4 purchase. The shop is busy from the first event on. A user may have several visits at a time; all users show up
soon, and equally often. Campaigns, sales, outages and the rhythm of the week are a scenario: docs/simulator.md. Each message is one event:

`+"```json"+`
{"event_id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","event_type":"page_view","user_id":"user_0042","product_id":"prod_123","price":29.99,"timestamp":"2026-01-15T14:30:00.123Z"}
`+"```"+`

The rate is exact: what a stall delays is caught up at twice the rate at most. An event that is refused by the output is sent again until it
is taken: it may arrive twice, under one event_id, and after later events of its user. With a count, the input ends the pipeline after the last acknowledgement.

Metrics: `+"`clickstream_simulator_events_total`"+` (by type), `+"`clickstream_simulator_resent_events_total`"+`, `+"`clickstream_simulator_dirt_total`"+` (by kind), and
`+"`clickstream_simulator_behind_seconds`"+`: how late the next event is.`).
		Fields(
			service.NewIntField("users").Default(500).
				Description("How many users visit the shop, from 1 to 1000000. Their ids are user_0001 and so on, with as many digits as the number of users, and at least four.").
				LintRule(rangeRule("users", wantUsers, 1, maxUsers)),
			// A float field, because Benthos would cut 0.5 down to 0, the fastest of all.
			service.NewFloatField("rate").Default(100).
				Description("Events per second, a whole number from 1 to 5000000; 0 is as fast as the output takes them.").
				LintRule(rangeRule("rate", wantRate, 0, maxRate)),
			service.NewIntField("seed").Default(0).
				Description("Any whole number: the same seed shows the same visitors doing the same things. 0 draws one and logs it. Event ids differ from run to run unless `count` and `seed` are both set: then everything but the time repeats."),
			service.NewIntField("count").Default(0).
				Description("How many events to make; 0 is without end.").
				LintRule(rangeRule("count", wantCount, 0, maxCount)),
			service.NewStringField("scenario").Default("").
				Description("A YAML file that describes the shop (docs/simulator.md); empty is config/scenario.yaml, which is part of the binary."),
			service.NewStringEnumField("rhythm", "off", "on").Default("off").
				Description("`off`: the rate is the same at any hour. `on`: it is the mean of a scenario day, busier and quieter by hour, day and campaign as the scenario says."),
			dirtField(),
			service.NewStringField("ledger").Default("").
				Description("A file to write a line into for each record before it is sent (kind, event_id, hash of its bytes, what must become of it), and one when it is acknowledged: docs/simulator.md. It grows by about 100 bytes an event. Empty is none."),
		).
		Example("A thousand events, the same each time", "Prints them and exits.", `
input:
  clickstream_simulator:
    rate: 0
    seed: 7
    count: 1000

output:
  stdout: {}
`)
}

// dirtField is how much goes wrong, by kind.
func dirtField() *service.ConfigField {
	fields := []*service.ConfigField{
		service.NewFloatField("every").Default(0).
			Description("The share of each kind that has none of its own: 0.01 makes one record in a hundred of every kind.").
			LintRule(shareRule("every")),
	}
	for kind := resend; kind < dirtKinds; kind++ {
		fields = append(fields, service.NewFloatField(dirtNames[kind]).Optional().
			Description("The share of records that are "+dirtProse[kind]+".").
			LintRule(shareRule(dirtNames[kind])))
	}
	return service.NewObjectField("dirt", fields...).Advanced().
		Description("What trackers do wrong, as shares of all records from 0 to 1, together at most 1. They are made in the place of clean ones: rate and count hold for all records. docs/simulator.md says what must become of each kind.")
}

const wantShare = "a share from 0 to 1"

func shareRule(name string) string {
	return fmt.Sprintf(`root = if this.number() < 0 || this.number() > 1 { [ "dirt.%s: want %s, got " + this.number().string() ] }`, name, wantShare)
}

// parseDirt returns the share of each kind.
func parseDirt(pc *service.ParsedConfig) (shares [dirtKinds]float64, err error) {
	every, err := pc.FieldFloat("dirt", "every")
	if err != nil {
		return shares, err
	}
	errs := []error{shareInRange("every", every)}
	sum := 0.0
	for kind := resend; kind < dirtKinds; kind++ {
		shares[kind] = every
		if pc.Contains("dirt", dirtNames[kind]) {
			if shares[kind], err = pc.FieldFloat("dirt", dirtNames[kind]); err != nil {
				return shares, err
			}
			errs = append(errs, shareInRange(dirtNames[kind], shares[kind]))
		}
		sum += shares[kind]
	}
	if sum > 1+1e-9 {
		errs = append(errs, fmt.Errorf("dirt: want shares that are at most 1 together, got %g: lower some", sum))
	}
	return shares, errors.Join(errs...)
}

func shareInRange(name string, v float64) error {
	if v >= 0 && v <= 1 {
		return nil
	}
	return fmt.Errorf("dirt.%s: want %s, got %g", name, wantShare, v)
}

// rangeRule makes `clickstream lint` find what parse would refuse, in the same
// words; lint never makes a plugin.
func rangeRule(name, want string, low, high int64) string {
	return fmt.Sprintf(`let n = this.number()
let got = if $n == $n.floor() { $n.round() } else { $n }
root = if $n < %[3]d || $n > %[4]d || $n != $n.floor() { [ "%[1]s: want %[2]s, got " + $got.string() ] }`,
		name, want, low, high)
}

// parse returns a config whose every value is in range, or an error that names each
// field that is not.
func parse(pc *service.ParsedConfig) (settings, error) {
	users, errUsers := pc.FieldInt("users") // these errors name the field
	rate, errRate := pc.FieldFloat("rate")
	seed, errSeed := pc.FieldInt("seed")
	count, errCount := pc.FieldInt("count")
	path, errPath := pc.FieldString("scenario")
	rhythm, errRhythm := pc.FieldString("rhythm")
	ledger, errLedger := pc.FieldString("ledger")
	err := errors.Join(errUsers, errRate, errSeed, errCount, errPath, errRhythm, errLedger)
	if err == nil {
		err = errors.Join(
			inRange("users", wantUsers, float64(users), 1, maxUsers),
			inRange("rate", wantRate, rate, 0, maxRate),
			inRange("count", wantCount, float64(count), 0, maxCount),
		)
	}
	if err == nil && rhythm != "off" && rhythm != "on" {
		err = fmt.Errorf(`rhythm: want "off" or "on", got %q`, rhythm)
	}
	dirt, errDirt := parseDirt(pc)
	scenario, errScenario := readScenario(path)
	if err = errors.Join(err, errDirt, errScenario); err != nil {
		return settings{}, err
	}
	return settings{
		users: users, rate: int64(rate), seed: int64(seed), count: int64(count),
		scenario: scenario, rhythm: rhythm == "on", dirt: dirt, ledger: ledger,
	}, nil
}

// inRange returns an error unless n is a whole number from low to high.
func inRange(name, want string, n, low, high float64) error {
	if n >= low && n <= high && n == math.Trunc(n) {
		return nil
	}
	return fmt.Errorf("%s: want %s, got %s", name, want, strconv.FormatFloat(n, 'f', -1, 64))
}
