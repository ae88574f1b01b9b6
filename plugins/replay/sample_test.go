package replay

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write config/sample.csv")

const samplePath = "../../config/sample.csv"

// sample makes config/sample.csv: a thousand rows in the layout of REES46, none of them
// taken from it. A row comes 0 to 6 s after the one before; one of 80 visitors looks at
// one of 50 products (12 of 20 times the visitor's cart is left alone), puts what they
// looked at last into the cart, takes it out, or buys it. Categories and brands are
// often empty, one product costs nothing.
func sample() string {
	r := rand.New(rand.NewPCG(46, 2019))
	categories := []string{"", "electronics.smartphone", "appliances.kitchen.kettle", "", "apparel.shoes", "furniture.bedroom.bed"}
	brands := []string{"", "acme", "globex", "initech", "umbrella", ""}
	type product struct{ id, category, code, brand, price string }
	var products [50]product
	for i := range products {
		c := r.IntN(len(categories))
		products[i] = product{
			fmt.Sprint(1_000_000 + 17*i), fmt.Sprint(2_053_013_550_000_000_000 + int64(c)), categories[c],
			brands[r.IntN(len(brands))], fmt.Sprintf("%d.%02d", r.IntN(900), r.IntN(100)),
		}
	}
	products[7].price = "0.00"
	type visitor struct {
		id, session string
		seen, cart  int // product plus one
	}
	var visitors [80]visitor
	for i := range visitors {
		visitors[i].id = fmt.Sprint(512_000_000 + 31*i)
		visitors[i].session = fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Uint64()>>16)
	}
	var out strings.Builder
	out.WriteString("event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n")
	at := time.Date(2019, 10, 1, 0, 0, 0, 0, time.UTC)
	for range 1000 {
		at = at.Add(time.Duration(r.IntN(7)) * time.Second)
		v := &visitors[r.IntN(len(visitors))]
		kind, which := "view", r.IntN(len(products))
		switch act := r.IntN(20); {
		case act >= 12 && v.cart > 0:
			kind, which = "purchase", v.cart-1
			if act == 12 {
				kind = "remove_from_cart"
			}
			v.cart = 0
		case act >= 17 && v.seen > 0:
			kind, which = "cart", v.seen-1
			v.cart = v.seen
		default:
			v.seen = which + 1
		}
		p := products[which]
		fmt.Fprintf(&out, "%s UTC,%s,%s,%s,%s,%s,%s,%s,%s\n", at.Format(time.DateTime), kind, p.id, p.category, p.code, p.brand, p.price, v.id, v.session)
	}
	return out.String()
}

// TestSample: the file that ships is what the rule makes.
func TestSample(t *testing.T) {
	if *update {
		if err := os.WriteFile(samplePath, []byte(sample()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(samplePath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != sample() {
		t.Error("config/sample.csv is not what sample makes: go test ./plugins/replay -run TestSample -update")
	}
}
