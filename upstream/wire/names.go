// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

const (
	// fewNames is how many names of one object are compared pairwise as they come; a larger object is sorted once when it
	// ends, which keeps an object of n names at n log n.
	fewNames = 16
	// inlineNames is how many names all open objects may have together before a check allocates.
	inlineNames = 48
	// maxText is how long a text may be for its offsets to fit into a name.
	maxText = 1<<31 - 1
)

// name is one member name of an object that is being scanned. It has no pointers, so that it is cheap to move.
type name struct {
	mark       uint64 // equal names have equal marks
	start, end uint32 // of the name in the text, without quotes; end is 0 for a name in checker.unescaped
}

// markOf mixes the length and both ends of a name, which tells almost all names of real objects apart. Names that somebody
// made collide only cost the comparison of their bytes.
func markOf(key []byte) uint64 {
	const odd = 0x9E3779B97F4A7C15
	var first, last uint64
	switch n := len(key); {
	case n >= 8:
		first, last = binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[n-8:])
	case n >= 4:
		first, last = uint64(binary.LittleEndian.Uint32(key)), uint64(binary.LittleEndian.Uint32(key[n-4:]))
	case n > 0:
		first, last = uint64(key[0])|uint64(key[n-1])<<8, uint64(key[n/2])
	}
	return (first+uint64(len(key)))*odd ^ last
}

// key answers the name without quotes and escapes.
func (c *checker) key(n name) []byte {
	if n.end == 0 {
		return c.unescaped[n.start]
	}
	return c.b[n.start:n.end]
}

// addName records a name of the object whose names start at c.names[open], and refuses one that is there already unless
// closeNames is going to find it.
func (c *checker) addName(open, start, end int) bool {
	key := c.b[start:end]
	n := name{start: uint32(start), end: uint32(end)}
	if c.escaped {
		n.end = 0
		key = c.unescape(n.start, key)
	}
	n.mark = markOf(key)
	if seen := c.names[open:]; len(seen) < fewNames {
		for _, o := range seen {
			if o.mark == n.mark && bytes.Equal(c.key(o), key) {
				return c.failDuplicate(n)
			}
		}
	}
	c.pushName(n)
	return true
}

// unescape remembers the name that starts at start without its escapes.
func (c *checker) unescape(start uint32, key []byte) []byte {
	plain := appendUnescaped(make([]byte, 0, len(key)), key, keepSurrogates)
	if c.unescaped == nil {
		c.unescaped = make(map[uint32][]byte)
	}
	c.unescaped[start] = plain
	return plain
}

// pushName does what append does, in a way that lets the compiler leave the first names on the stack of the caller.
func (c *checker) pushName(n name) {
	last := len(c.names)
	if last == cap(c.names) {
		more := make([]name, last, 2*last)
		copy(more, c.names)
		c.names = more
	}
	c.names = c.names[:last+1]
	c.names[last] = n
}

// closeNames forgets the names of an object that ends, after looking for a duplicate among many.
func (c *checker) closeNames(open int) bool {
	names := c.names[open:]
	c.names = c.names[:open]
	if len(names) <= fewNames {
		return true
	}
	slices.SortFunc(names, func(a, b name) int {
		if a.mark != b.mark {
			return cmp.Compare(a.mark, b.mark)
		}
		return cmp.Or(bytes.Compare(c.key(a), c.key(b)), cmp.Compare(a.start, b.start))
	})
	for i, n := range names[1:] {
		if n.mark == names[i].mark && bytes.Equal(c.key(n), c.key(names[i])) {
			return c.failDuplicate(n)
		}
	}
	return true
}

func (c *checker) failDuplicate(n name) bool {
	c.fail(int(n.start)-1, duplicateName)
	return false
}

// shorten keeps a foreign text from filling an error message.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
