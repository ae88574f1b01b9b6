package simulator

import (
	"fmt"
	"math"
	"strconv"

	"github.com/brianvoe/gofakeit/v7"
)

// products is the size of the catalogue: its ids are prod_001 to prod_200.
const products = 200

// product is what the shop sells. Its price never changes within a run, so what is
// bought costs what was seen.
type product struct {
	id    string
	cents int64
}

// newCatalog makes the catalogue of a seed, which must not be zero (gofakeit takes
// zero as "draw one"). Prices are between 3 and 100, gofakeit's range for a product.
func newCatalog(seed uint64) []product {
	faker := gofakeit.New(seed)
	catalog := make([]product, products)
	for i := range catalog {
		catalog[i] = product{
			id:    fmt.Sprintf("prod_%03d", i+1),
			cents: int64(math.Round(faker.Product().Price * 100)),
		}
	}
	return catalog
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
