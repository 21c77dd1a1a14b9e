// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawAmount draws from all of int64, and often from its ends.
func drawAmount(t *rapid.T, name string) int64 {
	return rapid.OneOf(rapid.Int64(), rapid.Int64Range(-5, 5), rapid.Int64Range(math.MaxInt64-5, math.MaxInt64),
		rapid.Int64Range(math.MinInt64, math.MinInt64+5), rapid.Int64Range(-1<<32, 1<<32)).Draw(t, name)
}

// TestMoneyArithmetic compares with numbers that have no bounds.
func TestMoneyArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawAmount(t, "a"), drawAmount(t, "b")
		sum := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
		if got, ok := addChecked(a, b); ok != sum.IsInt64() || ok && got != sum.Int64() {
			t.Errorf("addChecked(%d, %d) = %d, %t; want %d", a, b, got, ok, sum)
		}
		product := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		if got, ok := mulChecked(a, b); ok != product.IsInt64() || ok && got != product.Int64() {
			t.Errorf("mulChecked(%d, %d) = %d, %t; want %d", a, b, got, ok, product)
		}
		want := sum.Int64()
		if !sum.IsInt64() {
			want = math.MaxInt64
			if sum.Sign() < 0 {
				want = math.MinInt64
			}
		}
		if got := addCapped(a, b); got != want {
			t.Errorf("addCapped(%d, %d) = %d, want %d", a, b, got, want)
		}
	})
}

// TestSmallestProduct has the one product whose magnitude no other int64 has.
func TestSmallestProduct(t *testing.T) {
	for _, pair := range [][2]int64{{math.MinInt64, 1}, {1, math.MinInt64}, {1 << 62, -2}, {-1 << 32, 1 << 31}} {
		if got, ok := mulChecked(pair[0], pair[1]); !ok || got != math.MinInt64 {
			t.Errorf("mulChecked(%d, %d) = %d, %t", pair[0], pair[1], got, ok)
		}
	}
	for _, pair := range [][2]int64{{math.MinInt64, -1}, {-1, math.MinInt64}, {1 << 62, 2}, {-1 << 32, -1 << 31}} {
		if got, ok := mulChecked(pair[0], pair[1]); ok {
			t.Errorf("mulChecked(%d, %d) = %d", pair[0], pair[1], got)
		}
	}
}

// TestUSDRoundTrip reads back what was written, exactly.
func TestUSDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := drawAmount(t, "n")
		for _, text := range []string{FormatUSD(n), strings.Replace(FormatUSD(n), "$", "", 1), " " + FormatUSD(n) + " USD"} {
			if got, err := ParseUSD(text); err != nil || got != n {
				t.Errorf("ParseUSD(%q) = %d, %v; want %d", text, got, err, n)
			}
		}
	})
}

func TestFormatUSD(t *testing.T) {
	for n, want := range map[int64]string{
		0: "$0.00", 1: "$0.000000001", -1: "-$0.000000001", 500_000: "$0.0005", 10_000_000: "$0.01", 15_000_000: "$0.015", 1_500_000_000: "$1.50", -1_500_000_000: "-$1.50",
		127_450_000_000: "$127.45", 100 * Dollar: "$100.00", math.MaxInt64: "$9223372036.854775807", math.MinInt64: "-$9223372036.854775808",
	} {
		if got := FormatUSD(n); got != want {
			t.Errorf("FormatUSD(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestParseUSD(t *testing.T) {
	for text, want := range map[string]int64{
		"$100": 100 * Dollar, "100": 100 * Dollar, "0.0005 USD": 500_000, "0.0005usd": 500_000, " $0.5 ": Dollar / 2, "-3": -3 * Dollar, "-$0.01": -10_000_000,
		"0": 0, "007": 7 * Dollar, "0.0000000010000": 1, "1.10": 1_100_000_000, "$9223372036.854775807": math.MaxInt64, "-9223372036.854775808": math.MinInt64,
	} {
		if got, err := ParseUSD(text); err != nil || got != want {
			t.Errorf("ParseUSD(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for text, word := range map[string]string{
		"": "want a number", "$": "want a number", "USD": "want a number", "-": "want a number", ".5": "want a number", "5.": "want a number", "1e3": "want a number",
		"+5": "want a number", "--5": "want a number", "$-5": "want a number", "5 EUR": "want a number", "1.2.3": "want a number", "0x10": "want a number", "٣": "want a number",
		"1,000": "separators", "1_000": "separators", "1'000": "separators", "0.0000000001": "9 digits", "9223372036.854775808": "more than $9223372036.854775807",
	} {
		got, err := ParseUSD(text)
		if err == nil || got != 0 || !strings.Contains(err.Error(), word) {
			t.Errorf("ParseUSD(%q) = %d, %v; want an error with %q", text, got, err, word)
		}
	}
}

// FuzzParseUSD: whatever is accepted is an exact amount, which FormatUSD can say.
func FuzzParseUSD(f *testing.F) {
	for _, text := range []string{"$100", "0.0005 USD", "-1.5", "1,000", "9223372036.854775808", "..", "$USD"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseUSD(text)
		if err != nil {
			return
		}
		if again, err := ParseUSD(FormatUSD(n)); err != nil || again != n {
			t.Errorf("%q is %d, and written and read again %d, %v", text, n, again, err)
		}
	})
}
