package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
)

// lookupEnv resolves ${NAME} in a pipeline, as secret does. An empty variable counts
// as unset, as Benthos itself has it. It has no error to return: see unreadable.
func lookupEnv(_ context.Context, name string) (string, bool) {
	value, err := secret(name)
	if err != nil {
		unreadable.CompareAndSwap(nil, &err)
	}
	return value, value != ""
}

// unreadable is the first file that a pipeline wanted and lookupEnv could not read.
// Going on without it would end in a misleading "password rejected".
var unreadable atomic.Pointer[error]

// secret returns the variable, or the content of the file that NAME_FILE names:
// orchestrators hand secrets over as files, and a file does not show in the list of
// processes.
func secret(name string) (string, error) {
	if value := os.Getenv(name); value != "" {
		return value, nil
	}
	path := os.Getenv(name + "_FILE")
	if path == "" {
		return "", nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}
