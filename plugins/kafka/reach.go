package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"clickstream/internal/process"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fatalWait is how long Benthos waits before it asks again after an error that
// stops the process: long enough to be the last word in the log.
const fatalWait = time.Minute

// probeTimeout bounds one question to the cluster while nothing is known yet.
const probeTimeout = 5 * time.Second

// topicFacts is what the cluster says about the topic.
type topicFacts struct {
	cluster    string
	id         [16]byte
	partitions int
}

// link is a connection to a cluster together with what is known of its health.
type link struct {
	client
	log    *limiter
	health string // the name under which readiness is reported
	cl     *kgo.Client
	worked atomic.Bool // something succeeded: from then on every error is waited out
}

// refused tells the process to stop because of why, unless the link worked before:
// then somebody is changing the cluster, and waiting is kinder.
func (l *link) refused(why error) {
	if !l.worked.Load() {
		process.Fatal(why)
	}
}

// reach waits until the cluster answers and has the topic. It returns an error
// only if ctx ends or if waiting cannot help; then the process is told to stop.
func (l *link) reach(ctx context.Context) (topicFacts, error) {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		facts, err := l.probe(ctx)
		if err == nil {
			l.up()
			return facts, nil
		}
		if ctx.Err() != nil {
			return facts, ctx.Err()
		}
		why, fatal := l.explain(err)
		l.down(why)
		if fatal && !l.worked.Load() {
			l.refused(why)
			return facts, service.NewErrBackOff(why, fatalWait)
		}
		if !sleep(ctx, pause) {
			return facts, ctx.Err()
		}
	}
}

// up and down record whether the cluster can be used, for /ready and the log.
func (l *link) up() {
	if l.log.quiet.Swap(false) {
		l.log.log.With("brokers", strings.Join(l.brokers, ","), "topic", l.topic).Info("kafka answers")
	}
	process.SetHealth(l.health, nil)
}

func (l *link) down(why error) {
	l.log.quiet.Store(true)
	process.SetHealth(l.health, why)
	l.log.Warn("kafka cannot be used, trying again", "error", why)
}

// probe asks once for the topic.
func (l *link) probe(ctx context.Context) (topicFacts, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := l.cl.Ping(ctx); err != nil {
		return topicFacts{}, err
	}
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &l.topic
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, l.cl)
	if err != nil {
		return topicFacts{}, err
	}
	if len(resp.Topics) != 1 {
		return topicFacts{}, fmt.Errorf("metadata of %d topics, want 1", len(resp.Topics))
	}
	facts := topicFacts{id: resp.Topics[0].TopicID, partitions: len(resp.Topics[0].Partitions)}
	if resp.ClusterID != nil {
		facts.cluster = *resp.ClusterID
	}
	return facts, kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

// explain turns err into a sentence with the next step, and says whether it is
// one that no waiting can mend.
func (l *link) explain(err error) (why error, fatal bool) {
	step, fatal := l.step(err)
	switch {
	case step == "":
		return fmt.Errorf("%s: %w", l.name(), err), fatal
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return explained{l.name() + ": " + step, err}, fatal
	}
	return fmt.Errorf("%s: %w: %s", l.name(), err, step), fatal
}

// explained is an error whose own words add nothing to ours.
type explained struct {
	text string
	error
}

func (e explained) Error() string { return e.text }
func (e explained) Unwrap() error { return e.error }

// step is what a person should do about err; empty if nothing comes to mind.
func (l *link) step(err error) (step string, fatal bool) {
	if step, ok := tlsStep(err); ok {
		return step, true
	}
	var firstEOF *kgo.ErrFirstReadEOF
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fmt.Sprintf("user %q was refused: check sasl.user and sasl.password", l.user), true
	case errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kerr.IllegalSaslState):
		return "the broker does not take this login: check sasl.mechanism", true
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Sprintf("user %q may not use topic %q: grant it READ or WRITE on the topic", l.user, l.topic), true
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return fmt.Sprintf("user %q may not write idempotently: grant it IDEMPOTENT_WRITE on the cluster", l.user), true
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return fmt.Sprintf("user %q may not use the group: grant it READ on the group", l.user), true
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Sprintf("topic %q does not exist: create it with `clickstream init`", l.topic), false
	case errors.As(err, &firstEOF):
		return "the broker hung up at the first request: it may want tls, or a sasl login", false
	case errors.Is(err, io.EOF) && l.mechanism != nil:
		return "the broker hung up: some do at a wrong sasl.user or sasl.password", false
	case errors.Is(err, context.DeadlineExceeded), strings.Contains(err.Error(), "i/o timeout"):
		if l.tls != nil {
			return "no answer in time: check the address, and that it is the broker's tls port", false
		}
		return "no answer in time: check the address and the network", false
	case strings.Contains(err.Error(), "connection refused"):
		return "is the broker running? (`clickstream broker` starts one)", false
	case strings.Contains(err.Error(), "no such host"):
		return "check brokers: the host has no address", false
	}
	return "", false
}

// tlsStep knows the errors of a TLS handshake: a certificate does not get better
// by trying again.
func tlsStep(err error) (step string, ok bool) {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		verify  *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &unknown):
		return "the broker's certificate is signed by nobody we trust: set tls.root_cas_file", true
	case errors.As(err, &host):
		return "the broker's certificate is for another name: set tls_server_name", true
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "the broker's certificate is not valid: renew it, or check this machine's clock", true
	case errors.As(err, &record):
		return "the broker does not speak tls on this port: set tls.enabled to false, or use its tls port", true
	case strings.Contains(err.Error(), "remote error: tls:"):
		return "the broker refused the tls handshake: it may want a certificate, see tls.client_certs", true
	}
	return "", false
}

// sleep waits for d and returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
