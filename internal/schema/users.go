package schema

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"clickstream/config"
)

// User is one of the server that may do no more than its work.
type User struct {
	Name, Password string
}

// role is what a user is for: a file of config/clickhouse, and what it lets do.
type role struct {
	file, what string
}

var (
	writer = role{"user_writer.sql", "stores rows"}
	reader = role{"user_reader.sql", "only reads"}
)

// makeUser makes a user of a role, or gives it this password and its rights anew.
// Without a password there is no such user to be made: the server may have its own.
func makeUser(ctx context.Context, conn driver.Conn, database string, u User, r role) (said string, err error) {
	if u.Password == "" {
		return "", nil
	}
	statements, err := userStatements(database, u, r)
	if err != nil {
		return "", err
	}
	for i, statement := range statements {
		if err := conn.Exec(ctx, statement); err != nil {
			return "", fmt.Errorf("%s: statement %d: %w%s", r.file, i+1, err, nextUser)
		}
	}
	return "user " + u.Name + ": " + r.what, nil
}

const nextUser = "; run init as a user with access management, or leave out the users' passwords and make the users yourself"

// userStatements are those of a role's file. The server gets the password as a salted
// hash, so that no log of queries has it.
func userStatements(database string, u User, r role) ([]string, error) {
	text, err := fs.ReadFile(config.ClickHouse(), r.file)
	if err != nil {
		return nil, err
	}
	salt := rand.Text()
	sum := sha256.Sum256([]byte(u.Password + salt))
	statements := split(string(text))
	for i := range statements {
		statements[i] = fill(statements[i], "{user}", quote(u.Name), "{profile}", quote(u.Name), "{database}", quote(database),
			"{hash}", "'"+hex.EncodeToString(sum[:])+"'", "{salt}", "'"+salt+"'")
	}
	return statements, nil
}
