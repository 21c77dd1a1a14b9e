// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"tollgate/upstream/wire"
)

// stream carries what answers one request. Methods are safe for concurrent use; what is sent after the answer is dropped.
type stream interface {
	// send writes a message that comes before the answer.
	send(msg []byte) error
	// result and fail write the answer. status is the HTTP status of an answer that is a plain JSON body.
	result(id, result []byte) error
	fail(id []byte, e *wire.Error, status int) error
	// idle writes something meaningless, so that middleboxes keep the connection.
	idle() error
}

var errEnded = errors.New("the request has been answered")

// httpStream is a JSON body that becomes server-sent events at the first message before the answer.
type httpStream struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	sse     bool // the client takes server-sent events
	prefer  bool // it wants them for the answer too
	retry   bool // tell it how soon to reconnect (the earlier revisions resume streams)

	mu        sync.Mutex // guards what follows and the writes
	streaming bool
	ended     bool
}

func newHTTPStream(w http.ResponseWriter, sse bool, timeout time.Duration) *httpStream {
	return &httpStream{w: w, rc: http.NewResponseController(w), sse: sse, timeout: timeout}
}

func (h *httpStream) send(msg []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return errEnded
	}
	if !h.sse {
		return nil // a client that takes no events gets the answer alone
	}
	h.open()
	return h.event(msg)
}

// open starts the event stream; h.mu is held.
func (h *httpStream) open() {
	if h.streaming {
		return
	}
	h.streaming = true
	head := h.w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no")
	h.w.WriteHeader(http.StatusOK)
	if h.retry {
		_ = h.write([]byte("retry: 1000\n\n")) // a failure shows at the event that follows
	}
}

func (h *httpStream) event(parts ...[]byte) error {
	if err := h.write([]byte("event: message\ndata: ")); err != nil {
		return err
	}
	for _, p := range parts {
		if err := h.write(wire.OneLine(p)); err != nil {
			return err
		}
	}
	if err := h.write([]byte("\n\n")); err != nil {
		return err
	}
	return h.flush()
}

// flush sends what has been written and takes the deadline away: over HTTP/2 one that passes ends the stream even when
// nothing is being written.
func (h *httpStream) flush() error {
	err := h.rc.Flush()
	h.rest()
	return err
}

// rest takes the deadline away until the next write.
func (h *httpStream) rest() { _ = h.rc.SetWriteDeadline(time.Time{}) } // a recorder has no deadlines

func (h *httpStream) idle() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return errEnded
	}
	if !h.streaming {
		return nil
	}
	if err := h.write([]byte(": \n\n")); err != nil {
		return err
	}
	return h.flush()
}

func (h *httpStream) result(id, result []byte) error {
	return h.answer(http.StatusOK, resultHead(id), result, []byte("}"))
}

func (h *httpStream) fail(id []byte, e *wire.Error, status int) error {
	return h.answer(status, wire.AppendError(nil, id, e))
}

func (h *httpStream) answer(status int, parts ...[]byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return errEnded
	}
	h.ended = true
	if h.prefer && status == http.StatusOK {
		h.open()
	}
	if h.streaming {
		return h.event(parts...)
	}
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	h.w.Header().Set("Content-Type", "application/json")
	h.w.Header().Set("Content-Length", strconv.Itoa(n))
	h.w.WriteHeader(status)
	for _, p := range parts {
		if err := h.write(p); err != nil {
			return err
		}
	}
	return nil
}

// chunk is how much must get through within the write timeout: a slow client may take a big answer for as long as it
// keeps taking it.
const chunk = 64 << 10

// write writes b piece by piece, each within its time. A ResponseWriter without deadlines (a test recorder) has none.
func (h *httpStream) write(b []byte) error {
	for len(b) > 0 {
		_ = h.rc.SetWriteDeadline(time.Now().Add(h.timeout))
		n, err := h.w.Write(b[:min(chunk, len(b))])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func resultHead(id []byte) []byte {
	b := make([]byte, 0, len(id)+32)
	b = append(b, `{"jsonrpc":"2.0","id":`...)
	b = append(b, id...)
	return append(b, `,"result":`...)
}
