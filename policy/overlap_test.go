// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOverlaps(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"*", "resource:docs/file:///a", true},
		{"github/*", "*/search_*", true},
		{"github/get_*", "github/*_issue", true},
		{"github/get_*", "github/set_*", false},
		{"github/*", "gitlab/*", false},
		{"github/*", "prompt:github/*", false},
		{"upstream:github", "prompt:github/*", true},
		{"github/get?", "github/get", false},
		{"github/*[readOnlyHint]", "github/*[!readOnlyHint]", true}, // conditions are left aside
	} {
		a, errA := ParsePattern(tt.a)
		b, errB := ParsePattern(tt.b)
		if errA != nil || errB != nil {
			t.Fatalf("%v, %v", errA, errB)
		}
		if a.Overlaps(b) != tt.want || b.Overlaps(a) != tt.want {
			t.Errorf("%s overlaps %s: %t and %t, want %t", tt.a, tt.b, a.Overlaps(b), b.Overlaps(a), tt.want)
		}
	}
}

// TestOverlapsHasAWitness compares with all short names: patterns overlap when one
// of them is matched by both.
func TestOverlapsHasAWitness(t *testing.T) {
	var names []string
	for _, first := range []string{"", "a", "b"} {
		for _, rest := range []string{"", "a", "b", "aa", "ab", "ba", "bb", "aba", "bab", "abb", "baa", "abab", "baba", "bbaa"} {
			if first+rest != "" {
				names = append(names, first+rest)
			}
		}
	}
	glob := rapid.StringMatching(`[ab?*]{1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		a, errA := ParsePattern("u/" + glob.Draw(t, "a"))
		b, errB := ParsePattern("u/" + glob.Draw(t, "b"))
		if errA != nil || errB != nil {
			t.Fatalf("%v, %v", errA, errB)
		}
		var witness []string
		for _, name := range names {
			o := &Object{Kind: "tool", Upstream: "u", OriginalName: name}
			if a.Match(o) && b.Match(o) {
				witness = append(witness, name)
			}
		}
		if a.Overlaps(b) != (len(witness) > 0) {
			t.Fatalf("%s overlaps %s: %t, and both match %q", a, b, a.Overlaps(b), strings.Join(witness, " "))
		}
	})
}
