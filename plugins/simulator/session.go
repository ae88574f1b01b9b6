package simulator

import "clickstream/internal/event"

const (
	// cartSize is how many products a cart holds; a full one takes no more.
	cartSize = 8
	// maxSessions bounds the memory (sessionBytes each). Where rate and dwell time
	// ask for more, visitors stay shorter.
	maxSessions = 1 << 20
)

// session is one visit, and what it does next. A user may have several at a time.
type session struct {
	link   uint32 // the next session of the same slot, or of the free ones; 0: none
	user   uint32
	viewed item
	cart   [cartSize]item
	next   event.Type
	items  uint8
}

// item is a product at the price at which it was seen, which is the price it is
// bought at.
type item struct {
	product  uint16
	discount uint8 // percent
}

// choice is what follows an act, as bounds of one 32-bit draw: the first of them
// that the draw is below says what; beyond all the session ends.
type choice struct {
	special uint32 // an addition after a page view, a removal after an addition
	browse  uint32 // another page view
	buy     uint32 // the checkout, if there is anything in the cart
}

// choices are those of a scenario, by the act that was.
type choices struct {
	view, viewOnSale, add, remove choice
}

// newChoices makes the choices; addition is the factor of what is on sale. With
// them a session has a geometric number of page views, an addition follows a view
// independently of all else, and at its end a cart is bought whole or not at all.
// So the shares of the scenario are those of the events, but for full carts.
func newChoices(s *scenario, addition float64) choices {
	after := func(special float64) choice {
		again := 1 - 1/s.pageViews
		browse := special + (1-special)*again
		return choice{bound(special), bound(browse), bound(browse + (1-browse)*s.purchase)}
	}
	return choices{
		view:       after(s.addToCart),
		viewOnSale: after(min(1, s.addToCart*addition)),
		add:        after(s.removeFromCart),
		remove:     after(0),
	}
}

// events returns how many events a session has in the mean, with nothing on sale.
func (s *scenario) events() float64 {
	return s.pageViews * (1 + s.addToCart*(1+s.removeFromCart+(1-s.removeFromCart)*s.purchase))
}

// act does what the session has in mind and returns it. page is the product that a
// page view would show.
func (s *session) act(page item) (event.Type, item) {
	switch s.next {
	case event.AddToCart:
		s.cart[s.items&(cartSize-1)] = s.viewed
		s.items++
		return event.AddToCart, s.viewed
	case event.Purchase, event.RemoveFromCart: // what was put in last
		s.items--
		return s.next, s.cart[s.items&(cartSize-1)]
	default:
		s.viewed = page
		return event.PageView, page
	}
}

// decide chooses what follows an act, and reports false if the session is over.
func (s *session) decide(did event.Type, c *choices, draw uint32) bool {
	odds, special := &c.view, event.AddToCart
	switch did {
	case event.PageView:
		if s.viewed.discount > 0 {
			odds = &c.viewOnSale
		}
		if s.items == cartSize { // full: look on
			special = event.PageView
		}
	case event.AddToCart:
		odds, special = &c.add, event.RemoveFromCart
	case event.RemoveFromCart:
		odds = &c.remove
	case event.Purchase: // the rest of the cart follows
		s.next = event.Purchase
		return s.items > 0
	}
	switch {
	case draw < odds.special:
		s.next = special
	case draw < odds.browse:
		s.next = event.PageView
	case draw < odds.buy && s.items > 0:
		s.next = event.Purchase
	default:
		return false
	}
	return true
}
