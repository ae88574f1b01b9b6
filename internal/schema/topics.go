package schema

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is one topic as it shall be.
type Topic struct {
	Name       string
	Partitions int32
	// Replication is the number of copies; -1 is the cluster's default.
	Replication int16
	// Retention is set on the new topic; nil is the cluster's default.
	Retention *Retention
}

// leaderPoll is how often a new topic is asked whether it can be written to; a
// cluster takes some 10 to 500 ms to elect leaders.
const leaderPoll = 50 * time.Millisecond

// EnsureTopics creates the topics that are missing and returns once all of them have
// leaders, so that a pipeline can start. A topic that exists is never changed: adding
// partitions would move users to other partitions and break their events' order. It
// says in words what it did and what is not as wanted.
func EnsureTopics(ctx context.Context, client *kgo.Client, topics ...Topic) ([]string, error) {
	admin := kadm.NewClient(client)
	var changes []string
	for _, t := range topics {
		change, err := ensureTopic(ctx, admin, t)
		if err != nil {
			return changes, fmt.Errorf("topic %q: %w", t.Name, err)
		}
		if change != "" {
			changes = append(changes, change)
		}
	}
	for _, t := range topics {
		if err := awaitLeaders(ctx, admin, t.Name); err != nil {
			return changes, fmt.Errorf("topic %q: wait for leaders: %w", t.Name, err)
		}
	}
	return changes, nil
}

func ensureTopic(ctx context.Context, admin *kadm.Client, t Topic) (change string, err error) {
	listed, err := admin.ListTopics(ctx, t.Name)
	if err != nil {
		return "", err
	}
	found := listed[t.Name]
	switch {
	case errors.Is(found.Err, kerr.UnknownTopicOrPartition):
		return createTopic(ctx, admin, t)
	case found.Err != nil:
		return "", explainKafka(found.Err)
	}
	return mismatch(t, len(found.Partitions)), nil
}

// mismatch says that an existing topic has another number of partitions than wanted.
func mismatch(t Topic, got int) string {
	if got == int(t.Partitions) {
		return ""
	}
	return fmt.Sprintf("topic %s has %d partitions, not %d: left as it is, since new partitions would break the order of each user's events",
		t.Name, got, t.Partitions)
}

func createTopic(ctx context.Context, admin *kadm.Client, t Topic) (change string, err error) {
	var configs map[string]*string
	if t.Retention != nil {
		ms := "-1"
		if *t.Retention > 0 {
			ms = strconv.FormatInt(int64(*t.Retention)*(24*time.Hour).Milliseconds(), 10)
		}
		configs = map[string]*string{"retention.ms": &ms}
	}
	_, err = admin.CreateTopic(ctx, t.Partitions, t.Replication, configs, t.Name)
	switch {
	case errors.Is(err, kerr.TopicAlreadyExists): // another init was faster
		return "", nil
	case err != nil:
		return "", fmt.Errorf("create: %w", explainKafka(err))
	}
	return fmt.Sprintf("created topic %s with %d %s", t.Name, t.Partitions, plural(int(t.Partitions), "partition")), nil
}

// awaitLeaders returns once each partition answers where it ends: then it has a
// leader, and that leader knows it.
func awaitLeaders(ctx context.Context, admin *kadm.Client, topic string) error {
	tick := time.NewTicker(leaderPoll)
	defer tick.Stop()
	for {
		offsets, err := admin.ListEndOffsets(ctx, topic)
		if err == nil {
			err = offsets.Error()
		}
		if err == nil && len(offsets[topic]) > 0 {
			return nil
		}
		if err != nil && !kerr.IsRetriable(err) && !isContext(err) {
			return explainKafka(err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// explainKafka adds the next step to the refusals that a person can act on.
func explainKafka(err error) error {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Errorf("%w; allow the user CREATE and DESCRIBE on the topic, or have it created beforehand", err)
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return fmt.Errorf("%w; give --replication a number of brokers that the cluster has", err)
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kerr.IllegalSaslState):
		return fmt.Errorf("%w; check KAFKA_SASL_MECHANISM, KAFKA_USER, and KAFKA_PASSWORD or KAFKA_PASSWORD_FILE", err)
	}
	return err
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
