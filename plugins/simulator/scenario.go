package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"clickstream/config"
)

const (
	// maxScenario bounds the file: a scenario has some dozen lines.
	maxScenario = 1 << 20
	// maxProducts keeps the rebuilding of the odds, at the start and the end of a
	// campaign, below a millisecond.
	maxProducts = 10_000
	maxTimeline = 200
	// maxTimes bounds how often all of them happen in a week: two things each minute.
	maxTimes = 20_160
	// maxFactor lets a scenario year pass in an hour.
	maxFactor = 8766

	week = 7 * 24 * time.Hour
)

// scenario is a simulated shop: how its visitors behave and what happens when. Its
// fields are those of config/scenario.yaml, which has their prose.
type scenario struct {
	timeFactor float64 // scenario seconds in a second

	products int
	zipf     float64

	pageViews  float64 // mean of a session, at least 1
	dwellShape float64
	dwellScale time.Duration

	addToCart      float64 // of page views
	purchase       float64 // of what is in a cart when its session ends
	removeFromCart float64 // of additions

	hours [24]float64
	days  [7]float64 // from Monday

	timeline []happening
}

// readScenario returns the scenario of a file, or config/scenario.yaml if path is
// empty. Its error lists all that is wrong with the file, by line and column.
func readScenario(path string) (*scenario, error) {
	if path == "" {
		return parseScenario("config/scenario.yaml", config.Scenario())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("scenario: %w: give the path of a file like config/scenario.yaml, or leave the field empty", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxScenario+1))
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	return parseScenario(path, text)
}

// parseScenario reads a scenario. What a text leaves out has the value of
// config/scenario.yaml, except the timeline, which is empty then.
func parseScenario(name string, text []byte) (*scenario, error) {
	if len(text) > maxScenario {
		return nil, fmt.Errorf("%s: want at most %d bytes: is this a scenario?", name, maxScenario)
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err) // names the line
	}
	s := defaultScenario()
	if len(doc.Content) == 0 { // an empty file: all defaults
		return s, nil
	}
	r := &reader{name: name}
	r.mapping(doc.Content[0], "", s.fields(r))
	for _, check := range r.later {
		check()
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// defaultScenario has the values of config/scenario.yaml but for the timeline; a
// test holds the two together.
func defaultScenario() *scenario {
	return &scenario{
		timeFactor: 1,
		products:   200, zipf: 0.8,
		pageViews: 4.6, dwellShape: 0.8, dwellScale: 18 * time.Second,
		addToCart: 0.04766, purchase: 0.30273,
		hours: [24]float64{104, 75, 52, 36, 26, 22, 28, 40, 56, 75, 103, 125, 142, 151, 149, 145, 142, 139, 136, 134, 132, 134, 133, 123},
		days:  [7]float64{92, 89, 95, 105, 118, 101, 100},
	}
}

func (s *scenario) fields(r *reader) map[string]field {
	group := func(fields map[string]field) field {
		return func(n *yaml.Node, path string) { r.mapping(n, path, fields) }
	}
	return map[string]field{
		"time_factor": r.number(&s.timeFactor, 0.001, maxFactor),
		"catalog": group(map[string]field{
			"products": r.whole(&s.products, 2, maxProducts),
			"zipf":     r.number(&s.zipf, 0, 4),
		}),
		"sessions": group(map[string]field{
			"page_views": r.number(&s.pageViews, 1, 1000),
			"dwell": group(map[string]field{
				"shape": r.number(&s.dwellShape, 0.3, 10),
				"scale": r.span(&s.dwellScale, time.Millisecond, 24*time.Hour),
			}),
		}),
		"funnel": group(map[string]field{
			"add_to_cart":      r.number(&s.addToCart, 0, 1),
			"purchase":         r.number(&s.purchase, 0, 1),
			"remove_from_cart": r.number(&s.removeFromCart, 0, 1),
		}),
		"rhythm": group(map[string]field{
			"hours": s.readHours(r),
			"days":  s.readDays(r),
		}),
		"timeline": s.readTimeline(r),
	}
}

// maxWeight bounds how busy an hour or a day is against another.
const maxWeight = 1_000_000

func (s *scenario) readHours(r *reader) field {
	return func(n *yaml.Node, path string) {
		if n.Kind != yaml.SequenceNode || len(n.Content) != len(s.hours) {
			r.fault(n, path, "want a list of 24 numbers, from midnight on, got %s of %d", kindOf(n), len(n.Content))
			return
		}
		sum := 0.0
		for i, hour := range n.Content {
			r.number(&s.hours[i], 0, maxWeight)(hour, path+"["+strconv.Itoa(i)+"]")
			sum += s.hours[i]
		}
		if sum == 0 {
			r.fault(n, path, "want one hour above 0: a shop that nobody visits has no mean")
		}
	}
}

var dayNames = [7]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

func (s *scenario) readDays(r *reader) field {
	fields := map[string]field{}
	for i, name := range dayNames {
		fields[name] = r.number(&s.days[i], 0, maxWeight)
	}
	return func(n *yaml.Node, path string) {
		r.mapping(n, path, fields)
		for _, weight := range s.days {
			if weight > 0 {
				return
			}
		}
		r.fault(n, path, "want one day above 0: a shop that nobody visits has no mean")
	}
}

// parseAt reads "19:00", a time of every day, or "fri 19:00", of every week.
func parseAt(text string) (at, every time.Duration, ok bool) {
	every = 24 * time.Hour
	day, clock, weekly := strings.Cut(text, " ")
	if !weekly {
		clock = day
	} else {
		every, ok = week, false
		for i, name := range dayNames {
			if day == name {
				at, ok = time.Duration(i)*24*time.Hour, true
			}
		}
		if !ok {
			return 0, 0, false
		}
	}
	hours, minutes, ok := strings.Cut(clock, ":")
	h, err := strconv.Atoi(hours)
	m, err2 := strconv.Atoi(minutes)
	if !ok || err != nil || err2 != nil || len(hours) != 2 || len(minutes) != 2 || h < 0 || h > 23 || m < 0 || m > 59 {
		return 0, 0, false
	}
	return at + time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, every, true
}
