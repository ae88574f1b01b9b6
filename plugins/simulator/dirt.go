package simulator

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"clickstream/internal/event"
)

// dirtKind is a way in which trackers go wrong. The zero value is none.
type dirtKind uint8

// The kinds, in the order of docs/simulator.md.
const (
	clean dirtKind = iota
	resend
	resendChanged
	late
	outOfOrder
	clockSkew
	malformedJSON
	missingField
	extraField
	wrongType
	hugeValue
	badValue
	invalidUTF8
	dirtKinds // how many
)

var dirtNames = [dirtKinds]string{
	"clean", "resend", "resend_changed", "late", "out_of_order", "clock_skew", "malformed_json",
	"missing_field", "extra_field", "wrong_type", "huge_value", "bad_value", "invalid_utf8",
}

var dirtProse = [dirtKinds]string{
	resend:        "an event again, byte by byte, as a client does that heard no answer",
	resendChanged: "an event_id again with another price",
	late:          "an event dated a minute to three days ago",
	outOfOrder:    "an event dated up to 30 s before those sent already",
	clockSkew:     "an event dated a minute to three hours ahead, always the same for a user",
	malformedJSON: "no JSON: cut off, more data behind the object, NaN as a price, a form instead",
	missingField:  "one of the six fields is missing or null",
	extraField:    "fields that nobody asked for",
	wrongType:     "a field of another type",
	hugeValue:     "a price or a time out of range, or a user_id of 4 KiB",
	badValue:      "an event_type that does not exist, a time that is none",
	invalidUTF8:   "bytes that are not UTF-8 in a text",
}

const (
	// maxLateness and minLateness bound `late`; between them short delays are as
	// likely as long ones by their order of magnitude.
	minLateness, maxLateness = time.Minute, 72 * time.Hour
	maxDisorder              = 30 * time.Second
	minSkew, maxSkew         = time.Minute, 3 * time.Hour
	// memory is how many events a re-send may go back.
	memory = 1024
)

// stored is what a ledger expects of a record that is stored.
const stored = "stored"

// sent is what the ledger says of one record.
type sent struct {
	id       [16]byte // of the event that it was or should have been
	kind     dirtKind
	expected string // stored, or the reason of the dead letter
}

// dirt spoils events by chance. It is pure, and draws from a stream of its own: the
// visitors of a seed do the same with it and without.
type dirt struct {
	draws  *rand.Rand
	bounds [dirtKinds]float64 // of one draw from 0 to 1
	past   []event.Event      // clean events sent, a ring
	count  int
	buf    []byte
}

// newDirt returns nil, and costs nothing, if all shares are 0.
func newDirt(seed uint64, shares [dirtKinds]float64) *dirt {
	d := &dirt{draws: rand.New(rand.NewPCG(seed, streamDirt))}
	sum := 0.0
	for kind := resend; kind < dirtKinds; kind++ {
		sum += shares[kind]
		d.bounds[kind] = sum
	}
	if sum == 0 {
		return nil
	}
	d.past = make([]event.Event, 0, memory)
	return d
}

// append appends the next record, dated at unixMilli unless its date is the dirt,
// and returns the event it is about.
func (d *dirt) append(dst []byte, g *generator, unixMilli int64) ([]byte, event.Event, sent) {
	kind := d.pick()
	if kind == resend || kind == resendChanged {
		e := d.past[d.draws.IntN(len(d.past))]
		if kind == resendChanged {
			e.Price += 1 + d.draws.Int64N(1000)
		}
		return event.Append(dst, e), e, sent{e.ID, kind, stored}
	}
	e := g.next()
	e.UnixMilli = unixMilli
	if kind == clean {
		d.remember(e)
		return event.Append(dst, e), e, sent{e.ID, kind, stored}
	}
	dst, expected := d.spoil(dst, e, kind)
	return dst, e, sent{e.ID, kind, expected}
}

// pick draws a kind; nothing can be sent again before anything was sent.
func (d *dirt) pick() dirtKind {
	draw := d.draws.Float64()
	for kind := resend; kind < dirtKinds; kind++ {
		if draw < d.bounds[kind] {
			if kind <= resendChanged && len(d.past) == 0 {
				return clean
			}
			return kind
		}
	}
	return clean
}

