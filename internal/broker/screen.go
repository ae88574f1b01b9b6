package broker

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// maxPartitions is how many partitions all topics may have together: each costs
	// memory for ever and a millisecond at a stop, and kfake makes 20 million of them
	// without a question.
	maxPartitions = 2_000
	// maxFetch bounds an answer, as fetch.max.bytes of Apache Kafka does; kfake
	// would put the whole log into one if a client said so.
	maxFetch = 55 << 20
)

// topicName is Kafka's own rule; kfake takes every name.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// screen lets us see, mend or refuse each request in kfake's loop, before kfake acts
// on it. The functions run in the loop: they must not block nor call the cluster.
func screen(c *kfake.Cluster, dir string, took func(kmsg.Request)) {
	c.Fault(
		kfake.Fault{TopLevel: true, Observe: true, Count: -1, When: func(req kmsg.Request) bool {
			took(req)
			mend(req)
			return false
		}},
		kfake.Fault{
			Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.InvalidTopicException, Count: -1,
			When: hasBadName,
		},
		kfake.Fault{
			Keys: []kmsg.Key{kmsg.CreateTopics, kmsg.CreatePartitions}, Err: kerr.InvalidPartitions, Count: -1,
			When: func(req kmsg.Request) bool { return !partitionsFit(dir, req) },
		},
		kfake.Fault{
			Keys: []kmsg.Key{kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs}, Err: kerr.PolicyViolation, Count: -1,
			When: altersBroker,
		},
	)
}

// mend changes what kfake would stumble over and Apache Kafka would not.
func mend(req kmsg.Request) {
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		// From version 13 on topics come by id and have no name. kfake keeps its
		// answers by name: those of two unknown topics would fall into one.
		for i := range req.Topics {
			if t := &req.Topics[i]; req.Version >= 13 {
				t.Topic = hex.EncodeToString(t.TopicID[:])
			}
		}
	case *kmsg.FetchRequest:
		req.MaxBytes = min(req.MaxBytes, maxFetch)
	case *kmsg.ShareFetchRequest:
		req.MaxBytes = min(req.MaxBytes, maxFetch)
	}
}

func hasBadName(req kmsg.Request) bool {
	create, ok := req.(*kmsg.CreateTopicsRequest)
	if !ok {
		return false
	}
	for _, t := range create.Topics {
		if !topicName.MatchString(t.Topic) || t.Topic == "." || t.Topic == ".." {
			return true
		}
	}
	return false
}

// altersBroker reports whether req would change the broker's own settings: those are
// ours, and some of them end kfake at its next start.
func altersBroker(req kmsg.Request) bool {
	const broker, logger = kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger
	switch req := req.(type) {
	case *kmsg.AlterConfigsRequest:
		for _, r := range req.Resources {
			if r.ResourceType == broker || r.ResourceType == logger {
				return true
			}
		}
	case *kmsg.IncrementalAlterConfigsRequest:
		for _, r := range req.Resources {
			if r.ResourceType == broker || r.ResourceType == logger {
				return true
			}
		}
	}
	return false
}

// partitionsFit reports whether all topics together have at most maxPartitions after
// req. kfake keeps topics.json up to date.
func partitionsFit(dir string, req kmsg.Request) bool {
	have, err := readTopics(dir)
	if err != nil {
		return false
	}
	var sum int64
	for _, t := range have {
		sum += int64(t.Partitions)
	}
	switch req := req.(type) {
	case *kmsg.CreateTopicsRequest:
		for _, t := range req.Topics {
			if t.NumPartitions < -1 || t.NumPartitions == 0 { // -1 leaves it to the broker
				return false
			}
			sum += max(int64(t.NumPartitions), int64(len(t.ReplicaAssignment)), 1)
		}
	case *kmsg.CreatePartitionsRequest:
		for _, t := range req.Topics {
			sum += max(int64(t.Count), 0)
		}
	}
	return sum <= maxPartitions
}

// topicOnDisk is what kfake's topics.json says of a topic.
type topicOnDisk struct {
	Name       string `json:"name"`
	ID         string `json:"id"`
	Partitions int32  `json:"partitions"`
}

func (t topicOnDisk) id() (id [16]byte, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(t.ID)
	return id, err == nil && copy(id[:], raw) == len(id)
}

func readTopics(dir string) ([]topicOnDisk, error) {
	var file struct {
		Topics []topicOnDisk `json:"topics"`
	}
	raw, err := os.ReadFile(filepath.Join(dir, "topics.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("topics.json: %w", err)
	}
	return file.Topics, nil
}
