package statement_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"clickstream/internal/corpus"
	"clickstream/internal/engine/enginetest"
	"clickstream/internal/engine/statement"
)

// tokens asks for the kinds: the engine's token types as this package sees them; the others are
// punctuation, and white space and comments are nothing.
const tokens = `SELECT arrayStringConcat(arrayMap(t -> concat(multiIf(
	t.3 = 'BareWord', 'w', t.3 IN ('StringLiteral', 'HereDoc', 'ErrorSingleQuoteIsNotClosed'), 's',
	t.3 IN ('QuotedIdentifier', 'ErrorDoubleQuoteIsNotClosed', 'ErrorBackQuoteIsNotClosed'), 'q',
	t.3 IN ('Number', 'ErrorWrongNumber'), 'n', 'p'), ' ', toString(t.1), ' ', toString(t.2)),
	arrayFilter(t -> t.3 NOT IN ('Whitespace', 'Comment', 'ErrorMultilineCommentIsNotClosed', 'EndOfStream'), tokenizeQuery(unhex('`

// engineTokens asks the engine's own lexer.
func engineTokens(t testing.TB, s enginetest.Server, sql string) []string {
	t.Helper()
	question := tokens + hex.EncodeToString([]byte(sql)) + "')))), '\\n') FORMAT TSVRaw"
	response, err := http.Post("http://"+s.HTTP+"/?max_query_size=100000000", "text/plain", strings.NewReader(question))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%q: %s, %v", sql, body, err)
	}
	return strings.FieldsFunc(string(body), func(r rune) bool { return r == '\n' })
}

// sameTokens holds the scanner against the lexer of the engine.
func sameTokens(t testing.TB, s enginetest.Server, sql string) {
	t.Helper()
	got, want := statement.Tokens(sql), engineTokens(t, s, sql)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("token %d of %.200q\n got %q\nwant %q", i, sql, first(got[min(i, len(got)):]), first(want[min(i, len(want)):]))
		}
		if strings.HasSuffix(want[i], " "+strconv.Itoa(len(sql))) {
			return // of a literal that is not closed the engine looks at some bytes twice, and refuses
		}
	}
}

// TestUnicodeTokens: every character of up to three bytes is to us what it is to the
// engine, white space above all.
func TestUnicodeTokens(t *testing.T) {
	s := enginetest.Start(t)
	for from := rune(0); from < 0x10000; from += 0x1000 {
		var sql strings.Builder
		for r := from; r < from+0x1000; r++ {
			if utf8.ValidRune(r) && !strings.ContainsRune("'\"`#-/$‘“", r) { // these begin what they do not end
				sql.WriteString("a" + string(r) + "b ")
			}
		}
		sameTokens(t, s, sql.String())
	}
}

// FuzzTokens: the scanner cuts any text where the engine does.
func FuzzTokens(f *testing.F) {
	corpus.Add(f)
	s := enginetest.Start(f)
	f.Fuzz(func(t *testing.T, sql string) { sameTokens(t, s, sql) })
}

// first is enough to see a difference.
func first(tokens []string) []string { return tokens[:min(5, len(tokens))] }
