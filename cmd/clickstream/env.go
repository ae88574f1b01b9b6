package main

import (
	"context"
	"os"
	"strings"
)

// lookupEnv resolves ${NAME} in a pipeline. Beside NAME it knows NAME_FILE, whose
// content it returns: orchestrators hand secrets over as files, and a file does
// not show in the process list. An empty variable counts as unset, as Benthos
// itself has it.
func lookupEnv(_ context.Context, name string) (string, bool) {
	if value, ok := os.LookupEnv(name); ok && value != "" {
		return value, true
	}
	path := os.Getenv(name + "_FILE")
	if path == "" {
		return "", false
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", false // lint then names the variable as missing
	}
	return strings.TrimRight(string(content), "\r\n"), true
}
