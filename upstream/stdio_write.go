// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"tollgate/upstream/wire"
)

// chunk is the most that is written at once: a pipe's usual capacity. The write limit holds for each chunk, so a slow reader
// of a long message is not mistaken for one that has stopped.
const chunk = 64 << 10

// outgoing is one line on its way to the upstream.
type outgoing struct {
	line  []byte
	state atomic.Int32
}

// The states of an outgoing line. Writer and caller race for a waiting one; whoever wins decides whether it was sent.
const (
	waiting = iota
	handedOver
	withdrawn
)

// newOutgoing frames a message. Line breaks can only be white space between tokens, where a space does as well.
func newOutgoing(msg []byte) *outgoing { return &outgoing{line: append(wire.OneLine(msg), '\n')} }

// handOver claims the line for writing. From then on it may have reached the upstream.
func (m *outgoing) handOver() bool { return m.state.CompareAndSwap(waiting, handedOver) }

// withdraw makes sure that the line is never written; it reports false when that is too late.
func (m *outgoing) withdraw() bool { return m.state.CompareAndSwap(waiting, withdrawn) }

func (m *outgoing) sent() bool { return m.state.Load() == handedOver }

// outbox holds lines until the writer takes them. Control lines (answers to ping, cancellations) overtake the others, which
// is sound: a cancellation is queued only when its request has been handed over.
type outbox struct {
	queue, urgent chan *outgoing
}

func newOutbox(queue, control int) outbox {
	return outbox{queue: make(chan *outgoing, queue), urgent: make(chan *outgoing, control)}
}

// put waits for room until quit or dead is closed, and reports whether there was any.
func (o *outbox) put(quit, dead <-chan struct{}, m *outgoing) bool {
	select {
	case <-dead:
		return false
	default:
	}
	select {
	case o.queue <- m:
		return true
	case <-quit:
	case <-dead:
	}
	return false
}

func (o *outbox) tryControl(m *outgoing) bool {
	select {
	case o.urgent <- m:
		return true
	default:
		return false
	}
}

// next returns the line to write, nil when quit is closed first.
func (o *outbox) next(quit <-chan struct{}) *outgoing {
	select {
	case m := <-o.urgent:
		return m
	default:
	}
	select {
	case m := <-o.urgent:
		return m
	case m := <-o.queue:
		return m
	case <-quit:
		return nil
	}
}

// write is the writer goroutine. Only it ever blocks on an upstream that does not read; callers wait for their answers and
// leave when their time is over.
func (l *stdioLink) write() {
	stalled := time.AfterFunc(time.Hour, func() {
		l.stop(false, failf(l.cfg, KindClosed, false, nil, "did not read its input for %v", l.limits.write))
	})
	defer stalled.Stop()
	stalled.Stop()
	for {
		m := l.outbox.next(l.stopping)
		if m == nil {
			return
		}
		if !m.handOver() {
			continue
		}
		for rest := m.line; len(rest) > 0; {
			stalled.Reset(l.limits.write)
			n, err := l.rw.Write(rest[:min(len(rest), chunk)])
			stalled.Stop()
			if err == nil && n == 0 {
				err = io.ErrShortWrite
			}
			if err != nil {
				l.writeFailed(err)
				return
			}
			rest = rest[n:]
		}
	}
}

// writeFailed ends the link: without input an upstream is of no use, even when it still talks.
func (l *stdioLink) writeFailed(err error) {
	if errors.Is(err, io.ErrClosedPipe) && l.child == nil {
		err = io.EOF
	}
	l.stop(true, failf(l.cfg, KindClosed, false, err, "closed its input"))
}
