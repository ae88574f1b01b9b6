package page

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the lists of docs/dashboards.md anew")

const (
	documentation = "../../docs/dashboards.md"
	beginLists    = "<!-- lists: go test ./internal/page -run TestDocumentation -update -->\n"
	endLists      = "<!-- end of lists -->\n"
)

// TestDocumentation: docs/dashboards.md lists what the code knows, no more and no less.
func TestDocumentation(t *testing.T) {
	raw, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(raw), beginLists)
	got, after, closed := strings.Cut(rest, endLists)
	if !found || !closed {
		t.Fatalf("%s has no place for the lists", documentation)
	}
	want := lists()
	if *update {
		if err := os.WriteFile(documentation, []byte(before+beginLists+want+endLists+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s is not what the code knows: go test ./internal/page -run TestDocumentation -update", documentation)
	}
}

// lists writes the tables of supported.go and its neighbours.
func lists() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### Panel types\n\n")
	for _, name := range slices.Sorted(maps.Keys(panelTypes)) {
		kind := panelTypes[name]
		fmt.Fprintf(&b, "**%s**: %s\n\n", name, kind.about)
		options(&b, "option", kind.options)
		options(&b, "under `fieldConfig.defaults.custom`", kind.custom)
	}
	fmt.Fprintf(&b, "### Field settings, in defaults and overrides\n\n")
	options(&b, "setting", without(fieldProperties, "unit"))
	fmt.Fprintf(&b, "Units: %s.\n\n", code(slices.Sorted(maps.Keys(units))))
	fmt.Fprintf(&b, "Calculations: %s.\n\n", code(calcs))
	fmt.Fprintf(&b, "Overrides choose fields by\n\n")
	about(&b, matchers)
	fmt.Fprintf(&b, "### Variables\n\n")
	about(&b, variableTypes)
	fmt.Fprintf(&b, "### Transformations\n\n%s.\n\n", code(slices.Sorted(maps.Keys(transformations))))
	names := slices.Sorted(maps.Keys(macroTable))
	names = append(names, "interval", "interval_ms", "conditionalAll")
	for i := range names {
		names[i] = "$__" + names[i]
	}
	fmt.Fprintf(&b, "### Macros\n\n%s.\n\n", code(names))
	return b.String()
}

// options writes a table of what is drawn.
func options(b *strings.Builder, head string, known map[string]values) {
	if len(known) == 0 {
		return
	}
	fmt.Fprintf(b, "| %s | drawn |\n|---|---|\n", head)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		text := "any value"
		if v := known[name]; v != nil {
			text = code(v)
		}
		switch v := known[name]; {
		case slices.Contains(v, noEffect):
			text = "taken, without effect"
		case v != nil && len(v) == 0:
			text = "none"
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", name, text)
	}
	b.WriteString("\n")
}

func about(b *strings.Builder, known map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(known)) {
		fmt.Fprintf(b, "- `%s`: %s\n", name, known[name])
	}
	b.WriteString("\n")
}

func without(known map[string]values, name string) map[string]values {
	out := maps.Clone(known)
	delete(out, name)
	return out
}

func code(names []string) string {
	var out []string
	for _, n := range names {
		if n == "" {
			n = " "
		}
		out = append(out, "`"+n+"`")
	}
	return strings.Join(out, ", ")
}
