// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"unicode/utf8"
)

// String decodes a JSON string value. It answers false when raw is no string. Lone surrogate escapes become U+FFFD.
func String(raw []byte) (string, bool) {
	raw = trim(raw)
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return "", false
	}
	return unescape(raw[1 : len(raw)-1]), true
}

func unescape(s []byte) string {
	if bytes.IndexByte(s, '\\') < 0 {
		return string(s)
	}
	return string(appendUnescaped(make([]byte, 0, len(s)), s, replaceSurrogates))
}

// equalKey reports whether a member name as written, without its quotes, means name. It allocates only for names that are
// both escaped and long.
func equalKey(key []byte, name string) bool {
	if bytes.IndexByte(key, '\\') < 0 {
		return string(key) == name
	}
	if len(key) <= len(name) { // an escape is longer than what it stands for
		return false
	}
	var buf [64]byte
	return string(appendUnescaped(buf[:0], key, keepSurrogates)) == name
}

// AppendString appends s as a JSON string with as few escapes as JSON allows: quotes, backslashes and control characters.
// Invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	return appendQuoted(dst, s, replaceSurrogates)
}

// appendQuoted writes surrogates that [keepSurrogates] left in s as escapes again.
func appendQuoted(dst []byte, s string, keep surrogates) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		ch := s[i]
		if ch >= 0x20 && ch < utf8.RuneSelf && ch != '"' && ch != '\\' {
			i++
			continue
		}
		n := 1
		if ch >= utf8.RuneSelf {
			var r rune
			if r, n = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch {
		case ch < utf8.RuneSelf:
			dst = appendEscaped(dst, ch)
		case keep == keepSurrogates && ch == 0xED && i+2 < len(s) && s[i+1] >= 0xA0:
			dst = appendHex4(dst, 0xD000|uint16(s[i+1]&0x3F)<<6|uint16(s[i+2]&0x3F))
			n = 3
		default:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		}
		i += n
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, ch byte) []byte {
	switch ch {
	case '"', '\\':
		return append(dst, '\\', ch)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return appendHex4(dst, uint16(ch))
}

func appendHex4(dst []byte, u uint16) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[u>>12], digits[u>>8&15], digits[u>>4&15], digits[u&15])
}
