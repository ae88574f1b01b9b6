package engine_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"clickstream/internal/engine/enginetest"
)

// knownFile lists what the engine can do, as far as it may lead outside; everything in
// it was looked at when docs/security.md was written.
const knownFile = "testdata/known.txt"

// inventory asks for the names of each kind.
var inventory = map[string]string{
	"table engines":     "SELECT name FROM system.table_engines",
	"database engines":  "SELECT name FROM system.database_engines",
	"table functions":   "SELECT name FROM system.table_functions",
	"functions":         "SELECT name FROM system.functions WHERE NOT is_aggregate AND alias_to = ''",
	"formats":           "SELECT name FROM system.formats",
	"dictionary layout": "SELECT name FROM system.dictionary_layouts",
	"dictionary source": "SELECT name FROM system.dictionary_sources",
	"disks":             "SELECT name FROM system.disk_types",
	"privileges":        "SELECT privilege FROM system.privileges",
	"settings": `SELECT name FROM system.settings WHERE type IN ('String', 'URI') OR name LIKE 'allow%' OR match(name,
		'path|url|file|command|script|schema|directory|disk|host|executable|credential|endpoint|python|dialect')`,
	"table settings": "SELECT name FROM system.merge_tree_settings WHERE type = 'String' OR match(name, 'disk|polic|path|url')",
}

// TestKnown: a new engine that can do something more does not get into a release before
// somebody has looked at it: is it shut, and by what? KNOWN=write takes the list anew.
func TestKnown(t *testing.T) {
	s := enginetest.Start(t)
	var now []string
	for kind, sql := range inventory {
		for name := range strings.Lines(s.Query(t, "", sql)) {
			now = append(now, kind+": "+strings.TrimSpace(name))
		}
	}
	slices.Sort(now)
	text := strings.Join(slices.Compact(now), "\n") + "\n"
	if os.Getenv("KNOWN") == "write" {
		if err := os.WriteFile(knownFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	known, err := os.ReadFile(knownFile)
	if err != nil {
		t.Fatal(err)
	}
	listed := strings.Split(string(known), "\n")
	var unknown []string
	for _, name := range now {
		if _, found := slices.BinarySearch(listed[:len(listed)-1], name); !found {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		t.Errorf("the engine can do what nobody has looked at:\n%s\nadd an attack to doors_test.go for each that leads outside, then KNOWN=write", strings.Join(unknown, "\n"))
	}
}
