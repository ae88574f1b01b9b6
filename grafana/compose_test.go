package grafana

import (
	"context"
	"encoding/xml"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"clickstream/internal/secrets"
)

// compose loads docker-compose.yml as docker compose does, with these variables
// only.
func compose(t *testing.T, env map[string]string) (*types.Project, error) {
	t.Helper()
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithEnv(list))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(context.Background())
}

// loaded is docker-compose.yml as it starts on a fresh clone, without an .env.
func loaded(t *testing.T) *types.Project {
	t.Helper()
	project, err := compose(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeServices(t *testing.T) {
	got := strings.Join(slices.Sorted(maps.Keys(loaded(t).Services)), " ")
	if want := "clickhouse consumer grafana init kafka producer secrets"; got != want {
		t.Errorf("services\n got %s\nwant %s", got, want)
	}
}

// TestComposeGates: nothing starts before what it needs answers.
func TestComposeGates(t *testing.T) {
	const healthy, done = types.ServiceConditionHealthy, types.ServiceConditionCompletedSuccessfully
	want := map[string]map[string]string{
		"kafka": {}, "secrets": {},
		"clickhouse": {"secrets": done},
		"init":       {"kafka": healthy, "clickhouse": healthy},
		"producer":   {"kafka": healthy, "init": done},
		"consumer":   {"kafka": healthy, "clickhouse": healthy, "init": done},
		"grafana":    {"clickhouse": healthy, "init": done},
	}
	for name, s := range loaded(t).Services {
		got := map[string]string{}
		for other, d := range s.DependsOn {
			got[other] = d.Condition
		}
		if !maps.Equal(got, want[name]) {
			t.Errorf("%s waits for\n got %v\nwant %v", name, got, want[name])
		}
		if (s.HealthCheck == nil) != once(name) || (s.Restart == "no") != once(name) {
			t.Errorf("%s: health check %v, restart %q: only what ends has neither", name, s.HealthCheck, s.Restart)
		}
	}
}

// once are the services that end by themselves.
func once(service string) bool { return service == "init" || service == "secrets" }

// TestComposeIsHardened: loopback ports, pinned images, no privilege that can be
// done without, and a stop that leaves time to drain.
func TestComposeIsHardened(t *testing.T) {
	pinned := regexp.MustCompile(`^[\w./-]+:\d+(\.\d+){2,3}(@sha256:[0-9a-f]{64})?$`)
	for name, s := range loaded(t).Services {
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is bound to %q, want 127.0.0.1", name, p.Published, p.HostIP)
			}
		}
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %s is not pinned by its full version", name, s.Image)
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.MemLimit == 0 || s.Logging == nil {
			t.Errorf("%s: wants no-new-privileges, a memory limit and log rotation", name)
		}
		for _, v := range s.Volumes {
			if (v.Type == types.VolumeTypeBind || v.Source == "secrets" && name != "secrets") && !v.ReadOnly {
				t.Errorf("%s: %s can be written", name, v.Source)
			}
			if v.Type == types.VolumeTypeBind {
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("%s: %v", name, err) // docker would make an empty folder of it
				}
			}
		}
		if s.Image != "clickstream" {
			continue
		}
		if name == "secrets" { // gives files away, to nobody on a network
			s.User, s.CapAdd = strings.ReplaceAll(s.User, "0:0", "65532:65532"), nil
			if s.NetworkMode != "none" || len(s.Ports) > 0 {
				t.Errorf("secrets: network %q, want none", s.NetworkMode)
			}
		}
		if s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 {
			t.Errorf("%s: user %s, read only %t, cap_drop %v, cap_add %v: want 65532:65532, true, [ALL], none", name, s.User, s.ReadOnly, s.CapDrop, s.CapAdd)
		}
		if grace := s.StopGracePeriod; !once(name) && (grace == nil || time.Duration(*grace) < 35*time.Second) {
			t.Errorf("%s: stop_grace_period %v, want more than the pipeline's 30s", name, grace)
		}
	}
}

// TestComposeIsConsistent: addresses and names that two services must agree on.
func TestComposeIsConsistent(t *testing.T) {
	project := loaded(t)
	env := func(service, name string) string {
		if value := project.Services[service].Environment[name]; value != nil {
			return *value
		}
		return ""
	}
	for name, tc := range map[string]struct{ got, want string }{
		"the cluster id is 16 bytes in base64": {regexp.MustCompile(`^[\w-]{22}$`).FindString(env("kafka", "CLUSTER_ID")), env("kafka", "CLUSTER_ID")},
		"kafka writes to its volume":           {env("kafka", "KAFKA_LOG_DIRS"), project.Services["kafka"].Volumes[0].Target},
		"kafka's name":                         {env("consumer", "KAFKA_BROKERS"), "kafka:9092"},
		"init is the server's own user":        {env("init", "CLICKHOUSE_USER"), env("clickhouse", "CLICKHOUSE_USER")},
		"which may make users":                 {env("clickhouse", "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT"), "1"},
		"the pipelines only store":             {env("consumer", "CLICKHOUSE_USER"), "clickstream_writer"},
		"the same servers for all":             {env("producer", "KAFKA_BROKERS"), env("init", "KAFKA_BROKERS")},
		"home is a dashboard":                  {env("grafana", "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"), "/dashboards/shop.json"},
		"rate":                                 {env("producer", "RATE"), "100"},
		"alerts go nowhere":                    {env("grafana", "ALERT_WEBHOOK"), "http://127.0.0.1:9/"}, // an empty one keeps Grafana from starting
	} {
		if tc.got != tc.want || tc.want == "" {
			t.Errorf("%s\n got %q\nwant %q", name, tc.got, tc.want)
		}
	}
	for _, listener := range []string{"INSIDE://kafka:9092", "HOST://127.0.0.1:" + project.Services["kafka"].Ports[0].Published} {
		if !strings.Contains(env("kafka", "KAFKA_ADVERTISED_LISTENERS"), listener) {
			t.Errorf("kafka advertises %s, want %s in it", env("kafka", "KAFKA_ADVERTISED_LISTENERS"), listener)
		}
	}
}

