package deadletters

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clickstream/internal/event"
)

var update = flag.Bool("update", false, "write the list of reasons into docs/dead-letters.md")

const page = "../../docs/dead-letters.md"

// TestReasonsDocumented: the page holds the closed list as the source has it.
// `go test ./internal/deadletters -run Documented -update` writes it.
func TestReasonsDocumented(t *testing.T) {
	const begin, end = "<!-- reasons: printed from internal/event/rejection.go -->\n", "<!-- end of reasons -->\n"
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(raw), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks around its list of reasons", page)
	}
	var want strings.Builder
	want.WriteString("| reason | meaning |\n|---|---|\n")
	for _, m := range event.Reasons() {
		want.WriteString("| `" + string(m.Reason) + "` | " + m.Meaning + " |\n")
	}
	if got == want.String() {
		return
	}
	if !*update {
		t.Fatalf("%s\n got %s\nwant %s", page, got, want.String())
	}
	if err := os.WriteFile(page, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestReasonsClosed: every constant of the type is in the list, and known.
func TestReasonsClosed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../event/rejection.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var constants []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Reason" {
				text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				constants = append(constants, text)
			}
			return false
		}
		return true
	})
	var listed []string
	for _, m := range event.Reasons() {
		listed = append(listed, string(m.Reason))
		if !m.Reason.Known() {
			t.Errorf("%s is listed and not known", m.Reason)
		}
	}
	if len(constants) == 0 || !slices.Equal(listed, constants) {
		t.Errorf("reasons\n got %v\nwant %v", listed, constants)
	}
}
