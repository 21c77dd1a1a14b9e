// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// Canonical writes b, which must have passed a check, in the one form that all texts with the same meaning share: members
// sorted by the code points of their names, no white space, strings with as few escapes as possible. Number literals stay
// as they are, so 1, 1.0 and 1e0 differ, and no digit is lost. Repeated names keep their order; lone surrogate escapes stay
// escapes. The result is for comparing and hashing, never for sending on.
func Canonical(b []byte) []byte {
	c := canon{src: b, dst: make([]byte, 0, len(b))}
	c.value(skipSpace(b, 0), 0)
	return c.dst
}

// Digest is the hexadecimal SHA-256 of [Canonical].
func Digest(b []byte) string {
	sum := sha256.Sum256(Canonical(b))
	return hex.EncodeToString(sum[:])
}

// canon rewrites src to dst in one pass. Objects are written in the order of the text and rearranged when they end.
type canon struct {
	src, dst []byte
	members  []piece // of the open objects, innermost object last
	scratch  []byte
}

// piece is a member in dst: name with quotes, colon, value.
type piece struct{ start, keyEnd, end int }

// value writes the value at src[i] and answers the offset after it.
func (c *canon) value(i, depth int) int {
	if i >= len(c.src) {
		return i
	}
	end := i
	switch ch := c.src[i]; {
	case ch == '{' && depth < MaxDepth:
		return c.object(i, depth+1)
	case ch == '[' && depth < MaxDepth:
		return c.array(i, depth+1)
	case ch == '"':
		end = skipString(c.src, i)
		c.dst = appendCanonicalString(c.dst, c.src[i:end])
	default:
		end = skipValue(c.src, i)
		c.dst = append(c.dst, c.src[i:end]...)
	}
	return end
}

func (c *canon) array(i, depth int) int {
	c.dst = append(c.dst, '[')
	i = skipSpace(c.src, i+1)
	for i < len(c.src) && c.src[i] != ']' {
		end := c.value(i, depth)
		if end == i {
			break
		}
		if i = skipSpace(c.src, end); i < len(c.src) && c.src[i] == ',' {
			c.dst = append(c.dst, ',')
			i = skipSpace(c.src, i+1)
		}
	}
	c.dst = append(c.dst, ']')
	return min(i+1, len(c.src))
}

func (c *canon) object(i, depth int) int {
	c.dst = append(c.dst, '{')
	open, start := len(c.members), len(c.dst)
	i = skipSpace(c.src, i+1)
	for i < len(c.src) && c.src[i] == '"' {
		p := piece{start: len(c.dst)}
		end := skipString(c.src, i)
		c.dst = appendCanonicalString(c.dst, c.src[i:end])
		p.keyEnd = len(c.dst)
		c.dst = append(c.dst, ':')
		i = skipSpace(c.src, end)
		if i < len(c.src) && c.src[i] == ':' {
			i = skipSpace(c.src, i+1)
		}
		i = skipSpace(c.src, c.value(i, depth))
		p.end = len(c.dst)
		c.members = append(c.members, p)
		if i < len(c.src) && c.src[i] == ',' {
			c.dst = append(c.dst, ',')
			i = skipSpace(c.src, i+1)
		}
	}
	c.arrange(c.members[open:], start)
	c.members = c.members[:open]
	c.dst = append(c.dst, '}')
	return min(i+1, len(c.src))
}

// arrange sorts the members that fill dst from start on.
func (c *canon) arrange(members []piece, start int) {
	order := func(a, b piece) int {
		return compareCanonicalKeys(c.dst[a.start:a.keyEnd], c.dst[b.start:b.keyEnd])
	}
	if slices.IsSortedFunc(members, order) {
		return
	}
	slices.SortStableFunc(members, order)
	c.scratch = append(c.scratch[:0], c.dst[start:]...)
	c.dst = c.dst[:start]
	for i, p := range members {
		if i > 0 {
			c.dst = append(c.dst, ',')
		}
		c.dst = append(c.dst, c.scratch[p.start-start:p.end-start]...)
	}
}

// compareCanonicalKeys orders names by code points, which is the order of their UTF-8 bytes.
func compareCanonicalKeys(a, b []byte) int {
	return bytes.Compare(plainKey(a), plainKey(b))
}

func plainKey(quoted []byte) []byte {
	if len(quoted) < 2 {
		return quoted
	}
	key := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(key, '\\') < 0 {
		return key
	}
	return appendUnescaped(nil, key, keepSurrogates)
}

func appendCanonicalString(dst, quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 || len(quoted) < 2 {
		return append(dst, quoted...)
	}
	s := appendUnescaped(make([]byte, 0, len(quoted)), quoted[1:len(quoted)-1], keepSurrogates)
	return appendQuoted(dst, string(s), keepSurrogates)
}
