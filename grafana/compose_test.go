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
)

// passwords are what docker-compose.yml wants from the environment or from .env.
var passwords = map[string]string{
	"CLICKHOUSE_PASSWORD": "one", "GRAFANA_CLICKHOUSE_PASSWORD": "two", "GRAFANA_ADMIN_PASSWORD": "three",
}

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

// loaded is docker-compose.yml with every password set.
func loaded(t *testing.T) *types.Project {
	t.Helper()
	project, err := compose(t, passwords)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeServices(t *testing.T) {
	got := strings.Join(slices.Sorted(maps.Keys(loaded(t).Services)), " ")
	if want := "clickhouse consumer grafana init kafka producer"; got != want {
		t.Errorf("services\n got %s\nwant %s", got, want)
	}
}

// TestComposeWantsPasswords: no default password exists, and the message says what
// to do.
func TestComposeWantsPasswords(t *testing.T) {
	for name := range passwords {
		env := maps.Clone(passwords)
		delete(env, name)
		_, err := compose(t, env)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "make .env") {
			t.Errorf("without %s: got %v, want an error that names it and `make .env`", name, err)
		}
	}
}

// TestComposeGates: nothing starts before what it needs answers.
func TestComposeGates(t *testing.T) {
	const healthy, done = types.ServiceConditionHealthy, types.ServiceConditionCompletedSuccessfully
	want := map[string]map[string]string{
		"kafka": {}, "clickhouse": {},
		"init":     {"kafka": healthy, "clickhouse": healthy},
		"producer": {"kafka": healthy, "init": done},
		"consumer": {"kafka": healthy, "clickhouse": healthy, "init": done},
		"grafana":  {"clickhouse": healthy, "init": done},
	}
	for name, s := range loaded(t).Services {
		got := map[string]string{}
		for other, d := range s.DependsOn {
			got[other] = d.Condition
		}
		if !maps.Equal(got, want[name]) {
			t.Errorf("%s waits for\n got %v\nwant %v", name, got, want[name])
		}
		if once := name == "init"; (s.HealthCheck == nil) != once || (s.Restart == "no") != once {
			t.Errorf("%s: health check %v, restart %q: only init has neither", name, s.HealthCheck, s.Restart)
		}
	}
}

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
			if v.Type == types.VolumeTypeBind && !v.ReadOnly {
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
		if s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s: user %s, read only %t, cap_drop %v: want 65532:65532, true, [ALL]", name, s.User, s.ReadOnly, s.CapDrop)
		}
		if grace := s.StopGracePeriod; name != "init" && (grace == nil || time.Duration(*grace) < 35*time.Second) {
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
		"one user":                             {env("consumer", "CLICKHOUSE_USER"), env("clickhouse", "CLICKHOUSE_USER")},
		"one password":                         {env("init", "CLICKHOUSE_PASSWORD"), env("clickhouse", "CLICKHOUSE_PASSWORD")},
		"grafana's password":                   {env("grafana", "GRAFANA_CLICKHOUSE_PASSWORD"), env("clickhouse", "GRAFANA_CLICKHOUSE_PASSWORD")},
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
	if got, want := source.Datasources[0].SecureJSONData["password"], "${GRAFANA_CLICKHOUSE_PASSWORD}"; got != want {
		t.Errorf("password in the data source\n got %s\nwant %s", got, want)
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
	if len(files) != 2 {
		t.Errorf("files of the ClickHouse server: got %v, want two", files)
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

// TestEnvExample names every password that compose asks for, and gives none.
func TestEnvExample(t *testing.T) {
	raw, err := os.ReadFile("../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	for name := range passwords {
		if !strings.Contains(string(raw), "\n"+name+"=\n") {
			t.Errorf(".env.example: want an empty %s", name)
		}
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
