// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

const (
	nano      = 1_000_000_000 // n$ in a dollar
	nanoPlace = 9
	maxPlaces = 18 // a power of ten that int64 holds
)

// dollars turns the value of a cost or settle expression, in USD, into
// nano-USD, rounded up. Negative, not a number, infinite and more than int64
// holds are errors.
func dollars(v ref.Val) (int64, error) {
	switch v := v.(type) {
	case types.Int:
		if v < 0 {
			return 0, errNegative
		}
		return wholeDollars(uint64(v))
	case types.Uint:
		return wholeDollars(uint64(v))
	case types.Double:
		return floatDollars(float64(v))
	}
	return 0, fmt.Errorf("the cost is %s, not a number", kindOf(v))
}

var (
	errNegative = errors.New("the cost is negative")
	errTooMuch  = errors.New("the cost is more than 9,223,372,036 USD")
	errNoNumber = errors.New("the cost is not a finite number")
)

func wholeDollars(n uint64) (int64, error) {
	high, low := bits.Mul64(n, nano)
	if high > 0 || low > math.MaxInt64 {
		return 0, errTooMuch
	}
	return int64(low), nil
}

// floatDollars reads a float as the decimal number its writer meant: rounded to
// 15 significant digits, which every decimal of that length survives. So 0.01 is
// 10,000,000 n$ and not one more, and 0.1 * 3 is 0.3.
func floatDollars(f float64) (int64, error) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return 0, errNoNumber
	case f < 0:
		return 0, errNegative
	case f == 0:
		return 0, nil
	}
	var room [32]byte
	text := strconv.AppendFloat(room[:0], f, 'e', 14, 64) // d.dddddddddddddde±dd
	mantissa := uint64(text[0] - '0')
	for _, ch := range text[2:16] {
		mantissa = mantissa*10 + uint64(ch-'0')
	}
	exponent, err := strconv.Atoi(string(text[17:]))
	if err != nil {
		return 0, errNoNumber
	}
	return scale(mantissa, exponent-14+nanoPlace)
}

// scale is n * 10^places, rounded up.
func scale(n uint64, places int) (int64, error) {
	for ; places > 0 && n > 0; places-- {
		if n > math.MaxInt64/10 {
			return 0, errTooMuch
		}
		n *= 10
	}
	for places = max(places, -maxPlaces-1); places < 0 && n > 0; places++ {
		rest := n % 10
		if n /= 10; rest > 0 {
			n++ // step by step gives the same: ceil(ceil(n/10)/10) = ceil(n/100)
		}
	}
	if n > math.MaxInt64 {
		return 0, errTooMuch
	}
	return int64(n), nil
}

// literalDollars reads a cost that is only a number, such as 0.01 or 2, exactly
// and without floats. ok tells whether the text is one.
func literalDollars(text string) (cost int64, ok bool, err error) {
	whole, fraction, point := strings.Cut(text, ".")
	if whole == "" || strings.Trim(whole+fraction, "0123456789") != "" || point && fraction == "" {
		return 0, false, nil
	}
	digits := strings.TrimLeft(whole+fraction[:min(len(fraction), nanoPlace)], "0")
	digits += strings.Repeat("0", nanoPlace-min(len(fraction), nanoPlace))
	if digits = strings.TrimLeft(digits, "0"); digits != "" {
		if cost, err = strconv.ParseInt(digits, 10, 64); err != nil {
			return 0, true, errTooMuch
		}
	}
	if len(fraction) > nanoPlace && strings.Trim(fraction[nanoPlace:], "0") != "" {
		return addCost(cost, 1, true)
	}
	return cost, true, nil
}

func addCost(a, b int64, ok bool) (int64, bool, error) {
	if a > math.MaxInt64-b {
		return 0, ok, errTooMuch
	}
	return a + b, ok, nil
}

// spellDollars writes nano-USD for a sentence: $0.01.
func spellDollars(n int64) string {
	text := fmt.Sprintf("%d.%09d", n/nano, n%nano)
	text = strings.TrimRight(text, "0")
	return "$" + strings.TrimSuffix(text, ".")
}
