package simulator

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

const (
	// eventsPerSlot is how many acts share a slot of the wheel in the mean. Within a
	// slot, which is 40 ms at 100 events/s, their order is not that of time.
	eventsPerSlot = 4
	// maxSlots bounds the wheel: 16 MB.
	maxSlots = 1 << 22
)

// visitors are the sessions that are open, by when they act next: a timing wheel,
// whose cost does not grow with their number. Time is in slots and has no other
// unit; that an event has its place in the order is all that matters here.
type visitors struct {
	sessions []session // 0 is none
	free     uint32    // the first free one
	open     int
	heads    []uint32 // the first session of each slot
	mask     uint64
	now      uint64
	arrival  uint64 // when the next session begins
	exact    float64
	stay     *dwell
}

// newVisitors makes an empty wheel for so many sessions in the mean. slotsPerStay
// is the mean dwell time in slots.
func newVisitors(s *scenario, sessions float64) (v *visitors, slotsPerStay float64) {
	slotsPerStay = max(sessions, 1) / eventsPerSlot
	probe := newDwell(s.dwellShape, 1)
	longest := float64(probe.quantiles[dwellCells]) / 256 / weibullMean(s.dwellShape, 1) // in mean stays
	slotsPerStay = min(slotsPerStay, (maxSlots-4)/longest)
	v = &visitors{
		sessions: make([]session, 1, int(sessions)+int(4*math.Sqrt(sessions))+64),
		stay:     newDwell(s.dwellShape, slotsPerStay/weibullMean(s.dwellShape, 1)),
	}
	size := uint64(1) << bits.Len64(uint64(v.stay.longest()+1))
	v.heads, v.mask = make([]uint32, size), size-1
	return v, slotsPerStay
}

// enter opens a session, which is not on the wheel yet.
func (v *visitors) enter() uint32 {
	v.open++
	i := v.free
	if i == 0 {
		v.sessions = append(v.sessions, session{})
		return uint32(len(v.sessions) - 1)
	}
	v.free = v.sessions[i].link
	return i
}

// leave ends a session, which must be off the wheel.
func (v *visitors) leave(i uint32) {
	v.sessions[i].link = v.free
	v.free = i
	v.open--
}

// wait puts a session on the wheel, so many slots from now.
func (v *visitors) wait(i, slots uint32) {
	at := (v.now + uint64(slots)) & v.mask
	v.sessions[i].link = v.heads[at]
	v.heads[at] = i
}

// next takes the session that acts next off the wheel; 0 is one that begins.
func (v *visitors) next() uint32 {
	if v.open == 0 {
		v.now = max(v.now, v.arrival)
	}
	for {
		if v.now >= v.arrival {
			return 0
		}
		head := &v.heads[v.now&v.mask]
		if i := *head; i != 0 {
			*head = v.sessions[i].link
			return i
		}
		v.now++
	}
}

// announce sets when the next session begins, so many slots after the last one did.
// The gaps of a Poisson process are exponential.
func (v *visitors) announce(slots float64) {
	v.exact += slots
	v.arrival = uint64(v.exact)
}

// clear sends everybody away.
func (v *visitors) clear() {
	v.sessions, v.free, v.open = v.sessions[:1], 0, 0
	clear(v.heads)
}

// deck deals users in rounds: each comes once in a round, in an order drawn anew.
type deck struct {
	cards []uint32
	turn  int
}

func newDeck(n int) deck {
	d := deck{cards: make([]uint32, n)}
	for i := range d.cards {
		d.cards[i] = uint32(i)
	}
	return d
}

// deal returns the next of the round: one step of a Fisher-Yates shuffle.
func (d *deck) deal(draws *rand.PCG) uint32 {
	if d.turn == len(d.cards) {
		d.turn = 0
	}
	i, j := d.turn, d.turn+int(below(uint32(draws.Uint64()>>32), uint32(len(d.cards)-d.turn)))
	d.cards[i], d.cards[j] = d.cards[j], d.cards[i]
	d.turn++
	return d.cards[i]
}
