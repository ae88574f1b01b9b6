package simulator

import "math"

// dwellCells is in how many equal shares the law of dwell times is cut; between
// their bounds it runs straight. At 1024 the table fits in the first-level cache,
// and its quantiles are exact at every thousandth.
const (
	dwellCells = 1024
	dwellBits  = 10
)

// dwell is how long a visitor stays before the next act, as a table of quantiles in
// 256ths of a slot: math.Pow and math.Log would cost as much as all else together.
//
// Times on a page follow a Weibull law of shape below 1: the longer somebody has
// stayed, the less likely they leave now (Liu, White and Dumais, SIGIR 2010).
type dwell struct {
	quantiles [dwellCells + 1]uint32
}

// weibull returns the quantile u, from 0 to below 1, of a law of scale 1.
func weibull(shape, u float64) float64 { return math.Pow(-math.Log1p(-u), 1/shape) }

// weibullMean is the mean of the law.
func weibullMean(shape, scale float64) float64 { return scale * math.Gamma(1+1/shape) }

// newDwell makes the table; scale is in slots. Its last bound is such that the mean
// of the last share is right: the law itself has no end.
func newDwell(shape, scale float64) *dwell {
	d := &dwell{}
	at := func(u float64) float64 { return scale * 256 * weibull(shape, u) }
	for i := range dwellCells {
		d.quantiles[i] = fixed(at(float64(i) / dwellCells))
	}
	const samples = 10_000
	mean := 0.0
	for i := range samples {
		mean += at(1-(1-(float64(i)+0.5)/samples)/dwellCells) / samples
	}
	d.quantiles[dwellCells] = fixed(2*mean - float64(d.quantiles[dwellCells-1]))
	return d
}

func fixed(v float64) uint32 { return uint32(min(v, maxSlots*256)) }

// draw returns a dwell time in whole slots; what is left over is a chance of one more.
func (d *dwell) draw(draw uint32) uint32 { return (d.fine(draw) + draw&0xff) >> 8 }

// fine returns a dwell time in 256ths of a slot.
func (d *dwell) fine(draw uint32) uint32 {
	i := draw >> (32 - dwellBits)
	part := uint64(draw>>8) & (1<<(24-dwellBits) - 1)
	low, high := d.quantiles[i], d.quantiles[i+1]
	return low + uint32(uint64(high-low)*part>>(24-dwellBits))
}

// longest returns the most slots that draw returns.
func (d *dwell) longest() uint32 { return d.quantiles[dwellCells]>>8 + 1 }

// remaining draws what is left of the stay of a visitor met at some moment: long
// stays are met more often, in proportion to their length, and anywhere in them.
func (d *dwell) remaining(draws func() uint64) uint32 {
	for longest := uint64(d.quantiles[dwellCells]); ; {
		draw := draws()
		stay := uint64(d.fine(uint32(draw)))
		if (draw>>32)*(longest+1)>>32 < stay {
			return uint32((draws() >> 32) * stay >> 40)
		}
	}
}
