package event

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// Stream identifies a topic for ever, by the ids of its cluster and its own: names
// repeat, ids do not.
func Stream(cluster string, topic [16]byte) uint64 {
	h := fnv.New64a()
	h.Write([]byte(cluster))
	h.Write(topic[:])
	return h.Sum64()
}

const tagPrefix = "stream="

// CommitTag is the metadata of our commits: it ties an offset to the topic's id. A
// topic that was deleted and created anew keeps its name, and some brokers keep the
// group's offsets with it; they mean nothing in the new log.
func CommitTag(stream uint64) string {
	return tagPrefix + strconv.FormatUint(stream, 16)
}

// TagOfAnother reports whether a commit's metadata names another topic than stream. An
// offset that some tool committed names none, and is taken as it is.
func TagOfAnother(tag string, stream uint64) bool {
	return strings.HasPrefix(tag, tagPrefix) && tag != CommitTag(stream)
}
