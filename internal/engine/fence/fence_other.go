//go:build !linux || !(amd64 || arm64)

package fence

// Available is false.
func Available() bool { return false }

// Inside is false: this system has no fence.
func Inside() bool { return false }

// Enter does nothing here.
func Enter(Rules, []string) error { return nil }

// Close does nothing here, and says so.
func Close() State { return State{} }