// TestProvisioningFiles: what Grafana and ClickHouse read at their start is well
// formed, and holds no password.
func TestProvisioningFiles(t *testing.T) {
	var source struct {
		Datasources []struct {
			JSONData       map[string]any    `yaml:"jsonData"`
			SecureJSONData map[string]string `yaml:"secureJsonData"`
		}
	}
	read(t, "provisioning/datasources/clickhouse.yaml", &source)
	if got, want := source.Datasources[0].JSONData["username"], "grafana"; got != want {
		t.Errorf("user of the data source: got %v, want %s, whom init makes", got, want)
	}
	if got, want := source.Datasources[0].JSONData["defaultDatabase"], "clickstream"; got != want {
		t.Errorf("default database\n got %v\nwant %s", got, want)
	}
	var provider struct {
		Providers []struct {
			AllowUIUpdates bool `yaml:"allowUiUpdates"`
			Options        struct{ Path string }
		}
	}
	read(t, "provisioning/dashboards/clickstream.yaml", &provider)
	if p := provider.Providers[0]; p.AllowUIUpdates || p.Options.Path != "/dashboards" {
		t.Errorf("provider: got %+v, want no updates by the UI and /dashboards", p)
	}
	files, _ := filepath.Glob("../config/clickhouse-server/*.xml")
	if len(files) != 1 {
		t.Errorf("files of the ClickHouse server: got %v, want one", files)
	}
	for _, file := range files {
		wellFormed(t, file)
	}
}

func wellFormed(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := xml.NewDecoder(f); ; {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Errorf("%s: %v", file, err)
			return
		}
	}
}

// TestSecretsReachTheirReaders follows each secret from where it is drawn to where it is
// read: by name, by the volume, and by the user id that may open the file.
func TestSecretsReachTheirReaders(t *testing.T) {
	project := loaded(t)
	example, err := os.ReadFile("../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("provisioning/datasources/clickhouse.yaml")
	if err != nil {
		t.Fatal(err)
	}
	readers := map[string][]string{} // by file: services that read it
	for name, s := range project.Services {
		for variable, value := range s.Environment {
			if value != nil && strings.HasPrefix(*value, "/secrets/") {
				if !strings.HasSuffix(variable, "_FILE") {
					t.Errorf("%s: %s names a file", name, variable)
				}
				readers[strings.TrimPrefix(*value, "/secrets/")] = append(readers[strings.TrimPrefix(*value, "/secrets/")], name)
			}
		}
	}
	for _, m := range regexp.MustCompile(`\$__file\{/secrets/(\w+)\}`).FindAllStringSubmatch(string(source), -1) {
		readers[m[1]] = append(readers[m[1]], "grafana")
	}
	uid := func(service string) int {
		switch s := project.Services[service]; {
		case service == "grafana":
			return 472 // the image's
		case service == "clickhouse" && s.User == "" && s.CapDrop == nil:
			return 0 // its entry point, with the right to open every file
		case s.User == "65532:65532":
			return 65532
		}
		return -1
	}
	for _, secret := range secrets.All {
		if _, ok := project.Services["secrets"].Environment[secret.Variable]; !ok {
			t.Errorf("%s: an own one does not reach the service secrets", secret.Variable)
		}
		if !strings.Contains(string(example), "\n"+secret.Variable+"=\n") {
			t.Errorf(".env.example: want an empty %s", secret.Variable)
		}
		for _, f := range secret.Files {
			if len(readers[f.Name]) == 0 {
				t.Errorf("%s: nobody reads %s", secret.Variable, f.Name)
			}
			for _, service := range readers[f.Name] {
				if id := uid(service); id != 0 && id != f.UID {
					t.Errorf("%s is user %d and cannot open %s of user %d", service, id, f.Name, f.UID)
				}
				if !slices.ContainsFunc(project.Services[service].Volumes, func(v types.ServiceVolumeConfig) bool { return v.Source == "secrets" && v.Target == "/secrets" }) {
					t.Errorf("%s reads %s and has no volume /secrets", service, f.Name)
				}
			}
			delete(readers, f.Name)
		}
	}
	if len(readers) > 0 {
		t.Errorf("read and never drawn: %v", readers)
	}
}

// TestOwnPasswordsWin: what .env or the environment gives reaches the service that draws.
func TestOwnPasswordsWin(t *testing.T) {
	project, err := compose(t, map[string]string{"GRAFANA_ADMIN_PASSWORD": "own"})
	if err != nil {
		t.Fatal(err)
	}
	if got := project.Services["secrets"].Environment["GRAFANA_ADMIN_PASSWORD"]; got == nil || *got != "own" {
		t.Errorf("got %v, want own", got)
	}
}

// TestAnchorsAreMerged guards against a YAML merge that drops what it should add.
func TestAnchorsAreMerged(t *testing.T) {
	producer := loaded(t).Services["producer"].Environment
	for _, name := range []string{"KAFKA_BROKERS", "RATE", "USERS", "SEED"} {
		if producer[name] == nil {
			t.Errorf("the producer's environment lacks %s", name)
		}
	}
}
