package corpus

import (
	"reflect"
	"testing"
)

func TestParse(t *testing.T) {
	for entry, want := range map[string][]any{
		`string("a\nb")`:                     {"a\nb"},
		"string(\"\")\n[]byte(\"\\xff)(\")":  {"", []byte("\xff)(")},
		"[]byte(\"`\")\nstring(\"\\u2028\")": {[]byte("`"), "\u2028"},
	} {
		if got, err := Parse(entry); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %q, %v\nwant %q", entry, got, err, want)
		}
	}
	for _, entry := range []string{"int(3)", `string("a`, "string(a)", "nothing"} {
		if got, err := Parse(entry); err == nil {
			t.Errorf("%s: got %q, want an error", entry, got)
		}
	}
}

func TestSplitAndJoin(t *testing.T) {
	want := []string{`string("a")`, "string(\"b\")\n[]byte(\"\\n\\n\")"}
	if got := Split(Join(want)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Split(Join(nil)); len(got) != 0 {
		t.Errorf("got %q of nothing", got)
	}
}