func (d *dirt) remember(e event.Event) {
	if len(d.past) < memory {
		d.past = append(d.past, e)
		return
	}
	d.past[d.count%memory] = e
	d.count++
}

// spoil appends a spoilt event and returns what must become of it.
func (d *dirt) spoil(dst []byte, e event.Event, kind dirtKind) ([]byte, string) {
	switch kind {
	case late:
		exponent := d.draws.Float64() * math.Log(float64(maxLateness/minLateness))
		e.UnixMilli -= int64(float64(minLateness.Milliseconds()) * math.Exp(exponent))
	case outOfOrder:
		e.UnixMilli -= 1 + d.draws.Int64N(maxDisorder.Milliseconds())
	case clockSkew:
		e.UnixMilli += skewOf(e.UserID).Milliseconds()
	default:
		d.buf = event.Append(d.buf[:0], e)
		text, expected := d.deface(string(d.buf), e, kind)
		return append(dst, text...), expected
	}
	return event.Append(dst, e), stored
}

// skewOf is how far a user's clock goes wrong.
func skewOf(user string) time.Duration {
	sum := uint64(14695981039346656037) // FNV-1a
	for i := range len(user) {
		sum = (sum ^ uint64(user[i])) * 1099511628211
	}
	return minSkew + time.Duration(sum%uint64(maxSkew-minSkew))
}

// deface returns the JSON of an event spoilt, and what must become of it.
func (d *dirt) deface(doc string, e event.Event, kind dirtKind) (string, string) {
	type way struct{ old, new string } // the first old is replaced
	var ways []way
	var reason event.Reason
	user, product := quoted("user_id", e.UserID), quoted("product_id", e.ProductID)
	price := doc[strings.Index(doc, `"price":`):strings.Index(doc, `,"timestamp"`)]
	when := doc[strings.Index(doc, `"timestamp":`) : len(doc)-1]
	id, what := doc[1:strings.Index(doc, `,"event_type"`)], quoted("event_type", e.Type.String())
	switch kind {
	case malformedJSON:
		reason = event.ReasonJSON
		cut := 1 + d.draws.IntN(len(doc)-1)
		ways = []way{{doc[cut:], ""}, {doc, doc + doc[:cut]}, {price, `"price":NaN`},
			{doc, "event_id=" + id[12:len(id)-1] + "&event_type=" + e.Type.String()}}
	case missingField:
		reason = event.ReasonMissing
		ways = []way{{id + ",", ""}, {what + ",", ""}, {user + ",", ""}, {product + ",", ""}, {price + ",", ""}, {"," + when, ""},
			{user, `"user_id":null`}, {price, `"price":null`}}
	case extraField:
		ways = []way{{id, `"session":{"tab":[1,2,{"deep":null}]},` + id}, {when, when + `,"utm_source":"newsletter","consent":true`},
			{user, user + `,"Price":"0.00"`}}
	case wrongType:
		reason = event.ReasonType
		ways = []way{{price, `"price":"29.99"`}, {user, `"user_id":42`}, {product, `"product_id":["a","b"]`}, {when, `"timestamp":1700000000`},
			{id, quoted("event_id", "order-"+id[12:20])}, {what, `"event_type":true`}}
	case hugeValue:
		reason = event.ReasonRange
		ways = []way{{price, `"price":1e400`}, {price, `"price":` + strconv.Itoa(1_000_000_000_001+d.draws.IntN(1_000_000))}, {when, `"timestamp":"9999-12-31T23:59:59.999Z"`},
			{user, quoted("user_id", strings.Repeat("x", 4096))}}
	case badValue:
		ways = []way{{what, `"event_type":"page_veiw"`}, {when, `"timestamp":"yesterday"`}}
	case invalidUTF8:
		reason = event.ReasonJSON
		ways = []way{{user, "\"user_id\":\"user\xff\""}, {product, "\"product_id\":\"caf\xe9\""}, {what, "\"event_type\":\"\xc3\x28\""}}
	}
	n := d.draws.IntN(len(ways))
	expected := string(reason)
	switch {
	case kind == extraField:
		expected = stored
	case kind == badValue:
		expected = string([]event.Reason{event.ReasonValue, event.ReasonTime}[n])
	}
	return strings.Replace(doc, ways[n].old, ways[n].new, 1), expected
}

func quoted(name, value string) string { return fmt.Sprintf("%q:%q", name, value) }
