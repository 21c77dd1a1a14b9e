// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// surrogates says what a lone surrogate escape becomes when a string is decoded.
type surrogates bool

const (
	replaceSurrogates surrogates = false // U+FFFD, as encoding/json and JavaScript's UTF-8 encoder do
	keepSurrogates    surrogates = true  // the three bytes UTF-8 would use, so that different escapes stay different
)

// str scans the string whose opening quote is at i.
func (c *checker) str(i int) int {
	c.escaped = false
	b := c.b
	for i++; ; {
		i = plainEnd(b, i)
		if i >= len(b) {
			return c.fail(i, openString)
		}
		switch ch := b[i]; {
		case ch == '"':
			return i + 1
		case ch == '\\':
			c.escaped = true
			if i = c.escape(i); i < 0 {
				return -1
			}
		case ch < 0x20:
			return c.fail(i, controlCharacter)
		default:
			for i < len(b) && b[i] >= utf8.RuneSelf {
				r, n := utf8.DecodeRune(b[i:])
				if r == utf8.RuneError && n == 1 {
					return c.fail(i, badUTF8)
				}
				i += n
			}
		}
	}
}

// plainEnd answers the offset of the first byte at or after i that is not a plain one: a quote, a backslash, a control
// character or a part of a longer UTF-8 sequence. It looks at eight bytes at a time.
func plainEnd(b []byte, i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		// A subtraction borrows only out of a byte that is itself a hit, so the lowest mark is always exact.
		marks := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*0x20)&^w | w) & highs
		if marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
	}
	for i < len(b) && b[i] >= 0x20 && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// escape scans the escape whose backslash is at i; a surrogate pair counts as one.
func (c *checker) escape(i int) int {
	if i+1 >= len(c.b) {
		return c.fail(i, openString)
	}
	switch c.b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
	default:
		return c.fail(i, badEscape)
	}
	r, ok := hex4(c.b, i+2)
	if !ok {
		return c.fail(i, badHex)
	}
	if !utf16.IsSurrogate(r) {
		return i + 6
	}
	if _, n := pair(c.b, i, r); n == 12 || c.lone {
		return i + n
	}
	return c.fail(i, loneSurrogate)
}

// pair decodes the surrogate r, whose escape starts at i, together with the one that follows. It answers how many bytes
// belong together: 12, or 6 when r stands alone.
func pair(b []byte, i int, r rune) (rune, int) {
	if i+7 < len(b) && b[i+6] == '\\' && b[i+7] == 'u' {
		if low, ok := hex4(b, i+8); ok {
			if full := utf16.DecodeRune(r, low); full != utf8.RuneError {
				return full, 12
			}
		}
	}
	return r, 6
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, ch := range b[i : i+4] {
		switch {
		case isDigit(ch):
			ch -= '0'
		case 'a' <= ch && ch <= 'f':
			ch -= 'a' - 10
		case 'A' <= ch && ch <= 'F':
			ch -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(ch)
	}
	return r, true
}

// appendUnescaped decodes what stands between the quotes of a checked string.
func appendUnescaped(dst, s []byte, keep surrogates) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		n := 2
		switch ch := s[i+1]; ch {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			dst, n = appendUnicodeEscape(dst, s, i, keep)
		default:
			dst = append(dst, ch)
		}
		s = s[i+n:]
	}
}

// appendUnicodeEscape decodes the \u escape at s[i] and answers its length.
func appendUnicodeEscape(dst, s []byte, i int, keep surrogates) ([]byte, int) {
	r, ok := hex4(s, i+2)
	if !ok {
		return append(dst, s[i:i+2]...), 2
	}
	n := 6
	if utf16.IsSurrogate(r) {
		if r, n = pair(s, i, r); n == 6 && keep == keepSurrogates {
			return append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6&0x3F), 0x80|byte(r&0x3F)), n
		}
	}
	return utf8.AppendRune(dst, r), n
}
