package engine

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"clickstream/internal/engine/chdb"
	"clickstream/internal/engine/fence"
	"clickstream/internal/engine/library"
	"clickstream/internal/process"
)

// loginEnv names the environment variable that holds the number of an inherited file
// descriptor: a pipe with the login in it. Behind the fence its file cannot be read, and
// the environment of a process is for all programs of its user to see.
const loginEnv = "CLICKSTREAM_ENGINE_LOGIN_FD"

// enclose shuts this process in before it loads the library: afterwards it reaches
// nothing but the data folder, whatever text the engine is given. On Linux the program
// begins anew for that, once, as the same process.
func enclose(c *Config, warn io.Writer) error {
	if !chdb.Built {
		return chdb.ErrNotBuilt
	}
	if !fence.Inside() {
		if err := enter(*c); err != nil {
			return err
		}
	} else if err := receiveLogin(c); err != nil {
		return fmt.Errorf("engine login: %w", err)
	}
	c.fence = fence.Close()
	if missing := unfenced(c.fence); missing != "" {
		fmt.Fprintf(warn, "clickstream: this system cannot keep the engine from %s: who may ask it can do that as you; set CLICKHOUSE_PASSWORD (docs/security.md)\n", missing)
	}
	return nil
}

func unfenced(s fence.State) string {
	var all []string
	if !s.Files {
		all = append(all, "other files of yours")
	}
	if !s.Calls {
		all = append(all, "programs and servers")
	}
	return strings.Join(all, " and ")
}

// enter returns nil where there is no fence, and says first what a start would fail at:
// behind it nobody could be told which process has the port.
func enter(c Config) error {
	lib, err := library.Find(c.Library)
	if err != nil {
		return err
	}
	data, err := vacant(c)
	if err != nil {
		return err
	}
	login, fd, err := sendLogin(c)
	if err != nil {
		return fmt.Errorf("engine login: %w", err)
	}
	defer login.Close()
	temporary := filepath.Join(data, "tmp") // for forms larger than memory
	if err := os.MkdirAll(temporary, 0o700); err != nil {
		return err
	}
	env := append(withoutSecrets(os.Environ()), loginEnv+"="+fd, "TMPDIR="+temporary)
	if err := fence.Enter(fence.Rules{Own: []string{data}, Read: library.Files(lib)}, env); err != nil {
		return fmt.Errorf("engine fence: %w", err)
	}
	return nil
}

// vacant looks whether addresses and folder are free, makes the folder and returns its
// path.
func vacant(c Config) (string, error) {
	for name, address := range map[string]string{"native": c.Native, "http": c.HTTP} {
		l, err := listen(name, address)
		if err != nil {
			return "", err
		}
		l.Close()
	}
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return "", err
	}
	unlock, err := process.LockDir(data)
	if err != nil {
		return "", err
	}
	return data, unlock()
}

// login is what passes through the pipe.
type login struct{ User, Password string }

// sendLogin writes the login into a pipe whose read end outlives the new beginning.
func sendLogin(c Config) (read *os.File, fd string, err error) {
	text, err := json.Marshal(login{c.User, c.Password})
	if err != nil {
		return nil, "", err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer write.Close()
	if _, err := write.Write(text); err != nil { // a pipe holds 64 KiB at least
		return nil, "", err
	}
	number, err := inheritable(read)
	return read, strconv.Itoa(number), err
}

func receiveLogin(c *Config) error {
	number, err := strconv.Atoi(os.Getenv(loginEnv))
	if err != nil {
		return nil // the fence's mark was set by hand
	}
	pipe := os.NewFile(uintptr(number), "login")
	defer pipe.Close()
	var l login
	if err := json.NewDecoder(pipe).Decode(&l); err != nil {
		return err
	}
	c.User, c.Password = l.User, l.Password
	return nil
}

func withoutSecrets(env []string) []string {
	var out []string
	for _, entry := range env {
		if !strings.HasPrefix(entry, "CLICKHOUSE_PASSWORD") && !strings.HasPrefix(entry, "CLICKHOUSE_USER") && !strings.HasPrefix(entry, "TMPDIR=") {
			out = append(out, entry)
		}
	}
	return out
}
