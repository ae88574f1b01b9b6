package simulator

import (
	"encoding/binary"
	"math/rand/v2"

	"clickstream/internal/event"
)

// How a visitor behaves. The shares come from REES46's public log of a
// multi-category shop, November 2019: 63,556,110 views, 3,028,930 additions to the
// cart, 916,939 purchases, so 69.3 : 3.3 : 1, and 30 % of what went into a cart was
// bought. TestShares holds the generator to them.
const (
	// addOdds is the chance that a visitor puts the product just viewed into the cart.
	addOdds = 487
	// payOdds and leaveOdds are the chances, at each act, that a visitor with
	// something in the cart goes to the checkout or gives the cart up: two acts later
	// on average, and 30 % of the carts are paid.
	payOdds   = 1500
	leaveOdds = 3450
	// cartSize is how many products a cart holds at most.
	cartSize = 4
)

// The same chances, which are in ten thousandths, as bounds of a 32-bit draw.
const (
	addBound   = uint32(addOdds << 32 / 10_000)
	payBound   = uint32(payOdds << 32 / 10_000)
	leaveBound = uint32((payOdds + leaveOdds) << 32 / 10_000)
)

// visitor is what the shop remembers of one user: 12 bytes, so that a million
// users stay in 12 MB. Products are numbered from 1; 0 is none.
type visitor struct {
	viewed uint16 // the product on the screen, unless it went into the cart
	cart   [cartSize]uint16
	items  uint8
	paying bool // at the checkout: what is left in the cart is bought next
}

// generator makes the events of a seed, one after the other. It is pure: no clock
// and no I/O, and the same seeds give the same events for ever.
//
// Users take turns: each acts once per round, in an order drawn anew each round.
// So all of them show up within one round (5 s at 500 users and 100 events/s), and
// a user's acts lie some seconds apart, as with people who read.
type generator struct {
	draws   rand.PCG
	ids     rand.ChaCha8
	catalog []product
	users   userIDs
	state   []visitor
	deck    []uint32 // all users; those before turn have acted in this round
	turn    int
}

// newGenerator makes users (at least 1) and a shop out of seed (not zero). Event
// ids depend on run too: another run of the same seed has other ids.
func newGenerator(users int, seed, run uint64) *generator {
	g := &generator{
		draws:   *rand.NewPCG(seed, 0),
		catalog: newCatalog(seed),
		users:   newUserIDs(users),
		state:   make([]visitor, users),
		deck:    make([]uint32, users),
	}
	for i := range g.deck {
		g.deck[i] = uint32(i)
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], seed)
	binary.LittleEndian.PutUint64(key[8:], run)
	g.ids = *rand.NewChaCha8(key)
	return g
}

// maxLen returns the most bytes that an event of this generator has.
func (g *generator) maxLen() int {
	return event.MaxLen(g.users.width, len(g.catalog[0].id))
}

// next returns the next event. Its time is left to the caller.
func (g *generator) next() event.Event {
	draw := g.draws.Uint64()
	user := g.nextUser(uint32(draw >> 32))
	kind, number := g.act(&g.state[user], uint32(draw))
	bought := &g.catalog[number-1]
	return event.Event{
		ID:        g.nextID(),
		Type:      kind,
		UserID:    g.users.at(user),
		ProductID: bought.id,
		Price:     bought.cents,
	}
}

// nextUser deals the next user of the round: one step of a Fisher-Yates shuffle, so
// a new order costs nothing up front.
func (g *generator) nextUser(draw uint32) uint32 {
	if g.turn == len(g.deck) {
		g.turn = 0
	}
	i, j := g.turn, g.turn+int(below(draw, uint32(len(g.deck)-g.turn)))
	g.deck[i], g.deck[j] = g.deck[j], g.deck[i]
	g.turn++
	return g.deck[i]
}

// act lets a visitor do the next thing and returns what it is and with which product.
func (g *generator) act(v *visitor, draw uint32) (event.Type, uint16) {
	if v.items > 0 {
		switch {
		case v.paying || draw < payBound:
			return event.Purchase, v.buy()
		case draw < leaveBound:
			v.items = 0
			return event.PageView, g.view(v)
		}
		draw = uint32(g.draws.Uint64()) // what is left of this draw is not uniform
	}
	if v.viewed != 0 && v.items < cartSize && draw < addBound {
		return event.AddToCart, v.add()
	}
	return event.PageView, g.view(v)
}

// view shows the visitor another product. Few products draw most looks: the square
// of a uniform draw sends a third of them to the first tenth of the catalogue.
func (g *generator) view(v *visitor) uint16 {
	draw := g.draws.Uint64() >> 32
	v.viewed = uint16(1 + below(uint32(draw*draw>>32), uint32(len(g.catalog))))
	return v.viewed
}

// add puts the product on the screen into the cart.
func (v *visitor) add() uint16 {
	number := v.viewed
	v.cart[v.items] = number
	v.items++
	v.viewed = 0
	return number
}

// buy takes one product out of the cart, which must not be empty; the rest follows
// at the visitor's next acts.
func (v *visitor) buy() uint16 {
	v.items--
	v.paying = v.items > 0
	return v.cart[v.items]
}

// nextID returns a UUID of version 4. Version 7 would sort by time, but it holds
// the wall clock, and the same seed must give the same ids.
func (g *generator) nextID() (id [16]byte) {
	const (
		version, variant         = 4 << 4, 2 << 6 // RFC 9562, section 5.4
		versionMask, variantMask = 0x0f, 0x3f
	)
	binary.BigEndian.PutUint64(id[0:], g.ids.Uint64())
	binary.BigEndian.PutUint64(id[8:], g.ids.Uint64())
	id[6] = id[6]&versionMask | version
	id[8] = id[8]&variantMask | variant
	return id
}

// below maps a 32-bit draw to 0..n-1 by a multiplication. Some numbers come up to
// n in 2^32 more often than others, which nobody can see.
func below(draw, n uint32) uint32 { return uint32(uint64(draw) * uint64(n) >> 32) }
