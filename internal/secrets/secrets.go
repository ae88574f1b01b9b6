// Package secrets draws the passwords of an installation in containers, once, and keeps
// each as a file that only its reader can open.
package secrets

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Secret is one password.
type Secret struct {
	// Variable gives it in the environment, where whoever runs the installation wants one
	// of their own; as VARIABLE_FILE too.
	Variable string
	// Files are where it is kept: a copy for each reader.
	Files []File
	// For says what it opens.
	For string
}

// File is a copy of a secret: its name in the folder, and the user id that reads it.
type File struct {
	Name string
	UID  int
}

// User ids of the images: ours, and Grafana's.
const (
	clickstreamUID = 65532
	grafanaUID     = 472
)

// All are the secrets of docker-compose.yml.
var All = []Secret{
	{"CLICKHOUSE_PASSWORD", []File{{"clickhouse", clickstreamUID}}, "user clickstream of ClickHouse, who makes tables and users"},
	{"CLICKHOUSE_WRITER_PASSWORD", []File{{"clickhouse_writer", clickstreamUID}}, "user clickstream_writer of ClickHouse, who stores rows"},
	{"GRAFANA_CLICKHOUSE_PASSWORD", []File{{"clickhouse_reader", clickstreamUID}, {"grafana_clickhouse", grafanaUID}}, "user grafana of ClickHouse, who may only read"},
	{"GRAFANA_ADMIN_PASSWORD", []File{{"grafana_admin", grafanaUID}}, "user admin of Grafana"},
}

// Draw makes sure that each secret's files are in the folder, mode 0400, and returns the
// names of the variables whose secret is new there. What given returns for a variable
// wins; otherwise what is there stays, and what is not is drawn: 24 bytes, base64.
func Draw(folder string, all []Secret, given func(variable string) (string, error)) (fresh []string, err error) {
	for _, s := range all {
		value, err := given(s.Variable)
		if err != nil {
			return fresh, err
		}
		old, errOld := Read(folder, s)
		switch {
		case errOld != nil && !errors.Is(errOld, fs.ErrNotExist):
			return fresh, errOld
		case value == "" && errOld == nil:
			value = old
		case value == "":
			value = random()
		}
		if value != old {
			fresh = append(fresh, s.Variable)
		}
		for _, f := range s.Files {
			if err := write(filepath.Join(folder, f.Name), value, f.UID); err != nil {
				return fresh, err
			}
		}
	}
	return fresh, nil
}

// Read returns a secret that was drawn.
func Read(folder string, s Secret) (string, error) {
	text, err := os.ReadFile(filepath.Join(folder, s.Files[0].Name))
	return string(text), err
}

func random() string {
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // it never fails
	return base64.URLEncoding.EncodeToString(raw)
}

// write replaces a file as a whole, so that a reader sees the old secret or the new one.
// A file that holds the secret already is left alone.
func write(path, value string, uid int) (err error) {
	if old, err := os.ReadFile(path); err == nil && string(old) == value {
		return own(path, uid)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = strings.NewReader(value).WriteTo(f)
	if err = errors.Join(err, f.Chmod(0o400), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := own(f.Name(), uid); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// own gives a file to its reader. Only root can; anybody else is the reader.
func own(path string, uid int) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := os.Chown(path, uid, uid); err != nil {
		return fmt.Errorf("give %s to user %d: %w", path, uid, err)
	}
	return nil
}
