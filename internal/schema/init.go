package schema

import (
	"context"
	"fmt"
	"regexp"
	"time"
)

// Settings are everything that `clickstream init` needs to know.
type Settings struct {
	Kafka      Kafka
	ClickHouse ClickHouse
	// Topic takes the events, DeadLetters the records that cannot be stored.
	Topic, DeadLetters string
	// Partitions is how many a new Topic gets; Replication how many copies both
	// get, -1 for the cluster's default.
	Partitions, Replication int
	// Options are for the tables; the dead letters' retention holds for their topic
	// too, where Kafka's default would drop them after a week.
	Options Options
	// Writer and Reader are users to make, those that have a password.
	Writer, Reader User
	// Wait is how long servers that do not answer yet are asked again.
	Wait time.Duration
	// Say takes a line of text for people.
	Say func(string)
}

// A ConfigError is a setting that cannot be right, whatever the servers say.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns the setting's own error.
func (e *ConfigError) Unwrap() error { return e.Err }

// topicName is Kafka's own rule.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// maxPartitions is far above what one topic needs and below what harms a cluster.
const maxPartitions = 10_000

func (s Settings) check() error {
	for flag, name := range map[string]string{"--topic": s.Topic, "--dead-letters-topic": s.DeadLetters} {
		if !topicName.MatchString(name) || name == "." || name == ".." {
			return fmt.Errorf("%s: want 1 to 249 of the characters a-z A-Z 0-9 . _ -, got %q", flag, name)
		}
	}
	switch {
	case s.Topic == s.DeadLetters:
		return fmt.Errorf("--dead-letters-topic: want another topic than --topic, got %q for both", s.Topic)
	case s.Partitions < 1 || s.Partitions > maxPartitions:
		return fmt.Errorf("--partitions: want 1 to %d, got %d", maxPartitions, s.Partitions)
	case s.Replication != -1 && (s.Replication < 1 || s.Replication > 100):
		return fmt.Errorf("--replication: want 1 to 100, or -1 for the cluster's default, got %d", s.Replication)
	case s.Wait < 0:
		return fmt.Errorf("--wait: want 0s or more, got %s", s.Wait)
	}
	return checkDatabase(s.Options.Database)
}

// Init makes topics and tables as the settings say and tells what it did. An error
// of type ConfigError means that no server was asked.
func Init(ctx context.Context, s Settings) error {
	if err := s.check(); err != nil {
		return &ConfigError{err}
	}
	kafkaOptions, err := s.Kafka.options()
	if err != nil {
		return &ConfigError{err}
	}
	clickhouseOptions, err := s.ClickHouse.options()
	if err != nil {
		return &ConfigError{err}
	}
	w := waiter{time.Now().Add(s.Wait), s.Say}

	client, err := openKafka(ctx, kafkaOptions, s.Kafka.Brokers, w)
	if err != nil {
		return err
	}
	defer client.Close()
	changes, err := EnsureTopics(ctx, client, s.topics()...)
	for _, c := range changes {
		s.Say(c)
	}
	if err != nil {
		return err
	}

	conn, err := openClickHouse(ctx, clickhouseOptions, w)
	if err != nil {
		return err
	}
	defer conn.Close()
	report, err := Apply(ctx, conn, s.Options)
	if err != nil {
		for _, c := range report.Changes {
			s.Say(c)
		}
		return err
	}
	s.Say(report.String())
	for _, m := range []struct {
		User
		role
	}{{s.Writer, writer}, {s.Reader, reader}} {
		said, err := makeUser(ctx, conn, s.Options.Database, m.User, m.role)
		if err != nil {
			return err
		}
		if said != "" {
			s.Say(said)
		}
	}
	return nil
}

func (s Settings) topics() []Topic {
	return []Topic{
		{Name: s.Topic, Partitions: int32(s.Partitions), Replication: int16(s.Replication)},
		{Name: s.DeadLetters, Partitions: 1, Replication: int16(s.Replication), Retention: &s.Options.DeadLettersRetention},
	}
}
