package schema

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"clickstream/internal/broker"
)

// newBroker returns the address of a broker of this test's own.
func newBroker(t *testing.T, listen string) string {
	t.Helper()
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Listen: listen, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b.Addr()
}

func newClient(t *testing.T, address string) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestEnsureTopics(t *testing.T) {
	client := newClient(t, newBroker(t, "127.0.0.1:0"))
	days, forever := Retention(30), Retention(0)
	topics := []Topic{
		{Name: "events", Partitions: 3, Replication: -1},
		{Name: "letters", Partitions: 1, Replication: 1, Retention: &days},
		{Name: "kept", Partitions: 1, Replication: 1, Retention: &forever},
	}
	got, err := EnsureTopics(t.Context(), client, topics...)
	want := []string{"created topic events with 3 partitions", "created topic letters with 1 partition", "created topic kept with 1 partition"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("first time\n got %q, %v\nwant %q", got, err, want)
	}
	for topic, want := range map[string]string{"letters": "2592000000", "kept": "-1"} {
		if got := retentionMillis(t, client, topic); got != want {
			t.Errorf("retention.ms of %s: got %s, want %s", topic, got, want)
		}
	}
	// A topic that is there takes records at once.
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "events", Value: []byte("x")}).FirstErr(); err != nil {
		t.Error(err)
	}
	if got, err := EnsureTopics(t.Context(), client, topics...); err != nil || len(got) != 0 {
		t.Errorf("second time\n got %q, %v\nwant nothing", got, err)
	}

	topics[0].Partitions = 6
	got, err = EnsureTopics(t.Context(), client, topics...)
	want = []string{"topic events has 3 partitions, not 6: left as it is, since new partitions would break the order of each user's events"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("another number of partitions\n got %q, %v\nwant %q", got, err, want)
	}
}

func retentionMillis(t *testing.T, client *kgo.Client, topic string) string {
	t.Helper()
	configs, err := kadm.NewClient(client).DescribeTopicConfigs(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "retention.ms" {
			return c.MaybeValue()
		}
	}
	return "absent"
}

func TestEnsureTopicsAtOnce(t *testing.T) {
	address := newBroker(t, "127.0.0.1:0")
	const inits = 8
	var wg sync.WaitGroup
	errs := make([]error, inits)
	said := make([][]string, inits)
	for i := range inits {
		client := newClient(t, address)
		wg.Go(func() {
			said[i], errs[i] = EnsureTopics(t.Context(), client, Topic{Name: "events", Partitions: 3, Replication: -1})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if got := len(slices.Concat(said...)); got != 1 {
		t.Errorf("inits that say they created the topic: got %d, want 1", got)
	}
}

func TestEnsureTopicsErrors(t *testing.T) {
	client := newClient(t, newBroker(t, "127.0.0.1:0"))
	for name, tc := range map[string]struct {
		topic Topic
		want  string
	}{
		"no partitions": {Topic{Name: "none", Partitions: 0, Replication: 1}, `topic "none": create: INVALID_PARTITIONS`},
		"replication":   {Topic{Name: "events", Partitions: 1, Replication: 7}, "; give --replication a number of brokers that the cluster has"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := EnsureTopics(t.Context(), client, tc.topic); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("EnsureTopics\n got %q, %v\nwant ...%s...", got, err, tc.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := EnsureTopics(ctx, client, Topic{Name: "events", Partitions: 1, Replication: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("EnsureTopics after cancel: got %v, want %v", err, context.Canceled)
	}
}
