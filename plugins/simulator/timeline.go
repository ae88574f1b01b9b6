package simulator

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// happening is something on the timeline, again and again: every so often from at
// on, both counted from Monday, 00:00, in scenario time.
type happening struct {
	at, every, length time.Duration

	outage   bool
	product  int     // number of the product; 0: any, drawn for each occurrence
	products int     // how many are drawn instead of one product; 0 in a campaign
	views    float64 // how many times their share of the page views
	discount float64
	addition float64 // factor of what a page view of them leads to
	traffic  float64 // factor of the visitors, with a rhythm
}

func (s *scenario) readTimeline(r *reader) field {
	return func(n *yaml.Node, path string) {
		if n.Kind != yaml.SequenceNode || len(n.Content) > maxTimeline {
			r.fault(n, path, "want a list of at most %d entries, got %s of %d", maxTimeline, kindOf(n), len(n.Content))
			return
		}
		for i, entry := range n.Content {
			path := path + "[" + strconv.Itoa(i) + "]"
			one := map[string]field{}
			for name, read := range map[string]func(*reader, *yaml.Node, string){
				"campaign": s.readCampaign, "flash_sale": s.readSale, "outage": s.readOutage,
			} {
				one[name] = func(n *yaml.Node, path string) { read(r, n, path) }
			}
			r.mapping(entry, path, one)
			if entry.Kind == yaml.MappingNode && len(entry.Content) != 2 {
				r.fault(entry, path, "want one of %s: give each its own dash", names(one))
			}
		}
		times := 0
		for _, h := range s.timeline {
			times += int(week / h.every)
		}
		if times > maxTimes {
			r.fault(n, path, "want at most %d things a week, got %d: let them happen less often", maxTimes, times)
		}
	}
}

func (s *scenario) readCampaign(r *reader, n *yaml.Node, path string) {
	h := happening{views: 10, addition: 1, traffic: 1}
	s.readHappening(r, n, path, &h, map[string]field{
		"product": s.readProduct(r, &h.product),
		"views":   r.number(&h.views, 0, 1000),
		"traffic": r.number(&h.traffic, 0, 1000),
	})
}

func (s *scenario) readSale(r *reader, n *yaml.Node, path string) {
	h := happening{products: 20, views: 1, discount: 0.2, addition: 1, traffic: 1}
	s.readHappening(r, n, path, &h, map[string]field{
		"products":    r.whole(&h.products, 1, maxProducts),
		"discount":    r.number(&h.discount, 0.01, 0.95),
		"views":       r.number(&h.views, 0, 1000),
		"add_to_cart": r.number(&h.addition, 0, 1000),
		"traffic":     r.number(&h.traffic, 0, 1000),
	})
}

func (s *scenario) readOutage(r *reader, n *yaml.Node, path string) {
	h := happening{outage: true, views: 1, addition: 1}
	s.readHappening(r, n, path, &h, map[string]field{})
}

// readHappening reads what all entries have, and adds the entry to the timeline.
func (s *scenario) readHappening(r *reader, n *yaml.Node, path string, h *happening, fields map[string]field) {
	var at *yaml.Node
	fields["at"] = func(n *yaml.Node, path string) {
		var ok bool
		at = n
		if h.at, h.every, ok = parseAt(n.Value); !ok || n.Kind != yaml.ScalarNode {
			r.fault(n, path, `want a time like "19:00" (every day) or "fri 19:00" (every week), got %s`, kindOf(n))
		}
	}
	var every time.Duration
	fields["every"] = r.span(&every, time.Minute, week)
	fields["for"] = r.span(&h.length, time.Second, week)
	before := len(r.faults)
	r.mapping(n, path, fields)
	if len(r.faults) > before {
		return
	}
	if every > 0 {
		h.every = every
	}
	switch {
	case at == nil && every == 0:
		r.fault(n, path, `want a time: give at: "19:00" or every: 1h`)
	case h.length == 0:
		r.fault(n, path, "want a duration: give for: 10m")
	case week%h.every != 0:
		r.fault(n, path+".every", "want a part of a week, like 10m, 1h or 24h, got %s", h.every)
	case h.at >= h.every && every > 0:
		r.fault(n, path+".at", "want the first time, within %s of Monday 00:00, got %s", h.every, h.at)
	case h.length > h.every:
		r.fault(n, path+".for", "want at most %s, which is when it begins again, got %s", h.every, h.length)
	case h.outage && h.length == h.every:
		r.fault(n, path+".for", "want less than %s: the shop must open at some time", h.every)
	default:
		s.timeline = append(s.timeline, *h)
	}
}

// readProduct returns a field that takes "any" or an id like prod_042.
func (s *scenario) readProduct(r *reader, into *int) field {
	return func(n *yaml.Node, path string) {
		digits, ok := strings.CutPrefix(n.Value, "prod_")
		number, err := strconv.Atoi(digits)
		switch {
		case n.Kind == yaml.ScalarNode && n.Value == "any":
			*into = 0
		case n.Kind != yaml.ScalarNode || !ok || err != nil || number < 1 || number > maxProducts:
			r.fault(n, path, `want "any" or the id of a product, like prod_042, got %s`, kindOf(n))
		default:
			*into = number
			r.later = append(r.later, func() { // the catalogue may be further down
				if number > s.products {
					r.fault(n, path, "want one of the %d products of the catalog, got %s", s.products, kindOf(n))
				}
			})
		}
	}
}

// targets returns the products that an occurrence is about, numbered from 0. They
// follow from the draws: the same ones for a seed, whenever it is asked.
func (h *happening) targets(draws *rand.PCG, catalog int) []int {
	switch {
	case h.outage:
		return nil
	case h.product > 0:
		return []int{h.product - 1}
	case h.products == 0:
		return []int{int(below(uint32(draws.Uint64()), uint32(catalog)))}
	}
	return rand.New(draws).Perm(catalog)[:min(h.products, catalog)]
}
