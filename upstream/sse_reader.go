// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// errEventTooLarge ends a stream of events: one of them, or one of its lines, is above the limit.
var errEventTooLarge = errors.New("server-sent event above the limit")

// maxEventID bounds an event id, which travels back in the Last-Event-ID header. Longer ones are ignored.
const maxEventID = 4 << 10

// maxRetry bounds the reconnection time a server may ask for.
const maxRetry = time.Hour

// event is one server-sent event. An empty name means "message". The data belongs to the receiver.
type event struct {
	name string
	data []byte
}

// cursor is the place in a stream of events, kept across reconnections.
type cursor struct {
	id    string        // of the last event that was complete; "" = the server sends none
	retry time.Duration // the server's reconnection time; 0 = it named none
}

// eventReader splits a byte stream into server-sent events (HTML Living Standard §9.2). It holds at most one event, never
// more than limit bytes of it, and nothing at all of a comment. Not safe for concurrent use.
type eventReader struct {
	br     *bufio.Reader
	limit  int64
	cur    *cursor
	buf    []byte // data lines so far, each ended by LF, then the line being read
	name   string
	id     string // becomes cur.id with the blank line
	hasID  bool
	skipLF bool // the last line ended with CR: a LF right after it belongs to it
	begun  bool // the place for a byte order mark is over
}

// newEventReader reads events from r and keeps cur up to date. limit is in bytes of data per event.
func newEventReader(r io.Reader, limit int64, cur *cursor) *eventReader {
	return &eventReader{br: bufio.NewReader(r), limit: limit, cur: cur}
}

// next returns the next event that has data. Its errors are those of the reader, io.EOF at the end (an event without its blank
// line is dropped, as the standard says), and errEventTooLarge, after which the reader must not be used again.
func (r *eventReader) next() (event, error) {
	for {
		start := len(r.buf)
		blank, err := r.readLine(start)
		switch {
		case errors.Is(err, errEventTooLarge):
			// The place moves past the event, or is forgotten: a server must not replay it for ever.
			r.cur.id, r.hasID = r.id, false
			return event{}, err
		case err != nil:
			return event{}, err
		case !blank:
			r.field(start)
			continue
		}
		if r.hasID {
			r.cur.id = r.id
		}
		ev := event{name: r.name, data: bytes.TrimSuffix(r.buf, []byte("\n"))}
		r.buf, r.name, r.id, r.hasID = nil, "", "", false
		if len(ev.data) > 0 {
			return ev, nil
		}
	}
}

// readLine appends one line without its end to buf, whose length is start, and reports whether it was blank. Comments are
// read to their end and not kept.
func (r *eventReader) readLine(start int) (blank bool, err error) {
	comment := false
	for {
		chunk, err := r.chunk()
		if err != nil {
			return false, err
		}
		if len(chunk) == 0 {
			continue // only the LF of a CRLF was there
		}
		end := lineEnd(chunk)
		part := chunk
		if end >= 0 {
			part = chunk[:end]
			r.skipLF = chunk[end] == '\r'
		}
		if len(r.buf) == start && len(part) > 0 && part[0] == ':' {
			comment = true
		}
		if !comment {
			if int64(len(r.buf)+len(part)) > r.limit+maxEventID {
				return false, errEventTooLarge
			}
			r.buf = append(r.buf, part...)
		}
		if end < 0 {
			r.discard(len(chunk))
			continue
		}
		r.discard(end + 1)
		return !comment && len(r.buf) == start, nil
	}
}

// chunk returns what is buffered, at least one byte unless that was the LF of a CRLF or a byte order mark.
func (r *eventReader) chunk() ([]byte, error) {
	if !r.begun {
		r.begun = true
		if b, _ := r.br.Peek(3); string(b) == "\xef\xbb\xbf" {
			r.discard(3)
		}
	}
	if r.br.Buffered() == 0 {
		if _, err := r.br.Peek(1); err != nil {
			return nil, err
		}
	}
	b, err := r.br.Peek(r.br.Buffered())
	if err != nil {
		return nil, err
	}
	if r.skipLF {
		r.skipLF = false
		if b[0] == '\n' {
			r.discard(1)
			b = b[1:]
		}
	}
	return b, nil
}

// discard drops n buffered bytes, which cannot fail.
func (r *eventReader) discard(n int) { _, _ = r.br.Discard(n) }

// lineEnd returns the index of the first CR or LF in b, or -1.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// field takes the line at buf[start:], empty for a comment, and leaves only data in buf.
func (r *eventReader) field(start int) {
	name, value, _ := bytes.Cut(r.buf[start:], []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		r.buf = append(append(r.buf[:start], value...), '\n')
		return
	case "event":
		r.name = string(value)
	case "id":
		if id := string(value); len(id) <= maxEventID && !strings.ContainsFunc(id, isControl) {
			r.id, r.hasID = id, true
		}
	case "retry":
		if ms, err := strconv.ParseUint(string(value), 10, 63); err == nil {
			r.cur.retry = time.Duration(min(ms, uint64(maxRetry/time.Millisecond))) * time.Millisecond
		}
	}
	r.buf = r.buf[:start]
}

// isControl reports characters that cannot be in a header value.
func isControl(c rune) bool { return c < ' ' || c == 0x7f }
