package schema

import (
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ClickHouse's error codes that a person can act on (ErrorCodes.cpp).
const (
	codeNotEnoughRights  = 497
	codeReadOnly         = 164
	codeUnknownUser      = 192
	codeWrongPassword    = 193
	codeRequiredPassword = 194
	codeAuthentication   = 516
)

// explain adds what failed and, where a person can help, the next step.
func (u *upgrade) explain(what string, err error) error {
	var e *clickhouse.Exception
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", what, err)
	}
	next := ""
	switch {
	case refused(err):
		next = nextLogin
	case e.Code == codeNotEnoughRights:
		next = fmt.Sprintf("; grant the user CREATE, ALTER, INSERT and SELECT ON %s.*, or run init as a user who has them", quote(u.options.Database))
	case e.Code == codeReadOnly:
		next = "; run init as a user whose profile is not readonly"
	}
	return fmt.Errorf("%s: %w%s", what, err, next)
}

const nextLogin = "; check --user, and CLICKHOUSE_PASSWORD or CLICKHOUSE_PASSWORD_FILE"

// refused tells whether ClickHouse answered that it does not know this user or
// password: no wait mends that.
func refused(err error) bool {
	var e *clickhouse.Exception
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case codeUnknownUser, codeWrongPassword, codeRequiredPassword, codeAuthentication:
		return true
	}
	return false
}
