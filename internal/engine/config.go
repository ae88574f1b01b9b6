package engine

import (
	_ "embed" // the engine's configuration
	"encoding/xml"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"clickstream/internal/engine/fence"
)

//go:embed server.xml
var serverXML string

//go:embed users.xml
var usersXML string

// files are what the engine is started with, all inside the data folder.
type files struct {
	server string // configuration of the engine
	log    string // errors of the engine; those of statements go to their clients
	empty  string // working directory
}

// writeConfig writes the engine's configuration, anew at each start.
func writeConfig(data string, c Config) (files, error) {
	f := files{
		server: filepath.Join(data, "server.xml"),
		log:    filepath.Join(data, "engine.log"),
		empty:  filepath.Join(data, "empty"),
	}
	users := filepath.Join(data, "users.xml")
	memory := c.MemoryBytes
	if memory == 0 {
		memory = DefaultMemory
	}
	server := strings.NewReplacer(
		"{log}", escape(f.log), "{users}", escape(users), "{memory}", strconv.FormatInt(memory, 10),
		"{backups}", escape(filepath.Join(data, "backups")), "{empty}", escape(f.empty+"/"),
	).Replace(serverXML)
	for _, folder := range []string{f.empty, filepath.Join(data, "clickhouse")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return files{}, err
		}
	}
	if err := os.WriteFile(f.server, []byte(server), 0o600); err != nil {
		return files{}, err
	}
	return f, os.WriteFile(users, []byte(userRules(c.fence)), 0o600)
}

// userRules are stricter where the kernel keeps no fence: a dictionary may run a command
// or call a server, and a row of an INSERT may hold an expression with file() in it.
func userRules(f fence.State) string {
	dictionary, setting, constant := "CREATE DICTIONARY, ", "", ""
	if !f.Calls {
		dictionary = ""
	}
	if !f.Files {
		const name = "input_format_values_interpret_expressions"
		setting, constant = "<"+name+">0</"+name+">", "<"+name+"><const/></"+name+">"
	}
	return strings.NewReplacer("{dictionary}", dictionary, "{unfenced}", setting, "{unfencedConst}", constant).Replace(usersXML)
}

func escape(path string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(path)) // a strings.Builder takes everything
	return b.String()
}
