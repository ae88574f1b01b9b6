package simulator

import (
	"fmt"
	"math"
	"strconv"

	"github.com/brianvoe/gofakeit/v7"
)

// product is what the shop sells. Its price changes only while it is on sale.
type product struct {
	id    string
	cents int64
}

// newCatalog makes n products, prod_001 and so on, of a seed, which must not be
// zero (gofakeit takes zero as "draw one"). Prices are between 3 and 100,
// gofakeit's range for a product.
func newCatalog(seed uint64, n int) []product {
	faker := gofakeit.New(seed)
	catalog := make([]product, n)
	for i := range catalog {
		catalog[i] = product{
			id:    fmt.Sprintf("prod_%03d", i+1),
			cents: int64(math.Round(faker.Product().Price * 100)),
		}
	}
	return catalog
}

// at returns the price in cents at a discount in percent.
func (p *product) at(discount uint8) int64 {
	if discount == 0 {
		return p.cents
	}
	return (p.cents*(100-int64(discount)) + 50) / 100
}

// userIDs holds the ids of all users in one text, since their length is the same:
// a million strings of their own would be three times the memory.
type userIDs struct {
	text  string
	width int // bytes of one id
}

// newUserIDs makes user_0001 to user_<n>, padded with zeros to the width of n, and
// to four digits at least.
func newUserIDs(n int) userIDs {
	digits := max(4, len(strconv.Itoa(n)))
	text := make([]byte, 0, n*(len("user_")+digits))
	for i := range n {
		text = fmt.Appendf(text, "user_%0*d", digits, i+1)
	}
	return userIDs{text: string(text), width: len("user_") + digits}
}

func (u userIDs) at(i uint32) string {
	from := int(i) * u.width
	return u.text[from : from+u.width]
}
