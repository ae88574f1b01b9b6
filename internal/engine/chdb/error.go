package chdb

import (
	"regexp"
	"strconv"
	"strings"
)

// UnknownException is the code of an error that is not the engine's own
// (ErrorCodes::UNKNOWN_EXCEPTION).
const UnknownException = 1002

// Error is an exception as ClickHouse clients know them.
type Error struct {
	// Code is a number of ClickHouse's ErrorCodes.
	Code int
	// Text reads "Code: 60. DB::Exception: Table .. does not exist. (UNKNOWN_TABLE)".
	Text string
}

// Error returns Text.
func (e *Error) Error() string { return e.Text }

// NewError makes an exception in the engine's own words: name is the code's name
// in ErrorCodes.
func NewError(code int, name, message string) *Error {
	return &Error{Code: code, Text: "Code: " + strconv.Itoa(code) + ". DB::Exception: " + message + ". (" + name + ")"}
}

var codePattern = regexp.MustCompile(`Code:\s*(\d+)\.`)

// parseError reads the code out of an exception's text; nil for an empty text.
func parseError(text string) error {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	e := &Error{Code: UnknownException, Text: text}
	if m := codePattern.FindStringSubmatch(text); m != nil {
		e.Code, _ = strconv.Atoi(m[1])
	}
	return e
}
