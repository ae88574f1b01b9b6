package simulator

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"

	"clickstream/internal/event"
)

// freeRunning is the rate, in events per second, by which a scenario's time passes
// if the input has none: as fast as it can.
const freeRunning = 100

// The streams of random numbers that a seed has: each part has its own, so that one
// can change without the others.
const (
	streamActs = iota
	streamRanks
	streamTimeline
	streamDirt
)

// shop is what a generator needs to know.
type shop struct {
	scenario *scenario
	calendar *calendar
	users    int    // at least 1
	rate     int64  // events per second; 0 is as fast as it can
	seed     uint64 // not zero
	run      uint64 // another run of a seed has other event ids
}

// generator makes the events of a shop, one after the other. It is pure: no clock
// and no I/O, and the same seeds give the same events for ever. When an event
// leaves is the pacer's affair; event n belongs to the moment at which the calendar
// has it due, and visitors walk through the shop as fast as the events are asked for.
type generator struct {
	draws    rand.PCG
	chance   *rand.Rand // the same draws, as other laws
	ids      rand.ChaCha8
	shop     shop
	catalog  []product
	users    userIDs
	deck     deck
	visitors *visitors
	ranks    []int // products in the order of popularity

	perSecond float64 // events in a busy second of scenario time
	gap       float64 // slots between two sessions, in the mean, at busyness 1

	made, until int64 // events, and how many there are when the page turns
	weeks       float64
	stretch     int
	on          []int   // what happens now
	gapNow      float64 // slots
	popularity  popularity
	discounts   []uint8 // percent, by product
	choices     choices
}

// newGenerator opens the shop, with visitors in it: the state that it would have
// reached after a long time, so that the first events have purchases among them.
func newGenerator(s shop) *generator {
	sc := s.scenario
	g := &generator{
		draws:   *rand.NewPCG(s.seed, streamActs),
		shop:    s,
		catalog: newCatalog(s.seed, sc.products),
		users:   newUserIDs(s.users),
		deck:    newDeck(s.users),
		ranks:   ranks(rand.NewPCG(s.seed, streamRanks), sc.products),
		stretch: -1,
	}
	g.chance = rand.New(&g.draws)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], s.seed)
	binary.LittleEndian.PutUint64(key[8:], s.run)
	g.ids = *rand.NewChaCha8(key)

	rate := float64(s.rate)
	if rate == 0 {
		rate = freeRunning
	}
	g.perSecond = rate / sc.timeFactor
	sessions := min(g.perSecond*weibullMean(sc.dwellShape, sc.dwellScale.Seconds()), maxSessions)
	var slotsPerStay float64
	g.visitors, slotsPerStay = newVisitors(sc, sessions)
	g.gap = slotsPerStay * sc.events() / sessions

	g.turnPage()
	g.fill(sessions * g.gap / g.gapNow)
	g.visitors.announce(g.gapNow * g.chance.ExpFloat64())
	return g
}

// turnPage goes to the stretch of the calendar that the next event lies in.
func (g *generator) turnPage() {
	cal, sc := g.shop.calendar, g.shop.scenario
	begin := cal.upTo(cal.start)
	before := g.stretch
	g.weeks, g.stretch = cal.find(begin + (float64(g.made)+0.5)/g.perSecond)
	end := (cal.end(g.weeks, g.stretch) - begin) * g.perSecond
	g.until = max(int64(min(math.Ceil(end-0.5), math.MaxInt64/2)), g.made+1)
	st := &cal.stretches[g.stretch]
	g.gapNow = g.gap / st.rate
	if before >= 0 && cal.outageBetween(before, g.stretch) {
		g.visitors.clear()
	}
	if before >= 0 && slices.Equal(st.on, g.on) && !g.drawsAnew(st) {
		return
	}
	g.on = st.on
	shares := make([]float64, sc.products)
	for rank, share := range zipf(sc.products, sc.zipf) {
		shares[g.ranks[rank]] = share
	}
	g.discounts = make([]uint8, sc.products)
	addition := 1.0
	for _, k := range st.on {
		h := &sc.timeline[k]
		products := h.targets(g.drawsOf(k), sc.products)
		raise(shares, products, h.views)
		addition *= h.addition
		for _, p := range products {
			g.discounts[p] = max(g.discounts[p], uint8(math.Round(h.discount*100)))
		}
	}
	g.popularity = newPopularity(shares)
	g.choices = newChoices(sc, addition)
}

// drawsAnew reports whether something begins again just as it ends.
func (g *generator) drawsAnew(st *stretch) bool {
	for _, k := range st.on {
		if h := &g.shop.scenario.timeline[k]; h.length == h.every {
			return true
		}
	}
	return false
}

// drawsOf returns the draws of what happens now: those of this occurrence.
func (g *generator) drawsOf(k int) *rand.PCG {
	h := &g.shop.scenario.timeline[k]
	at := g.weeks*weekSeconds + g.shop.calendar.stretches[g.stretch].from
	occurrence := math.Floor((at - h.at.Seconds()) / h.every.Seconds())
	return rand.NewPCG(g.shop.seed, streamTimeline|uint64(k)<<8|uint64(int64(occurrence))<<20)
}

// fill lets in so many visitors, each somewhere in a visit and a stay, as they are
// met at a random moment. One simulated visitor after the other is met once in
// eight acts, which is too seldom for two to look alike.
func (g *generator) fill(sessions float64) {
	v := g.visitors
	var one session
	for met := 0; met < int(math.Round(min(sessions, maxSessions))); {
		kind, _ := one.act(g.page())
		draw := g.draws.Uint64()
		if !one.decide(kind, &g.choices, uint32(draw)) {
			one = session{}
		} else if draw>>61 == 0 {
			i := v.enter()
			v.sessions[i] = one
			v.wait(i, v.stay.remaining(g.draws.Uint64))
			met++
		}
	}
	for _, i := range v.heads { // users in the order in which they act, so that all show up soon
		for ; i != 0; i = v.sessions[i].link {
			v.sessions[i].user = g.deck.deal(&g.draws)
		}
	}
}

// page returns the product that a page view shows now.
func (g *generator) page() item {
	p := g.popularity.draw(g.draws.Uint64())
	return item{uint16(p), g.discounts[p]}
}

// maxLen returns the most bytes that an event of this generator has: its prices have
// six characters at most, far fewer than a price may have.
func (g *generator) maxLen() int {
	const spared = len("-92233720368547758.08") - len("100.00")
	return event.MaxLen(g.users.width, len(g.catalog[len(g.catalog)-1].id)) - spared
}

// next returns the next event. Its time is left to the caller.
func (g *generator) next() event.Event {
	if g.made == g.until {
		g.turnPage()
	}
	g.made++
	v := g.visitors
	i := v.next()
	if i == 0 {
		v.announce(g.gapNow * g.chance.ExpFloat64())
		i = v.enter()
		v.sessions[i] = session{user: g.deck.deal(&g.draws)}
	}
	s := &v.sessions[i]
	var page item
	if s.next != event.AddToCart {
		page = g.page()
	}
	kind, seen := s.act(page)
	user := s.user
	draw := g.draws.Uint64()
	if s.decide(kind, &g.choices, uint32(draw)) {
		v.wait(i, v.stay.draw(uint32(draw>>32)))
	} else {
		v.leave(i)
	}
	what := &g.catalog[seen.product]
	return event.Event{
		ID:        g.nextID(),
		Type:      kind,
		UserID:    g.users.at(user),
		ProductID: what.id,
		Price:     what.at(seen.discount),
	}
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
