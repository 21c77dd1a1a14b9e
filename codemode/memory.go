// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

const page = 64 << 10 // bytes that linear memory grows by

// store is the linear memory of all sandboxes of an engine.
type store struct {
	used  atomic.Int64
	total int64
}

// take reserves n more bytes, if they are there.
func (s *store) take(n int64) bool {
	if s.used.Add(n) <= s.total {
		return true
	}
	s.used.Add(-n)
	return false
}

// memory is the linear memory of one sandbox: a part of what was reserved for it, or a slice that grows by copying. Nothing of
// it may be used after Free.
type memory struct {
	store    *store
	limit    int64
	first    uint64 // capacity of the first slice
	held     int64  // bytes taken from the store
	buf      []byte
	reserved []byte // nil: buf is on the heap
	denied   bool   // growing was refused
	shared   bool   // denied because of the other sandboxes
}

// Allocate makes memory an allocator of itself.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate grows the memory.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(m.limit) {
		m.denied = true
		return nil
	}
	if more := int64(size) - m.held; more > 0 {
		if !m.store.take(more) {
			m.denied, m.shared = true, true
			return nil
		}
		m.held = int64(size)
	}
	if m.buf == nil {
		if m.reserved = reserve(m.limit); m.reserved != nil {
			m.buf = m.reserved[:0]
		}
	}
	if size > uint64(cap(m.buf)) {
		m.move(size)
	}
	m.buf = m.buf[:size]
	return m.buf
}

// move copies the memory to a larger slice, with room to grow.
func (m *memory) move(size uint64) {
	capacity := max(size, m.first)
	if m.buf != nil {
		capacity = min(size+size/2, uint64(m.limit))
	}
	larger := make([]byte, size, capacity)
	copyInPieces(larger, m.buf)
	m.buf = larger
}

// copyInPieces lets the scheduler in between, which one copy of all would not.
func copyInPieces(dst, src []byte) {
	const piece = mib
	for len(src) > piece {
		copy(dst, src[:piece])
		dst, src = dst[piece:], src[piece:]
	}
	copy(dst, src)
}

// Free gives back what was taken.
func (m *memory) Free() {
	m.store.used.Add(-m.held)
	if m.reserved != nil {
		unreserve(m.reserved)
	}
	m.held, m.buf, m.reserved = 0, nil, nil
}
