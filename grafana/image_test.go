package grafana

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"clickstream/internal/broker"
	"clickstream/internal/engine/enginetest"
)

// image is what `docker build .` would make: the binary, built by the Dockerfile's
// own command from just those files that .dockerignore lets through.
var image = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "clickstream-image-")
	if err != nil {
		return "", err
	}
	imageDir = dir
	if err := copyContext(filepath.Join(dir, "src")); err != nil {
		return "", err
	}
	raw, err := os.ReadFile("../Dockerfile")
	if err != nil {
		return "", err
	}
	command := regexp.MustCompile(`go build [^\n]*`).FindString(string(raw))
	binary := filepath.Join(dir, "clickstream")
	build := exec.Command("sh", "-c", strings.Replace(command, "-o /clickstream", "-o "+binary, 1))
	build.Dir = filepath.Join(dir, "src")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "VERSION=v1.2.3")
	out, err := build.CombinedOutput()
	if err != nil {
		os.Stderr.Write(out)
	}
	return binary, err
})

// imageDir is where image works, once it has been called.
var imageDir string

// TestMain removes what image made.
func TestMain(m *testing.M) {
	code := m.Run()
	if imageDir != "" {
		os.RemoveAll(imageDir)
	}
	os.Exit(code)
}

// copyContext copies what .dockerignore keeps: all but the lines that begin with !
// is left out, and of those the tests are.
func copyContext(to string) error {
	raw, err := os.ReadFile("../.dockerignore")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(raw), "\n") {
		pattern, kept := strings.CutPrefix(line, "!")
		if !kept {
			continue
		}
		matches, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			return err
		}
		for _, m := range matches {
			if err := copyTree(m, filepath.Join(to, strings.TrimPrefix(m, ".."))); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "testdata" {
			return fs.SkipDir
		}
		if d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
}

// binary builds the image's binary, once.
func binary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the whole binary")
	}
	path, err := image()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestImageIsStatic: an empty image has no dynamic linker and no library.
func TestImageIsStatic(t *testing.T) {
	f, err := elf.Open(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary asks for a dynamic linker")
		}
	}
	if libraries, _ := f.ImportedLibraries(); len(libraries) > 0 {
		t.Errorf("the binary asks for %v", libraries)
	}
}

// TestImageRuns carries out the commands of docker-compose.yml with the image's
// binary, in their order and with their environment, against a Kafka broker and a
// ClickHouse engine that stand in for the other containers: init succeeds, twice;
// producer and consumer become healthy; a stop is clean.
func TestImageRuns(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the image's binary runs on Linux")
	}
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	engine := enginetest.Start(t)
	volume := t.TempDir()
	password := filepath.Join(volume, "engine")
	if err := os.WriteFile(password, []byte(engine.Password), 0o400); err != nil {
		t.Fatal(err)
	}
	c := containers{
		binary: binary(t), project: loaded(t), secrets: volume,
		environment: []string{
			"KAFKA_BROKERS=" + b.Addr(), "CLICKHOUSE_ADDR=" + engine.Native, "CLICKHOUSE_DATABASE=" + engine.Database(t),
			"CLICKHOUSE_USER=" + engine.User, "CLICKHOUSE_PASSWORD_FILE=" + password,
			"CLICKHOUSE_WRITER_PASSWORD_FILE=", "GRAFANA_CLICKHOUSE_PASSWORD_FILE=", // the engine makes no users
		},
		// Other tests may be using the default ports.
		ports: map[string]string{"127.0.0.1:4195": "127.0.0.1:14195", "127.0.0.1:4196": "127.0.0.1:14196"},
	}
	for range 2 {
		draw := append(c.project.Services["secrets"].Command, "--dir", volume)
		if out, err := c.command(t, "secrets", draw).CombinedOutput(); err != nil {
			t.Fatalf("secrets: %v\n%s", err, out)
		}
		if out, err := c.command(t, "init", c.project.Services["init"].Command).CombinedOutput(); err != nil {
			t.Fatalf("init: %v\n%s", err, out)
		}
	}
	producer, consumer := c.start(t, "producer"), c.start(t, "consumer")
	for _, name := range []string{"producer", "consumer"} {
		c.awaitHealthy(t, name)
	}
	for name, p := range map[string]*process{"consumer": consumer, "producer": producer} {
		if err := p.stop(); err != nil {
			t.Errorf("%s after SIGTERM: %v\n%s", name, err, p.out.String())
		}
	}
}

