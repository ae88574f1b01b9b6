//go:build noengine

package chdb

// Built says whether this binary has the engine's binding. Linking purego makes a
// binary depend on the system's C library, so the static builds that images use
// leave it out.
const Built = false

func load(string) error { return ErrNotBuilt }
