package event

import (
	"strings"
)

// Reason says in one word why a row cannot be stored. The list is closed: a
// dead letter carries one of these in its header, dashboards group by them.
type Reason string

// The reasons, in the order in which a row is checked.
const (
	// ReasonNoValue: the record has no value.
	ReasonNoValue Reason = "no_value"
	// ReasonJSON: the bytes are not one JSON object (syntax, encoding, nesting).
	ReasonJSON Reason = "malformed_json"
	// ReasonMissing: a field that the table needs is absent or null.
	ReasonMissing Reason = "missing_field"
	// ReasonType: the field's value has another type than its column.
	ReasonType Reason = "wrong_type"
	// ReasonValue: the type fits, the value is not one of those allowed.
	ReasonValue Reason = "unknown_value"
	// ReasonRange: the number or time lies outside what the column or its limits take.
	ReasonRange Reason = "out_of_range"
	// ReasonTime: the text is not a time.
	ReasonTime Reason = "bad_time"
	// ReasonOther: the row failed for a reason that was not ours, e.g. in a processor.
	ReasonOther Reason = "other"
)

// Rejection is why one row cannot be stored. It never holds the row's content:
// its text may be logged.
type Rejection struct {
	Reason Reason
	// Field is the name of the JSON field; empty when the whole row is at fault.
	Field string
	// Message says what was wanted and what came, in words.
	Message string
}

// Error returns "reason (field): message", the form that ParseRejection reads.
func (r *Rejection) Error() string {
	return string(r.Reason) + " (" + r.Field + "): " + r.Message
}

// ParseRejection takes the text of a Rejection apart again: Benthos hands an
// error from output to output as text (metadata key fallback_error). Text that is
// no Rejection's becomes the message of one with ReasonOther.
func ParseRejection(text string) Rejection {
	reason, rest, ok := strings.Cut(text, " (")
	field, message, ok2 := strings.Cut(rest, "): ")
	if !ok || !ok2 || !Reason(reason).Known() {
		return Rejection{Reason: ReasonOther, Message: text}
	}
	return Rejection{Reason: Reason(reason), Field: field, Message: message}
}

// Reasons is the closed list in the order in which a row is checked, and what each one
// means: docs/dead-letters.md is printed from it.
func Reasons() []ReasonMeaning {
	return []ReasonMeaning{
		{ReasonNoValue, "The record has no value (a tombstone) or an empty one."},
		{ReasonJSON, "The bytes are not one JSON object: syntax, encoding, or brackets nested too deep."},
		{ReasonMissing, "A field that the table needs is absent or null."},
		{ReasonType, "The field's value has another type than its column."},
		{ReasonValue, "The type fits, the value is not one of those allowed."},
		{ReasonRange, "The number or time lies outside what the column or its limits take."},
		{ReasonTime, "The text is not a time with a zone (RFC 3339)."},
		{ReasonOther, "The row failed for another reason, such as a processor of yours."},
	}
}

// ReasonMeaning is a reason and what it means, in a sentence.
type ReasonMeaning struct {
	Reason  Reason
	Meaning string
}

// Known reports whether the reason is one of the list.
func (r Reason) Known() bool {
	switch r {
	case ReasonNoValue, ReasonJSON, ReasonMissing, ReasonType, ReasonValue, ReasonRange, ReasonTime, ReasonOther:
		return true
	}
	return false
}
