package broker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// suspect is how many bytes a length of 2^28 or more takes: kmsg's decoder counts to
// whatever number of tags a request says it has, which are never there, and above 2^28
// that takes seconds.
const suspect = 5

// sound looks into the body of a request with flexible lengths: where five of its bytes
// could be such a number, it is decoded with other bytes in their place, and encoded
// again. What was part of a text or a number comes out as it went in; a length does not.
// One of the bytes may be the mark of a struct that is null, which must stay, so several
// ways are tried.
func sound(body []byte, key, version int16) error {
	if !slices.ContainsFunc(replaced, func(which []int) bool { return survives(body, which, key, version) }) {
		return fmt.Errorf("body of a %s request: its lengths do not fit each other", kmsg.NameForKey(key))
	}
	return nil
}

// replaced are the bytes of a number that get another value: without its first or its
// second one as it was, it is a small number.
var replaced = [][]int{{0, 1, 2, 3}, {0}, {1}}

func survives(body []byte, which []int, key, version int16) bool {
	other := disarmed(body, which)
	if other == nil {
		return true
	}
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	return req.ReadFrom(other) == nil && bytes.Equal(req.AppendTo(nil), other)
}

// disarmed is a copy of the body without numbers that take five bytes; nil if there are
// none. The last byte of each stays: it may be a length that follows a text. What they
// become nobody can know beforehand, and send a body that is sound with it.
func disarmed(body []byte, which []int) (other []byte) {
	for i := 0; i+suspect <= len(body); {
		n, size := binary.Uvarint(body[i : i+suspect])
		if size != suspect || n < 1<<28 {
			i++
			continue
		}
		if other == nil {
			other = slices.Clone(body)
		}
		for _, k := range which {
			other[i+k] = byte(64 + rand.IntN(63)) //nolint:gosec // no secret
		}
		i += suspect
	}
	return other
}
