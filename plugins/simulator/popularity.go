package simulator

import (
	"math"
	"math/rand/v2"
)

// mostViews is the largest share of all page views that a campaign may draw.
const mostViews = 0.9

// popularity is how often products are looked at, as an alias table (Walker 1977):
// a draw costs one multiplication and one look, whatever the catalogue's size.
type popularity struct {
	cells []cell
}

// cell is a product and the one that shares its place in the table.
type cell struct {
	keep  uint32 // of 2^32: how often the place is the product's own
	other uint32
}

// zipf returns the shares of n products by rank: 1/k^s, of sum 1.
func zipf(n int, s float64) []float64 {
	shares := make([]float64, n)
	sum := 0.0
	for i := range shares {
		shares[i] = math.Pow(float64(i+1), -s)
		sum += shares[i]
	}
	for i := range shares {
		shares[i] /= sum
	}
	return shares
}

// raise gives some products so many times their share together, at most mostViews;
// what the others lose, they lose in proportion.
func raise(shares []float64, products []int, times float64) {
	sum := 0.0
	for _, p := range products {
		sum += shares[p]
	}
	want := min(sum*times, max(mostViews, sum))
	if sum == 0 || sum >= 1 || want == sum {
		return
	}
	down, up := (1-want)/(1-sum), want/sum
	for i := range shares {
		shares[i] *= down
	}
	for _, p := range products {
		shares[p] *= up / down
	}
}

// newPopularity makes the table of these shares, whose sum is 1.
func newPopularity(shares []float64) popularity {
	n := len(shares)
	left := make([]float64, n) // what a place lacks or has above its own, in places
	var small, large []int
	for i, share := range shares {
		left[i] = share * float64(n)
		if left[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	cells := make([]cell, n)
	for i := range cells {
		cells[i] = cell{keep: math.MaxUint32, other: uint32(i)}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		cells[s] = cell{keep: bound(left[s]), other: uint32(l)}
		if left[l] -= 1 - left[s]; left[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	return popularity{cells}
}

// draw returns a product.
func (p popularity) draw(draw uint64) uint32 {
	i := below(uint32(draw>>32), uint32(len(p.cells)))
	if uint32(draw) < p.cells[i].keep {
		return i
	}
	return p.cells[i].other
}

// bound turns a chance into the bound of a 32-bit draw.
func bound(chance float64) uint32 {
	return uint32(min(max(chance, 0)*(1<<32), math.MaxUint32))
}

// below maps a 32-bit draw to 0..n-1 by a multiplication. Some numbers come up to
// n in 2^32 more often than others, which nobody can see.
func below(draw, n uint32) uint32 { return uint32(uint64(draw) * uint64(n) >> 32) }

// ranks returns the products in the order of their popularity, drawn.
func ranks(draws *rand.PCG, n int) []int { return rand.New(draws).Perm(n) }