// TestHealthcheckOfNothing: an unhealthy container is told from a healthy one.
func TestHealthcheckOfNothing(t *testing.T) {
	c := containers{binary: binary(t), project: loaded(t), ports: map[string]string{"127.0.0.1:4196": "127.0.0.1:1"}}
	if out, err := c.healthcheck(t, "consumer").CombinedOutput(); err == nil {
		t.Errorf("health check without a pipeline: got success, want a failure: %s", out)
	}
}

// containers runs services of our own image as plain processes.
type containers struct {
	binary      string
	project     *types.Project
	secrets     string // the folder that is the volume of this name
	environment []string
	ports       map[string]string
}

// command is a service's command line as the image's entry point would get it.
func (c containers) command(t *testing.T, service string, args []string) *exec.Cmd {
	t.Helper()
	args = append([]string(nil), args...)
	for i := range args {
		args[i] = strings.Replace(args[i], "/pipelines/", "../pipelines/", 1)
		for from, to := range c.ports {
			args[i] = strings.Replace(args[i], from, to, 1)
		}
	}
	cmd := exec.CommandContext(t.Context(), c.binary, args...)
	cmd.Env = []string{} // nothing of ours: a container has only what compose gives it
	for name, value := range c.project.Services[service].Environment {
		if value != nil {
			cmd.Env = append(cmd.Env, name+"="+strings.Replace(*value, "/secrets", c.secrets, 1))
		}
	}
	cmd.Env = append(cmd.Env, c.environment...)
	if address := c.ports[map[string]string{"producer": "127.0.0.1:4195", "consumer": "127.0.0.1:4196"}[service]]; address != "" {
		cmd.Env = append(cmd.Env, "HTTP_ADDRESS="+address)
	}
	return cmd
}

func (c containers) healthcheck(t *testing.T, service string) *exec.Cmd {
	t.Helper()
	test := c.project.Services[service].HealthCheck.Test
	if test[0] != "CMD" || test[1] != "/clickstream" {
		t.Fatalf("health check of %s: got %v, want CMD /clickstream: the image has no shell", service, test)
	}
	return c.command(t, service, test[2:])
}

// awaitHealthy repeats a service's health check, as docker does, for at most 30 s.
func (c containers) awaitHealthy(t *testing.T, service string) {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := c.healthcheck(t, service).CombinedOutput()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.Done():
			t.Fatalf("%s is not healthy: %s", service, out)
		}
	}
}

// process is one running container.
type process struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

func (c containers) start(t *testing.T, service string) *process {
	t.Helper()
	p := &process{cmd: c.command(t, service, c.project.Services[service].Command)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p
}

func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // Wait tells whether it had ended before
	return p.cmd.Wait()
}

// TestPluginByChecksum runs the line of grafana/Dockerfile that holds the plugin against
// its checksum: another file of the same name ends the build.
func TestPluginByChecksum(t *testing.T) {
	raw, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	check := regexp.MustCompile(`(?m)^\s+&& (eval .*sha256sum .*) \\$`).FindStringSubmatch(string(raw))
	sums := regexp.MustCompile(`SHA256_(\w+)=([0-9a-f]{64})\n`).FindAllStringSubmatch(string(raw), -1)
	if check == nil || len(sums) != 2 {
		t.Fatalf("grafana/Dockerfile: want a line with sha256sum and two checksums, got %q and %d", check, len(sums))
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plugin.zip"), []byte("plugin"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		sum  string
		fits bool
	}{
		"the file of the checksum": {fmt.Sprintf("%x", sha256.Sum256([]byte("plugin"))), true},
		"another file":             {sums[0][2], false},
	} {
		cmd := exec.Command("sh", "-c", check[1])
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "TARGETARCH="+sums[0][1], "SHA256_"+sums[0][1]+"="+tc.sum)
		if out, err := cmd.CombinedOutput(); (err == nil) != tc.fits {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
