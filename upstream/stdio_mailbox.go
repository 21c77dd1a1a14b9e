// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"sync"

	"tollgate/upstream/wire"
)

// note is one thing the reader has for somebody: a notification, or the end of an exchange.
type note struct {
	method string
	params []byte

	last bool // the exchange ends with env or err
	env  *wire.Envelope
	err  *Error
}

// mailbox is an ordered queue between the reader, which never waits, and one consumer. Notifications above its bounds are
// refused, except that one of any size fits into an empty mailbox; the end of the exchange always fits.
type mailbox struct {
	ready    chan struct{} // holds one token while there may be something to take
	maxNotes int
	maxBytes int64

	mu    sync.Mutex // guards the fields below
	notes []note
	bytes int64
	ended bool // the last note was put; nothing follows it
}

func newMailbox(maxNotes int, maxBytes int64) *mailbox {
	return &mailbox{ready: make(chan struct{}, 1), maxNotes: maxNotes, maxBytes: maxBytes}
}

// put appends a notification and reports whether there was room.
func (b *mailbox) put(n note) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	full := len(b.notes) >= b.maxNotes || len(b.notes) > 0 && b.bytes+int64(len(n.params)) > b.maxBytes
	if b.ended || full {
		return false
	}
	b.bytes += int64(len(n.params))
	b.append(n)
	return true
}

// putLast appends the end of the exchange, once.
func (b *mailbox) putLast(n note) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	b.ended, n.last = true, true
	b.append(n)
}

func (b *mailbox) append(n note) {
	b.notes = append(b.notes, n)
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// take removes everything that is there.
func (b *mailbox) take() []note {
	b.mu.Lock()
	defer b.mu.Unlock()
	notes := b.notes
	b.notes, b.bytes = nil, 0
	return notes
}

// complete reports whether the end of the exchange is there to be taken.
func (b *mailbox) complete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended
}
