// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"crypto/sha256"
	"hash"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is the hash tree of the records before some place: what it takes to go on from there.
type tree struct {
	size  uint64
	full  []tlog.Hash // of the largest complete subtrees that it consists of, from the left
	sha   hash.Hash   // memory for append
	stage tlog.Hash   // memory for append
}

// newTree is the tree of size records that consists of full.
func newTree(size uint64, full []tlog.Hash) *tree {
	return &tree{size: size, full: slices.Clone(full), sha: sha256.New()}
}

// set makes t what other is.
func (t *tree) set(other *tree) { t.size, t.full = other.size, append(t.full[:0], other.full...) }

// append adds a record. It appends to out the hashes that are stored with it, as [tlog.StoredHashes] has them: its own, and
// those of the subtrees that it completes.
func (t *tree) append(text, out []byte) []byte {
	t.sha.Reset()
	t.sha.Write([]byte{0}) // RFC 6962: a leaf
	t.sha.Write(text)
	t.sha.Sum(t.stage[:0])
	h := t.stage
	out = append(out, h[:]...)
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.full) - 1
		h = tlog.NodeHash(t.full[last], h)
		t.full = t.full[:last]
		out = append(out, h[:]...)
	}
	t.full = append(t.full, h)
	t.size++
	return out
}

// root is the hash of the whole tree.
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	h := t.full[len(t.full)-1]
	for i := len(t.full) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.full[i], h)
	}
	return h
}

// frontier are the places of the hashes in tree.full, for a tree of size records.
func frontier(size uint64) (indexes []int64) {
	var done uint64
	for level := 63; level >= 0; level-- {
		if size&(1<<level) != 0 {
			indexes = append(indexes, tlog.StoredHashIndex(level, int64(done>>level)))
			done += 1 << level
		}
	}
	return indexes
}
