package broker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// log100 is a partition of segments of 100 records, 100 bytes and 100 batches.
func log100(topic string, number int32, segments int) partition {
	p := partition{topic: topic, number: number}
	for i := range segments {
		p.segments = append(p.segments, segment{base: int64(i) * 100, bytes: 100, batches: 100})
	}
	return p
}

func TestPlan(t *testing.T) {
	nothing := limits{}
	for name, tc := range map[string]struct {
		partitions []partition
		groups     map[string]commits
		keep       limits
		want       []cut
	}{
		"all read, the last segment stays": {
			[]partition{log100("a", 0, 5)}, map[string]commits{"g": {"a": {0: 500}}}, nothing, []cut{{"a", 0, 400}}},
		"half read": {
			[]partition{log100("a", 0, 5)}, map[string]commits{"g": {"a": {0: 250}}}, nothing, []cut{{"a", 0, 200}}},
		"the slowest group counts": {
			[]partition{log100("a", 0, 5)}, map[string]commits{"g": {"a": {0: 500}}, "slow": {"a": {0: 199}}}, nothing, []cut{{"a", 0, 100}}},
		"another topic's group does not": {
			[]partition{log100("a", 0, 5)}, map[string]commits{"g": {"a": {0: 500}}, "other": {"b": {0: 1}}}, nothing, []cut{{"a", 0, 400}}},
		"a member that never committed holds all": {
			[]partition{log100("a", 0, 5)}, map[string]commits{"g": {"a": {0: 500}}, "new": {"a": {}}}, nothing, nil},
		"a partition without a commit stays": {
			[]partition{log100("a", 0, 3), log100("a", 1, 3)}, map[string]commits{"g": {"a": {1: 300}}}, nothing, []cut{{"a", 1, 200}}},
		"no group: dead letters": {
			[]partition{log100("dead", 0, 5)}, map[string]commits{"g": {"a": {0: 500}}}, nothing, nil},
		"no group at all": {
			[]partition{log100("a", 0, 5)}, nil, nothing, nil},
		"bytes are kept": {
			[]partition{log100("a", 0, 5)}, map[string]commits{"g": {"a": {0: 500}}}, limits{250, 1 << 30}, []cut{{"a", 0, 200}}},
		"batches are kept": {
			[]partition{log100("a", 0, 5)}, map[string]commits{"g": {"a": {0: 500}}}, limits{1 << 30, 150}, []cut{{"a", 0, 300}}},
		"what is kept is shared by the partitions": {
			[]partition{log100("a", 0, 5), log100("a", 1, 5)}, map[string]commits{"g": {"a": {0: 500, 1: 500}}}, limits{250, 1 << 30},
			[]cut{{"a", 0, 300}, {"a", 1, 300}}},
		"little is left alone": {
			[]partition{log100("a", 0, 2)}, map[string]commits{"g": {"a": {0: 200}}}, limits{1000, 1000}, nil},
		"one segment": {
			[]partition{log100("a", 0, 1)}, map[string]commits{"g": {"a": {0: 100}}}, nothing, nil},
		"no segment": {
			[]partition{{topic: "a"}}, map[string]commits{"g": {"a": {0: 100}}}, nothing, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := fmt.Sprint(plan(tc.partitions, tc.groups, tc.keep)), fmt.Sprint(tc.want); got != want {
				t.Errorf("plan\n got %s\nwant %s", got, want)
			}
		})
	}
}

// TestPlanNeverCutsUnread tries random logs, groups and limits: no cut lies above
// any commit of its topic, nor reaches the last segment's records.
func TestPlanNeverCutsUnread(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		p := partition{topic: "a"}
		base := r.Int64N(50)
		for range r.IntN(6) {
			p.segments = append(p.segments, segment{base, r.Int64N(100), r.Int64N(100)})
			base += 1 + r.Int64N(50)
		}
		groups := map[string]commits{}
		for g := range r.IntN(3) {
			groups[fmt.Sprint(g)] = commits{"a": {0: r.Int64N(base + 10)}}
		}
		for _, c := range plan([]partition{p}, groups, limits{r.Int64N(200), r.Int64N(200)}) {
			if last := p.segments[len(p.segments)-1].base; c.offset > last {
				t.Fatalf("cut at %d leaves nothing of %v", c.offset, p)
			}
			for _, g := range groups {
				if c.offset > g["a"][0] {
					t.Fatalf("cut at %d above the commit %d: %v", c.offset, g["a"][0], p)
				}
			}
		}
	}
}

func TestSplitPartition(t *testing.T) {
	for name, want := range map[string]string{
		"clickstream-0":               `"clickstream" 0 true`,
		"clickstream-dead-letters-12": `"clickstream-dead-letters" 12 true`,
		"with%20space-1":              `"with space" 1 true`,
		"a--1":                        `"a-" 1 true`,
		"-1":                          `"" 0 false`,
		"noNumber":                    `"" 0 false`,
		"a-x":                         `"" 0 false`,
		"a-99999999999":               `"" 0 false`,
		"bad%zz-1":                    `"" 1 false`,
	} {
		topic, number, ok := splitPartition(name)
		if got := fmt.Sprintf("%q %d %t", topic, number, ok); got != want {
			t.Errorf("splitPartition(%q)\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestReadUsage(t *testing.T) {
	dir := t.TempDir()
	if got, err := readUsage(dir); err != nil || got.bytes != 0 {
		t.Errorf("readUsage of a new folder: got %+v, %v", got, err)
	}
	for name, size := range map[string]int{
		"groups.log":                     7,
		"partitions/a-0/0.dat":           100,
		"partitions/a-0/0.idx":           2 * indexEntry,
		"partitions/a-0/40.dat":          50,
		"partitions/a-0/40.idx":          indexEntry,
		"partitions/a-0/snapshot.json":   9,
		"partitions/a-0/40.dat.tmp":      1,
		"partitions/somebody-elses/file": 5,
	} {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	u, err := readUsage(dir)
	got := fmt.Sprintf("%d bytes, %d batches, %v, %v", u.bytes, u.batches, u.partitions, err)
	want := "202 bytes, 3 batches, [{a 0 [{0 130 2} {40 65 1}]}], <nil>"
	if got != want {
		t.Errorf("readUsage\n got %s\nwant %s", got, want)
	}
}
