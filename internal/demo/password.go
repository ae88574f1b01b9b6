package demo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
)

// passwordName is the file in the run folder by which the children get the engine's
// password: others on the machine see arguments, and its user's programs environments.
const passwordName = "clickhouse-password"

// headersName is the file for `curl -H @FILE`.
const headersName = "clickhouse-headers"

// settlePassword settles what clients of ClickHouse must give: what the environment
// says, or one that is drawn once for a data folder. It goes to the children as a file.
func (p *plan) settlePassword() error {
	password := p.Env("CLICKHOUSE_PASSWORD")
	if p.Password && password == "" {
		if !p.ownClickHouse {
			return errors.New("--password draws one for an engine of the demo's own, CLICKHOUSE_ADDR names another: set its CLICKHOUSE_PASSWORD")
		}
		drawn, err := p.drawnPassword()
		if err != nil {
			return fmt.Errorf("password: %w", err)
		}
		password = drawn
	}
	if strings.ContainsAny(password, "\r\n\x00") {
		return errors.New("CLICKHOUSE_PASSWORD: want one line, got a line break or a zero byte, which no HTTP header can carry")
	}
	p.login.password = password
	if password == "" {
		return nil
	}
	path, err := p.folder.write(passwordName, password+"\n")
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	p.loginFile, err = p.folder.write(headersName, "X-ClickHouse-User: "+p.login.user+"\nX-ClickHouse-Key: "+password+"\n")
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	return errors.Join(os.Unsetenv("CLICKHOUSE_PASSWORD"), os.Setenv("CLICKHOUSE_PASSWORD_FILE", path))
}

// drawnPassword is the one of the demo before, so that what a user has set up with it
// goes on, or a new one.
func (p *plan) drawnPassword() (string, error) {
	text, err := os.ReadFile(p.folder.run(passwordName))
	if err := ignoreMissing(err); err != nil {
		return "", err
	}
	if kept := strings.TrimSpace(string(text)); kept != "" {
		return kept, nil
	}
	return rand.Text(), nil
}
