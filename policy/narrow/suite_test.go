// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"encoding/json"
	"os"
	"testing"
)

// TestSuite runs the tests that implementations of JSON Schema agree on.
func TestSuite(t *testing.T) {
	raw, err := os.ReadFile("testdata/suite.json")
	if err != nil {
		t.Fatal(err)
	}
	var groups []struct {
		Name           string
		Schema         json.RawMessage
		Valid, Invalid []json.RawMessage
	}
	if err := json.Unmarshal(raw, &groups); err != nil {
		t.Fatal(err)
	}
	if len(groups) < 500 {
		t.Fatalf("only %d groups", len(groups))
	}
	for _, g := range groups {
		for i, instance := range append(g.Valid, g.Invalid...) {
			fits, err := judgeOurs(g.Schema, instance)
			if want := i < len(g.Valid); err != nil || fits != want {
				t.Errorf("%s: %s fits: %v (%v), want %v", g.Name, instance, fits, err, want)
			}
		}
	}
}
