package clickhouse

import "strings"

// escapes are what the server resolves inside backticks.
var escapes = strings.NewReplacer("\\", "\\\\", "`", "\\`", "\n", "\\n", "\r", "\\r", "\t", "\\t", "\x00", "\\0")

// quote makes an identifier of any name; FuzzQuote holds it against the engine.
func quote(name string) string { return "`" + escapes.Replace(name) + "`" }

// quoteText makes a literal of any text.
func quoteText(s string) string {
	return "'" + strings.ReplaceAll(escapes.Replace(s), "'", "\\'") + "'"
}
