//go:build !noengine

package chdb

import (
	"errors"
	"fmt"

	"github.com/ebitengine/purego"
)

// Built says whether this binary has the engine's binding.
const Built = true

// load opens the library and binds its functions.
func load(path string) error {
	if path == "" { // dlopen("") is the program itself, and fails much later
		return errors.New("library path: empty")
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return fmt.Errorf("library: %w", err)
	}
	for name, function := range symbols() {
		address, err := purego.Dlsym(handle, name)
		if err != nil {
			return fmt.Errorf("library %s: function %s: %w", path, name, err)
		}
		purego.RegisterFunc(function, address)
	}
	return nil
}
