// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"cmp"
	"math/big"
	"strconv"
	"strings"
)

// maxExponent bounds exponents. Beyond it numbers are only known to be very large or very close to zero; CheckFragment
// refuses such literals, so a comparison with a fragment is always exact.
const maxExponent = 1 << 50

// maxDigits is how many digits a number may have that is divided.
const maxDigits = 2000

// decimal is a JSON number without loss: ±digits × 10^exp. digits neither begins nor ends with 0 and is empty for zero, so
// two decimals are equal exactly when their fields are.
type decimal struct {
	negative bool
	digits   string
	exp      int64
}

// parseDecimal reads a valid JSON number literal.
func parseDecimal(s string) decimal {
	var d decimal
	s, d.negative = strings.CutPrefix(s, "-")
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.ParseInt(s[i+1:], 10, 64)
		switch {
		case err == nil:
			d.exp = min(max(n, -maxExponent), maxExponent)
		case strings.HasPrefix(s[i+1:], "-"):
			d.exp = -maxExponent
		default:
			d.exp = maxExponent
		}
		s = s[:i]
	}
	if whole, fraction, ok := strings.Cut(s, "."); ok {
		s = whole + fraction
		d.exp -= int64(len(fraction))
	}
	s = strings.TrimLeft(s, "0")
	d.digits = strings.TrimRight(s, "0")
	d.exp += int64(len(s) - len(d.digits))
	if d.digits == "" {
		return decimal{}
	}
	return d
}

// integer reports whether the number is whole: 1.0 and 1e2 are.
func (d decimal) integer() bool { return d.exp >= 0 }

func (d decimal) cmp(o decimal) int {
	switch {
	case d.digits == "" || o.digits == "" || d.negative != o.negative:
		return cmp.Compare(d.sign(), o.sign())
	case d.negative:
		return o.cmpSize(d)
	}
	return d.cmpSize(o)
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// cmpSize compares what is left of two numbers that are not zero without their signs.
func (d decimal) cmpSize(o decimal) int {
	if a, b := d.exp+int64(len(d.digits)), o.exp+int64(len(o.digits)); a != b {
		if a < b {
			return -1
		}
		return 1
	}
	return strings.Compare(d.digits, o.digits)
}

// multipleOf reports whether d is a whole multiple of o, which is not zero. As the digits of d do not end in 0, d has no
// factor of ten beside 10^exp, so a smaller exponent than that of o decides without dividing.
func (d decimal) multipleOf(o decimal) bool {
	if d.digits == "" {
		return true
	}
	if d.exp < o.exp || len(d.digits) > maxDigits {
		return false
	}
	n, ok := new(big.Int).SetString(d.digits, 10)
	m, ok2 := new(big.Int).SetString(o.digits, 10)
	if !ok || !ok2 {
		return false
	}
	shift := new(big.Int).Exp(big.NewInt(10), big.NewInt(d.exp-o.exp), m)
	return n.Mul(n, shift).Mod(n, m).Sign() == 0
}

// key is a text that equal numbers share and others do not have.
func (d decimal) key(dst []byte) []byte {
	if d.negative {
		dst = append(dst, '-')
	}
	dst = append(dst, d.digits...)
	return strconv.AppendInt(append(dst, 'e'), d.exp, 10)
}
