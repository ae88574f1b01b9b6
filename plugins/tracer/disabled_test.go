package tracer

import (
	"context"
	"testing"
)

// TestStartAllocatesNothing pins why this plugin exists.
func TestStartAllocatesNothing(t *testing.T) {
	provider, err := open(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.WithValue(t.Context(), t, "kept")
	allocs := testing.AllocsPerRun(100, func() {
		if got, _ := provider.Tracer("x").Start(ctx, "y"); got != context.Context(ctx) {
			t.Fatal("Start returned another context than it was given")
		}
	})
	if allocs != 0 {
		t.Errorf("Start allocates %v times, want 0", allocs)
	}
}
