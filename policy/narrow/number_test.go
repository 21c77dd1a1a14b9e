// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestDecimal compares with rational numbers.
func TestDecimal(t *testing.T) {
	literal := rapid.StringMatching(`-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?([eE][+-]?[0-9])?`)
	rational := func(rt *rapid.T, s string) *big.Rat {
		r, ok := new(big.Rat).SetString(s)
		if !ok {
			rt.Fatalf("not a number: %s", s)
		}
		return r
	}
	rapid.Check(t, func(rt *rapid.T) {
		s, o := literal.Draw(rt, "a"), literal.Draw(rt, "b")
		a, b := parseDecimal(s), parseDecimal(o)
		x, y := rational(rt, s), rational(rt, o)
		if a.cmp(b) != x.Cmp(y) || (a == b) != (x.Cmp(y) == 0) {
			rt.Errorf("%s and %s: %d, want %d", s, o, a.cmp(b), x.Cmp(y))
		}
		if a.integer() != x.IsInt() {
			rt.Errorf("%s is whole: %v", s, a.integer())
		}
		if y.Sign() != 0 {
			if want := new(big.Rat).Quo(x, y).IsInt(); a.multipleOf(b) != want {
				rt.Errorf("%s is a multiple of %s: %v, want %v", s, o, !want, want)
			}
		}
		if string(a.key(nil)) == string(b.key(nil)) != (a == b) {
			rt.Errorf("keys of %s and %s", s, o)
		}
	})
}

func TestHugeNumbers(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"1e999999999999999999999", "1e5", 1}, {"-1e999999999999999999999", "0", -1}, {"1e-999999999999999999999", "0", 1}, {"1e-999999999999999999999", "1e-5", -1},
		{"0e999999999999999999999", "0", 0}, {"-0.0", "0", 0}, {"1000000000000000000000000000001", "1e30", 1}, {"9007199254740993", "9007199254740992", 1},
	} {
		if got := parseDecimal(tc.a).cmp(parseDecimal(tc.b)); got != tc.want {
			t.Errorf("%s and %s: %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
