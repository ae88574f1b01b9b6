package clickhouse

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// class is what an insert's failure asks for.
type class uint8

const (
	// again: the same rows, after a pause. Every failure that nothing else is known of.
	again class = iota
	// smaller: the same rows in smaller inserts (memory, time).
	smaller
	// rarer: the same rows, and larger and rarer inserts from then on (too many parts).
	rarer
	// rows: some of the rows are at fault; the insert is cut in halves until they stand alone.
	rows
	// stuck: no retry mends it (credentials, a missing table). At the start it stops the process.
	stuck
	// drift: the table's columns are not those that the rows were built for.
	drift
)

var classNames = [...]string{"again", "smaller", "rarer", "rows", "stuck", "drift"}

// String is the value of the metric label class.
func (c class) String() string { return classNames[c] }

// codes are the server's error codes (src/Common/ErrorCodes.cpp); one that is not
// listed is retried.
var codes = map[int32]struct {
	class class
	name  string
}{
	6:   {rows, "CANNOT_PARSE_TEXT"},
	27:  {rows, "CANNOT_PARSE_INPUT_ASSERTION_FAILED"},
	38:  {rows, "CANNOT_PARSE_DATE"},
	41:  {rows, "CANNOT_PARSE_DATETIME"},
	53:  {rows, "TYPE_MISMATCH"},
	69:  {rows, "ARGUMENT_OUT_OF_BOUND"},
	70:  {rows, "CANNOT_CONVERT_TYPE"},
	72:  {rows, "CANNOT_PARSE_NUMBER"},
	117: {rows, "INCORRECT_DATA"},
	131: {rows, "TOO_LARGE_STRING_SIZE"},
	321: {rows, "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE"},
	349: {rows, "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN"},
	469: {rows, "VIOLATED_CONSTRAINT"},

	159: {smaller, "TIMEOUT_EXCEEDED"},
	241: {smaller, "MEMORY_LIMIT_EXCEEDED"},
	252: {rarer, "TOO_MANY_PARTS"},

	16:  {stuck, "NO_SUCH_COLUMN_IN_TABLE"},
	44:  {stuck, "ILLEGAL_COLUMN"},
	47:  {stuck, "UNKNOWN_IDENTIFIER"},
	60:  {stuck, "UNKNOWN_TABLE"},
	62:  {stuck, "SYNTAX_ERROR"},
	81:  {stuck, "UNKNOWN_DATABASE"},
	115: {stuck, "UNKNOWN_SETTING"},
	164: {stuck, "READONLY"},
	192: {stuck, "UNKNOWN_USER"},
	193: {stuck, "WRONG_PASSWORD"},
	194: {stuck, "REQUIRED_PASSWORD"},
	195: {stuck, "IP_ADDRESS_NOT_ALLOWED"},
	497: {stuck, "ACCESS_DENIED"},
	516: {stuck, "AUTHENTICATION_FAILED"},

	202: {again, "TOO_MANY_SIMULTANEOUS_QUERIES"},
	209: {again, "SOCKET_TIMEOUT"},
	210: {again, "NETWORK_ERROR"},
	242: {again, "TABLE_IS_READ_ONLY"},
	243: {again, "NOT_ENOUGH_SPACE"},
	279: {again, "ALL_CONNECTION_TRIES_FAILED"},
	285: {again, "TOO_FEW_LIVE_REPLICAS"},
	319: {again, "UNKNOWN_STATUS_OF_INSERT"},
	425: {again, "SYSTEM_ERROR"},
	999: {again, "KEEPER_EXCEPTION"},
}

// errDrift says that the server's columns differ from the plan's.
var errDrift = errors.New("the table's columns have changed")

// schemaError is a table that does not fit the configuration.
type schemaError struct{ error }

// classify says what err asks for.
func classify(err error) class {
	var exception *driver.Exception
	var schema schemaError
	switch {
	case notOwner(err):
		return stuck
	case errors.As(err, &exception):
		return codes[exception.Code].class
	case errors.Is(err, errDrift):
		return drift
	case errors.As(err, &schema), untrusted(err):
		return stuck
	case timeout(err):
		return smaller
	}
	return again
}

func timeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &network) && network.Timeout()
}

// network reports whether the connection is at fault rather than what was said on it.
func network(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// untrusted reports whether TLS refused the server, which stays so until someone
// changes a file or a name.
func untrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var header tls.RecordHeaderError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &header)
}

// rowError is the text of a rejection for a row that the server refused by itself.
// The server's own words may quote the row, so they are left out.
func rowError(err error) string {
	var exception *driver.Exception
	errors.As(err, &exception)
	if exception.Code == 469 {
		return "the row violates a constraint of the table (code 469)"
	}
	return fmt.Sprintf("the server refuses the row (code %d %s)", exception.Code, codes[exception.Code].name)
}

// explain is err for an operator: where, what, and what to do next.
func (c *config) explain(err error) error {
	return fmt.Errorf("clickhouse %s: %w", strings.Join(c.addresses, ","), c.cause(err))
}

func (c *config) cause(err error) error {
	var exception *driver.Exception
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &exception):
		return c.serverCause(exception)
	case errors.As(err, &header):
		return fmt.Errorf("the server does not speak TLS on this port: switch `tls` off, or use the port for TLS (%w)", err)
	case untrusted(err):
		return fmt.Errorf("%w: set `tls.root_cas_file` to the authority that signed the certificate, or connect by a name that it holds", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: is ClickHouse running? (`clickstream engine` starts one)", err)
	case timeout(err) && strings.Contains(err.Error(), "handshake:"): // the driver says so
		return fmt.Errorf("%w: it does not answer (if it keeps so: does this port speak %s?)", err, c.speaks())
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the server closed the connection (if it keeps doing so: does this port speak %s?)", err, c.speaks())
	}
	return err
}

// speaks names what is spoken on the wire.
func (c *config) speaks() string {
	name := "the native protocol"
	if c.http {
		name = "HTTP"
	}
	if c.tls != nil {
		name += " over TLS"
	}
	return name
}

func (c *config) serverCause(e *driver.Exception) error {
	known := codes[e.Code]
	switch e.Code {
	case 469:
		if notOwner(e) {
			return fmt.Errorf("the constraint %s of %s refuses rows without an owner (code 469): set `exactly_once: true`, or use a table without it", ownerConstraint, c.target())
		}
	case 192, 193, 194, 516:
		return fmt.Errorf("password rejected for user %q (code %d): set CLICKHOUSE_PASSWORD or CLICKHOUSE_PASSWORD_FILE", c.username, e.Code)
	case 195:
		return fmt.Errorf("user %q may not connect from this address (code 195): allow the host in the server's users", c.username)
	case 497:
		return fmt.Errorf("user %q lacks a right on %s (code 497): grant it INSERT and SELECT on the table", c.username, c.target())
	case 81:
		return fmt.Errorf("unknown database %q (code 81): run `clickstream init`, or set CLICKHOUSE_DATABASE", c.database)
	case 60:
		return fmt.Errorf("unknown table %s (code 60): run `clickstream init`, or create it", c.target())
	case 164:
		return fmt.Errorf("user %q is read-only (code 164): use a user that may insert", c.username)
	}
	if known.name == "" || known.class == rows { // its words may quote a row
		return fmt.Errorf("code %d %s", e.Code, known.name)
	}
	return fmt.Errorf("code %d %s: %s", e.Code, known.name, firstLine(e.Message))
}

// firstLine keeps a server's message to the part that a log line can hold.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	return s
}

// errConnecting is an output's health until its server has answered once.
var errConnecting = errors.New("not connected yet")
