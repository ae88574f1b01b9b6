package simulator

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// maxFaults is how many errors a reader lists: a file that is wrong all over is
// probably another file.
const maxFaults = 20

// reader walks a YAML document by hand, since yaml.v3's own decoding knows a line
// but no column, and no field but the one it fails at. It goes on after an error,
// so that one look at the file mends it all.
type reader struct {
	name   string // of the file, for errors
	faults []error
	later  []func() // checks that need the whole document
}

// field reads the value of one field; path is its full name.
type field func(n *yaml.Node, path string)

// fault notes what is wrong at a node, and how to mend it.
func (r *reader) fault(n *yaml.Node, path, format string, args ...any) {
	if path != "" {
		path += ": "
	}
	r.faults = append(r.faults, fmt.Errorf("%s:%d:%d: %s%s", r.name, n.Line, n.Column, path, fmt.Sprintf(format, args...)))
}

func (r *reader) err() error {
	if len(r.faults) > maxFaults {
		return errors.Join(append(r.faults[:maxFaults:maxFaults], fmt.Errorf("%s: and %d more", r.name, len(r.faults)-maxFaults))...)
	}
	return errors.Join(r.faults...)
}

// mapping reads a node's fields. An unknown one is refused: what is ignored in
// silence is looked for the longest.
func (r *reader) mapping(n *yaml.Node, path string, fields map[string]field) {
	if n.Kind != yaml.MappingNode {
		r.fault(n, path, "want fields (%s), got %s", names(fields), kindOf(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		read, known := fields[key.Value]
		switch {
		case !known:
			r.fault(key, path, "no field %q here: %s", key.Value, suggest(key.Value, fields))
		case seen[key.Value]:
			r.fault(key, name, "given twice: remove one of the two")
		default:
			read(value, name)
		}
		seen[key.Value] = true
	}
}

// number returns a field that takes a number from low to high.
func (r *reader) number(into *float64, low, high float64) field {
	return func(n *yaml.Node, path string) {
		v, err := strconv.ParseFloat(n.Value, 64)
		if n.Kind != yaml.ScalarNode || err != nil || !(v >= low && v <= high) {
			r.fault(n, path, "want a number from %s to %s, got %s", short(low), short(high), kindOf(n))
			return
		}
		*into = v
	}
}

// whole returns a field that takes a whole number from low to high.
func (r *reader) whole(into *int, low, high int) field {
	return func(n *yaml.Node, path string) {
		v, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || v < low || v > high {
			r.fault(n, path, "want a whole number from %d to %d, got %s", low, high, kindOf(n))
			return
		}
		*into = v
	}
}

// span returns a field that takes a duration from low to high.
func (r *reader) span(into *time.Duration, low, high time.Duration) field {
	return func(n *yaml.Node, path string) {
		v, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || v < low || v > high {
			r.fault(n, path, "want a duration from %s to %s, like 90s or 10m, got %s", low, high, kindOf(n))
			return
		}
		*into = v
	}
}

// kindOf says what stands at a node, in the words of an error.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "fields"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias: write the value itself"
	case yaml.ScalarNode:
		if len(n.Value) > 40 {
			return "a long text"
		}
		return strconv.Quote(n.Value)
	}
	return "nothing"
}

func names(fields map[string]field) string {
	return strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
}

// suggest names the field that was probably meant, or all of them.
func suggest(got string, fields map[string]field) string {
	best, least := "", 3
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if d := distance(got, name); d < least {
			best, least = name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "want one of " + names(fields)
}

// distance is how many letters must be changed, added or removed to make b of a;
// it gives up at long texts, which nobody mistyped.
func distance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := row[0] // the field above and to the left
		row[0] = i + 1
		for j := range len(b) {
			change := above
			if a[i] != b[j] {
				change++
			}
			above = row[j+1]
			row[j+1] = min(change, row[j]+1, above+1)
		}
	}
	return row[len(b)]
}

// short writes a limit without needless digits.
func short(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
