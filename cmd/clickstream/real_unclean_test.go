//go:build kafka

package main

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"clickstream/internal/process"
)

// cluster is three Kafkas: broker and controller each.
type cluster struct {
	*stack
	ports, controllers [3]string
	nodes              [3]*proc
}

// TestRealKafkaUncleanElection lets a replica lead that has missed what the group has
// read: its log is cut there, and the offsets are given out again. The consumer stops
// and says which, though the log has grown past its commit since; told to rewind, it
// stores every record that has come, beside the rows of those that were lost.
func TestRealKafkaUncleanElection(t *testing.T) {
	runtime.LockOSThread() // for as long as the test: Kafka ends with this thread
	c := &cluster{stack: &stack{t: t, dir: t.TempDir(), native: freeAddress(t), http: freeAddress(t)}}
	for i := range c.nodes {
		_, c.ports[i], _ = net.SplitHostPort(freeAddress(t))
		_, c.controllers[i], _ = net.SplitHostPort(freeAddress(t))
	}
	c.brokerAddr = "127.0.0.1:" + c.ports[2] // the one that never dies
	c.startEngine()
	for i := range c.nodes {
		c.nodes[i] = c.launch(i)
	}
	for i := range c.nodes {
		c.up(i)
	}
	c.createTopic("clickstream", 1, 2)
	c.createTopic(lettersTopic, 3)
	c.init()

	c.sendEvents(0, 10) // to both replicas
	leader, follower := 0, 1
	if c.leader() == 2 {
		leader, follower = 1, 0
	}
	c.nodes[follower].kill()
	c.sendEvents(10, 20) // to the leader alone
	consume := c.pipeline("consume", nil)
	c.awaitNumber("SELECT count() FROM clickstream.events", 20)
	consume.stop()
	c.nodes[leader].kill()
	c.nodes[follower] = c.launch(follower)
	c.up(follower)
	c.sendEvents(100, 115)
	if end := c.ends("clickstream")[0]; end != 25 {
		t.Fatalf("end of the log after the election\n got %d\nwant 25: this test would prove nothing", end)
	}

	consume = c.pipeline("consume", nil)
	if code := consume.exit(); code == exitOK {
		t.Errorf("consumer of a log that was cut: exit code %d", code)
	}
	for _, want := range []string{"lost offsets 10 to 19", "on_truncation: rewind"} {
		if !strings.Contains(consume.out.String(), want) {
			t.Errorf("consumer of a log that was cut\n got %s\nwant %s", consume.out, want)
		}
	}
	consume = c.pipeline("consume", nil, "--set", "input.kafka.on_truncation=rewind")
	c.awaitNumber("SELECT count() FROM clickstream.events", 35)
	c.awaitNumber("SELECT uniqExact(event_id) FROM clickstream.events", 35)
	consume.stop()
}

func (c *cluster) launch(i int) *proc {
	c.t.Helper()
	var voters []string
	for n, port := range c.controllers {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%s", n+1, port))
	}
	cmd := exec.Command("../../bench/kafka/kafka", "start", filepath.Join(c.dir, "kafka"+c.ports[i]), c.ports[i], c.controllers[i])
	cmd.SysProcAttr = process.ChildAttributes(syscall.SIGKILL) // Java does not know of the pipe
	env := []string{fmt.Sprintf("KAFKA_NODE=%d", i+1), "KAFKA_VOTERS=" + strings.Join(voters, ","), "KAFKA_CLUSTER=4L6g3nShT-eMCtK--X86sw"}
	p, err := launchCommand(c.t, env, cmd)
	if err != nil {
		c.t.Fatal(err)
	}
	return p.ended()
}

func (c *cluster) up(i int) {
	c.t.Helper()
	awaitWithin(c.t, 6*patience, "Kafka", func() error {
		if strings.Contains(c.nodes[i].out.String(), "Kafka Server started") {
			return nil
		}
		return errors.New("not started yet")
	})
}

// createTopic makes a topic of one partition on these nodes; any of them may lead.
func (c *cluster) createTopic(name string, nodes ...int32) {
	c.t.Helper()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, -1, -1
	part := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
	part.Replicas = nodes
	unclean := kmsg.NewCreateTopicsRequestTopicConfig()
	unclean.Name, unclean.Value = "unclean.leader.election.enable", kmsg.StringPtr("true")
	topic.ReplicaAssignment, topic.Configs = append(topic.ReplicaAssignment, part), append(topic.Configs, unclean)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(c.t.Context(), c.kafka())
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) leader() int32 {
	c.t.Helper()
	meta, err := kadm.NewClient(c.kafka()).Metadata(c.t.Context(), "clickstream")
	if err != nil {
		c.t.Fatal(err)
	}
	return meta.Topics["clickstream"].Partitions[0].Leader
}

// sendEvents sends numbered events, and waits for an election if there has to be one.
func (c *cluster) sendEvents(from, to int) {
	c.t.Helper()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Topic: "clickstream", Value: []byte(eventJSON(i))})
	}
	if err := c.kafka().ProduceSync(c.t.Context(), records...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}
