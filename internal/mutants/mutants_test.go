package main

import "testing"

// TestEditsApply: the list keeps up with the code; what the edits do to the tests is
// `make mutants`, which takes minutes.
func TestEditsApply(t *testing.T) {
	for _, e := range edits {
		if _, err := e.apply("../.."); err != nil {
			t.Error(err)
		}
	}
}
