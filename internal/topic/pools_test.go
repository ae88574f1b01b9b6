package topic

import "testing"

func TestClasses(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 1000, 1024, 1025, 1 << 20, 1<<20 + 1} {
		if room := 1 << classFor(n); room < n || room >= 2*n && n > 1 {
			t.Errorf("room for %d: got %d", n, room)
		}
		if c := classOf(n); 1<<c > n || 1<<(c+1) <= n {
			t.Errorf("class of a capacity of %d: got %d", n, c)
		}
	}
}
