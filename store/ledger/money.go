// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Dollar is one USD in nano-USD.
const Dollar int64 = 1_000_000_000

const (
	dollarPlaces = 9
	centPlaces   = 2
)

// addChecked is a + b; ok is false when int64 cannot hold it.
func addChecked(a, b int64) (sum int64, ok bool) {
	sum = a + b
	return sum, (sum > a) == (b > 0)
}

// mulChecked is a * b; ok is false when int64 cannot hold it.
func mulChecked(a, b int64) (product int64, ok bool) {
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	switch negative := (a < 0) != (b < 0); {
	case high > 0 || low > 1<<63 || low == 1<<63 && !negative:
		return 0, false
	case negative:
		return -int64(low), true
	}
	return int64(low), true
}

// addCapped is a + b, or the nearest number that int64 holds: for sums that only inform.
func addCapped(a, b int64) int64 {
	if sum, ok := addChecked(a, b); ok {
		return sum
	}
	if b > 0 {
		return math.MaxInt64
	}
	return math.MinInt64
}

// magnitude is n without its sign, also of the smallest one.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// FormatUSD writes nano-USD exactly: with cents, and with more digits only when there are some, such as $127.45, $0.0005
// and -$1.50.
func FormatUSD(n int64) string {
	all := magnitude(n)
	fraction := fmt.Sprintf("%09d", all%uint64(Dollar))
	fraction = fraction[:centPlaces] + strings.TrimRight(fraction[centPlaces:], "0")
	text := "$" + strconv.FormatUint(all/uint64(Dollar), 10) + "." + fraction
	if n < 0 {
		return "-" + text
	}
	return text
}

// ParseUSD reads an amount such as $100, 100, 0.5 or 0.0005 USD into nano-USD, exactly: it refuses what nano-USD cannot
// say. It reads everything that [FormatUSD] writes.
func ParseUSD(text string) (int64, error) {
	rest := strings.TrimSpace(text)
	rest, negative := strings.CutPrefix(rest, "-")
	rest, _ = strings.CutPrefix(rest, "$")
	if n := len(rest) - len("USD"); n > 0 && strings.EqualFold(rest[n:], "USD") {
		rest = strings.TrimRight(rest[:n], " ")
	}
	whole, fraction, point := strings.Cut(rest, ".")
	switch {
	case strings.ContainsAny(rest, ",_'"):
		return 0, fmt.Errorf("amount %q: write it without separators, with a point before the cents, such as $1000.50", text)
	case whole == "" || strings.Trim(whole+fraction, "0123456789") != "" || point && fraction == "":
		return 0, fmt.Errorf("amount %q: want a number of USD, such as $100, 100 or 0.0005", text)
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > dollarPlaces {
		return 0, fmt.Errorf("amount %q: more than %d digits after the point", text, dollarPlaces)
	}
	digits := whole + fraction + strings.Repeat("0", dollarPlaces-len(fraction))
	if negative {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("amount %q: more than %s", text, FormatUSD(math.MaxInt64))
	}
	return n, nil
}
