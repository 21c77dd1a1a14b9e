// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// ringSize is how much of a child's standard error is kept, in bytes.
const ringSize = 8 << 10

// ring keeps the last bytes written to it.
type ring struct {
	size int

	mu  sync.Mutex // guards buf
	buf []byte     // at most 2*size long; the last size bytes count
}

func newRing(size int) *ring { return &ring{size: size} }

// Write never fails.
func (r *ring) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(b)
	if n > r.size {
		b = b[n-r.size:]
	}
	r.buf = append(r.buf, b...)
	if extra := len(r.buf) - r.size; extra > r.size {
		r.buf = append(r.buf[:0], r.buf[extra:]...)
	}
	return n, nil
}

// ReadFrom copies from src until it ends.
func (r *ring) ReadFrom(src io.Reader) (int64, error) {
	// A struct without ReadFrom, or io.Copy would call this method again.
	return io.CopyBuffer(struct{ io.Writer }{r}, src, make([]byte, 4<<10))
}

// String returns what is kept, from a line start when anything was cut off.
func (r *ring) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buf
	if extra := len(b) - r.size; extra > 0 {
		b = b[extra:]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return string(bytes.TrimRight(b, "\r\n"))
}

// lastLines returns at most n of the last lines that are not blank, and at most size bytes of them.
func (r *ring) lastLines(n, size int) string {
	var keep []string
	for line := range strings.Lines(r.String()) {
		if line = strings.TrimSpace(line); line != "" {
			keep = append(keep, line)
		}
	}
	s := strings.Join(keep[max(0, len(keep)-n):], "\n")
	if len(s) > size {
		s = strings.ToValidUTF8(s[len(s)-size:], "")
	}
	return s
}
