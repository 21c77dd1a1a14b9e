// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"tollgate/upstream/wire"
)

// numeric is what a schema says of the numbers at some place.
type numeric int

const (
	unsaid  numeric = iota // by the literal: whole without point and exponent
	integer                // int, however written: 100, 1E+2 and 100.0
	real                   // double, however written
)

var (
	errNotWhole  = errors.New("a number is not a whole number")
	errNotInt64  = errors.New("a whole number is outside of 64 bits")
	errNotFinite = errors.New("a number is too large")
	errInexact   = errors.New("a number has more digits than can be compared exactly")
)

// maxExact bounds the whole numbers that doubles tell apart.
const maxExact = 1 << 53

// number converts a JSON number. What cannot be converted without changing how
// it compares is an error, so that no limit is passed by rounding.
func number(raw []byte, say numeric) ref.Val {
	whole := !bytes.ContainsAny(raw, ".eE")
	if say == integer || say == unsaid && whole {
		n, err := exactInt(raw)
		if err != nil {
			return types.WrapErr(err)
		}
		return types.Int(n)
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil || math.IsInf(f, 0) || math.IsNaN(f):
		return types.WrapErr(errNotFinite)
	case !shows(f, raw):
		return types.WrapErr(errInexact)
	case math.Abs(f) >= math.MaxInt64:
		if whole {
			return types.WrapErr(errInexact)
		}
	case math.Abs(f) >= maxExact:
		if n, err := exactInt(raw); err != nil || int64(f) != n {
			return types.WrapErr(errInexact)
		}
	}
	return types.Double(f)
}

// shows reports whether the digits of a literal are those of the double: the
// shortest text of the double is the literal, but for notation. Then no digit was
// lost, and 0.1 is 0.1.
func shows(f float64, raw []byte) bool {
	digits, exponent := significant(raw)
	if len(digits) == 0 || f == 0 {
		return len(digits) == 0 && f == 0
	}
	if at := len(digits) + exponent; len(digits) <= 15 && at > -300 && at < 300 {
		return true // every double of this size keeps as many digits
	}
	var room [32]byte
	shown, at := significant(strconv.AppendFloat(room[:0], f, 'e', -1, 64))
	return at == exponent && bytes.Equal(shown, digits)
}

// significant are the digits of a JSON number without zeros at either end, none
// for zero; it is them times ten to the exponent.
func significant(raw []byte) (digits []byte, exponent int) {
	mantissa := bytes.TrimPrefix(raw, []byte("-"))
	if i := bytes.IndexAny(mantissa, "eE"); i >= 0 {
		mantissa, exponent = mantissa[:i], parseExponent(mantissa[i+1:])
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	digits = bytes.TrimLeft(append(bytes.Clone(whole), fraction...), "0")
	exponent -= len(fraction)
	trimmed := bytes.TrimRight(digits, "0")
	return trimmed, exponent + len(digits) - len(trimmed)
}

// exactInt is the value of a JSON number that is whole, in whatever notation.
func exactInt(raw []byte) (int64, error) {
	if n, ok := wire.Int(raw); ok {
		return n, nil
	}
	trimmed, exponent := significant(raw)
	switch {
	case len(trimmed) == 0:
		return 0, nil
	case exponent < 0:
		return 0, errNotWhole
	case len(trimmed)+exponent > 19:
		return 0, errNotInt64
	}
	plain := append(append([]byte(nil), trimmed...), bytes.Repeat([]byte("0"), exponent)...)
	if raw[0] == '-' {
		plain = append([]byte("-"), plain...)
	}
	n, ok := wire.Int(plain)
	if !ok {
		return 0, errNotInt64
	}
	return n, nil
}

// parseExponent answers a huge exponent of the same sign for one that int does
// not hold.
func parseExponent(text []byte) int {
	const huge = 1 << 30
	n, err := strconv.Atoi(string(text))
	if err == nil && n > -huge && n < huge {
		return n
	}
	if len(text) > 0 && text[0] == '-' {
		return -huge
	}
	return huge
}
