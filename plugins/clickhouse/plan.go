package clickhouse

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"clickstream/internal/event"
)

// source says where a column's value comes from.
type source uint8

const (
	fromField source = iota
	fromReason
	fromRejectedField
	fromMessage
	fromValue
	fromKey
	fromTopic
	fromTime
	fromStream
	fromPartition
	fromOffset
	fromOwner
)

// sources are the keys of the field `columns` that are not JSON fields.
var sources = map[string]source{
	"@reason": fromReason, "@field": fromRejectedField, "@message": fromMessage, "@value": fromValue, "@key": fromKey,
	"@topic": fromTopic, "@time": fromTime, "@stream": fromStream, "@partition": fromPartition, "@offset": fromOffset,
	ownerSource: fromOwner,
}

// ownerSource fills _owner; it is not for the field `columns`.
const ownerSource = "@owner"

// coordinates are the columns that the field `coordinates` fills.
var coordinates = map[string]string{
	"@time": "received_at", "@stream": "_stream", "@partition": "_partition", "@offset": "_offset",
}

// binding ties one column of the table to what fills it.
type binding struct {
	columnType
	column string
	field  string // the JSON field or @source, for messages
	from   source
	slot   int // of a JSON field: which of the plan's fields
}

// plan is how a message becomes a row of the table as it is now.
type plan struct {
	bindings []binding
	fields   []string // JSON fields, in the order in which the row's columns need them
	query    string
	letters  bool // a column takes why another output refused the message
	once     bool // rows are told apart by coordinate and owner
}

// tableColumn is a row of system.columns.
type tableColumn struct {
	name, typ, defaultKind string
}

// insertable columns can stand in an INSERT at all.
func (c tableColumn) insertable() bool {
	return c.defaultKind != "MATERIALIZED" && c.defaultKind != "ALIAS"
}

// newPlan maps fields to the table's columns, or says which column is missing,
// cannot be stored, or would stay empty.
func newPlan(c *config, columns []tableColumn) (*plan, error) {
	wanted := c.mapping(columns)
	if err := c.allThere(wanted, columns); err != nil {
		return nil, err
	}
	p := &plan{}
	for _, column := range columns {
		field, ok := wanted[column.name]
		if !ok {
			if err := c.mayStayEmpty(column); err != nil {
				return nil, err
			}
			continue
		}
		b, err := c.bind(field, column)
		if err != nil {
			return nil, err
		}
		switch b.from {
		case fromField:
			b.slot = p.field(field)
		case fromReason, fromRejectedField, fromMessage:
			p.letters = true
		}
		p.bindings = append(p.bindings, b)
	}
	for field := range c.limits {
		if !slices.Contains(p.fields, field) {
			return nil, fmt.Errorf("limits: no column of %s takes field %s", c.target(), field)
		}
	}
	if len(p.bindings) == 0 {
		return nil, fmt.Errorf("table %s has no column to fill", c.target())
	}
	p.once = c.exactlyOnce
	p.query = insertQuery(c, p.bindings)
	return p, nil
}

// allThere refuses a field whose column the table does not have.
func (c *config) allThere(wanted map[string]string, columns []tableColumn) error {
	for _, column := range slices.Sorted(maps.Keys(wanted)) {
		if !slices.ContainsFunc(columns, func(c tableColumn) bool { return c.name == column }) {
			return fmt.Errorf("table %s has no column %s, which field %s wants (columns: %s)", c.target(), column, wanted[column], names(columns))
		}
	}
	return nil
}

func (p *plan) field(name string) int {
	if i := slices.Index(p.fields, name); i >= 0 {
		return i
	}
	p.fields = append(p.fields, name)
	return len(p.fields) - 1
}

// mapping returns for each column the field that fills it. Without `columns` each
// column without a default expression takes the field of its own name.
func (c *config) mapping(columns []tableColumn) map[string]string {
	wanted := map[string]string{}
	for field, column := range c.columns {
		wanted[column] = field
	}
	if len(c.columns) == 0 {
		for _, column := range columns {
			if column.defaultKind == "" {
				wanted[column.name] = column.name
			}
		}
	}
	if c.coordinates {
		for field, column := range coordinates {
			wanted[column] = field
		}
	}
	if c.exactlyOnce {
		wanted["_owner"] = ownerSource
	}
	return wanted
}

// mayStayEmpty refuses a column that nothing fills: the server would store zeros
// without a word. A default expression or Nullable says that empty is meant.
func (c *config) mayStayEmpty(column tableColumn) error {
	if column.defaultKind != "" || strings.Contains(column.typ, "Nullable(") {
		return nil
	}
	return fmt.Errorf("column %s of %s has no default, and no field fills it: add it to `columns`, or give it a default", column.name, c.target())
}

func (c *config) bind(field string, column tableColumn) (b binding, err error) {
	fail := func(err error) (binding, error) {
		return b, fmt.Errorf("field %s cannot fill column %s of %s: %w", field, column.name, c.target(), err)
	}
	if !column.insertable() {
		return fail(fmt.Errorf("the server computes it (%s)", column.defaultKind))
	}
	b = binding{column: column.name, field: field, from: sources[field]}
	if b.columnType, err = parseType(column.typ); err != nil {
		return fail(err)
	}
	if want := b.unfit(); want != "" {
		return fail(fmt.Errorf("want %s, got %s", want, column.typ))
	}
	if l, ok := c.limits[field]; ok {
		if err := b.limit(l); err != nil {
			return fail(fmt.Errorf("limits: %w", err))
		}
	}
	return b, nil
}

// limit makes the column refuse what lies outside.
func (b *binding) limit(l texts) error {
	if l.maxBytes == 0 {
		return b.convert.bound(l.min, l.max)
	}
	if b.base != "String" {
		return fmt.Errorf("max_bytes is for texts, type %s has a length of its own", b.name)
	}
	b.convert = text{l.maxBytes}
	return nil
}

// unfit names the type that a record's source needs, if the column has another.
func (b *binding) unfit() (want string) {
	switch b.from {
	case fromField:
	case fromStream, fromPartition, fromOffset, fromOwner:
		want = wholeTypes[b.from]
		if b.base == want {
			return ""
		}
	case fromTime:
		if _, ok := b.convert.(moments); !ok {
			return "DateTime or DateTime64"
		}
		return ""
	default:
		if _, ok := b.convert.(text); !ok {
			return "String or LowCardinality(String)"
		}
		return ""
	}
	return want
}

// wholeTypes hold every stream, partition and offset: narrower ones would wrap.
var wholeTypes = map[source]string{fromStream: "UInt64", fromPartition: "Int32", fromOffset: "Int64", fromOwner: "UInt64"}

func names(columns []tableColumn) string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = c.name
	}
	return strings.Join(all, ", ")
}

// insertQuery names every column, so that the table's order does not matter.
func insertQuery(c *config, bindings []binding) string {
	quotedNames := make([]string, len(bindings))
	for i, b := range bindings {
		quotedNames[i] = quote(b.column)
	}
	return "INSERT INTO " + c.quotedTable() + " (" + strings.Join(quotedNames, ", ") + ")"
}

// instant is a record's time as the converters take it.
func instant(at *event.Coordinate) event.Instant {
	return event.Instant{Seconds: at.Time.Unix(), Nanos: int32(at.Time.Nanosecond())}
}
