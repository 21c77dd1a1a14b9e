// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"iter"
	"math/bits"
)

// Bits is a set of positions in [Snapshot.Entries]. Reading is safe for concurrent use, writing is not.
type Bits []uint64

// NewBits returns an empty set with room for positions 0 to n-1. It is never nil.
func NewBits(n int) Bits { return make(Bits, (n+63)/64) }

// AllBits returns the set of positions 0 to n-1.
func AllBits(n int) Bits {
	b := NewBits(n)
	for i := range b {
		b[i] = ^uint64(0)
	}
	b.truncate(n)
	return b
}

// Set adds i, which must be below the n given to [NewBits].
func (b Bits) Set(i int) { b[i>>6] |= 1 << (i & 63) }

// Clear removes i, which must be below the n given to [NewBits].
func (b Bits) Clear(i int) { b[i>>6] &^= 1 << (i & 63) }

// Has reports whether i is in the set. A position outside of the set's room is not.
func (b Bits) Has(i int) bool {
	return i >= 0 && i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0
}

// Count is the number of positions in the set.
func (b Bits) Count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// All yields the positions in the set, ascending.
func (b Bits) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, w := range b {
			for ; w != 0; w &= w - 1 {
				if !yield(i<<6 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// truncate removes every position from n on.
func (b Bits) truncate(n int) {
	if i := n >> 6; i < len(b) {
		b[i] &= 1<<(n&63) - 1
		clear(b[i+1:])
	}
}

// Visible says for each kind which entries of a [Snapshot] a principal class may see. What is not said is hidden.
type Visible [Kinds]Bits
