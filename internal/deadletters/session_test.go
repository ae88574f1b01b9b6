package deadletters

import (
	"regexp"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestOpenTransactions: a transaction that holds the marks back is named as Kafka's own
// tools name it.
func TestOpenTransactions(t *testing.T) {
	const topic = "letters-handled"
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	client := func(opts ...kgo.Opt) *kgo.Client {
		t.Helper()
		c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(broker.ListenAddrs()...), kgo.DefaultProduceTopic(topic))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	asks := client()
	says := func(want string) {
		t.Helper()
		if got := (&Replay{Client: asks, Letters: "letters"}).openTransactions(t.Context()); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	produce := func(c *kgo.Client) {
		t.Helper()
		if err := c.ProduceSync(t.Context(), kgo.StringRecord("{}")).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	produce(asks)
	says("a transaction of another replay")
	other := client(kgo.TransactionalID("other"))
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(other)
	says("the transaction of producer id [0-9]+ that begins at offset 1")
	if err := other.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	says("a transaction of another replay")
}
