// SPDX-License-Identifier: Apache-2.0

package audit

import "context"

// Wait returns nil once [Log.Size] is more than size. It returns the error of ctx when that ends before, [ErrClosed] when the
// log was closed and got no further, and [ErrReadOnly] at once for a log that is open for reading, which does not grow.
func (l *Log) Wait(ctx context.Context, size uint64) error {
	for l.Size() <= size {
		if l.reader {
			return ErrReadOnly
		}
		grew := l.growth()
		if l.Size() > size { // the commit may have come between
			return nil
		}
		select {
		case <-grew:
		case <-ctx.Done():
			if l.Size() > size {
				return nil
			}
			return ctx.Err()
		case <-l.written: // what was queued is on disk, or lost
			if l.Size() > size {
				return nil
			}
			return ErrClosed
		}
	}
	return nil
}

// growth is closed by the next commit.
func (l *Log) growth() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = make(chan struct{})
	}
	return l.waiting
}

// wake tells those who wait that the log has grown. The caller holds mu.
func (l *Log) wake() {
	if l.waiting != nil {
		close(l.waiting)
		l.waiting = nil
	}
}

// isClosing tells whether Close was called.
func (l *Log) isClosing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}
