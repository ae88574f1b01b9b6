package library

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/cpu"
)

// What a machine can lack. The texts that wrap them name the next step.
var (
	// ErrPlatform: no library is built for this operating system and processor.
	ErrPlatform = errors.New("unsupported platform")
	// ErrMusl: the library needs glibc, this system has musl.
	ErrMusl = errors.New("musl libc")
	// ErrCPU: the x86-64 library is built for x86-64-v3 and would die of SIGILL.
	ErrCPU = errors.New("processor without AVX2")
)

// instead is the way out for a machine that cannot run the engine.
const instead = "use a ClickHouse server instead: CLICKHOUSE_ADDR=host:9000"

// Host is what decides whether the library can run here.
type Host struct {
	OS, Arch string // as in runtime.GOOS and GOARCH
	V3       bool   // x86-64-v3 instructions and PCLMUL
	Musl     bool
}

// ThisHost looks at the machine.
func ThisHost() Host {
	x := &cpu.X86
	return Host{
		OS: runtime.GOOS, Arch: runtime.GOARCH,
		V3:   x.HasAVX2 && x.HasBMI1 && x.HasBMI2 && x.HasFMA && x.HasPCLMULQDQ,
		Musl: muslIn("/"),
	}
}

// muslIn reports whether the system under root has musl's loader and not glibc's
// (a glibc system may have musl beside it).
func muslIn(root string) bool {
	musl, _ := filepath.Glob(filepath.Join(root, "lib", "ld-musl-*.so.1"))
	glibc, _ := filepath.Glob(filepath.Join(root, "lib*", "ld-linux-*.so.*"))
	return len(musl) > 0 && len(glibc) == 0
}

// packages names the npm package of each platform that the engine is built for.
var packages = map[string]string{
	"linux/amd64":  "@chdb/lib-linux-x64-gnu",
	"linux/arm64":  "@chdb/lib-linux-arm64-gnu",
	"darwin/amd64": "@chdb/lib-darwin-x64",
	"darwin/arm64": "@chdb/lib-darwin-arm64",
}

// Check returns nil if the library can run on h, or one of the errors above.
func (h Host) Check() error {
	platform := h.OS + "/" + h.Arch
	switch {
	case packages[platform] == "":
		return fmt.Errorf("engine library: %w %s: want linux or darwin on amd64 or arm64; %s", ErrPlatform, platform, instead)
	case h.Musl:
		return fmt.Errorf("engine library: %w: want a system with glibc, such as Debian, Ubuntu or Fedora; %s", ErrMusl, instead)
	case h.Arch == "amd64" && !h.V3:
		return fmt.Errorf("engine library: %w: want x86-64-v3, which Intel has since 2013 and AMD since 2015 "+
			"(a virtual machine may hide it: choose the CPU type \"host\"); %s", ErrCPU, instead)
	}
	return nil
}

// isFile reports whether path is a regular file, through links.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
