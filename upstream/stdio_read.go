// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"tollgate/upstream/wire"
)

const (
	readBuffer = 32 << 10 // bytes
	keptHead   = 1 << 10  // bytes of a line above the limit that are looked at for an id, and as much of its end
)

var (
	errLongLine    = errors.New("line above the limit")
	errEndlessLine = errors.New("line without an end")
)

// lineReader cuts a stream into lines and never holds more than the limit of one.
type lineReader struct {
	br    *bufio.Reader
	limit int64

	// Of a line above the limit: its first and last bytes, and whether its end was read.
	head, tail []byte
	whole      bool
}

func newLineReader(r io.Reader, limit int64) *lineReader {
	return &lineReader{br: bufio.NewReaderSize(r, readBuffer), limit: limit}
}

// next returns the next line in memory of its own, without surrounding white space. Bytes after the last line break count
// as a line. After errLongLine the caller must call skip.
func (r *lineReader) next() ([]byte, error) {
	var parts [][]byte
	var size int64
	for {
		s, err := r.br.ReadSlice('\n')
		size += int64(len(s))
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && (size == 0 || !errors.Is(err, io.EOF)) {
			return nil, err
		}
		length := size
		if bytes.HasSuffix(s, []byte("\n")) {
			length--
		}
		if length > r.limit {
			if parts == nil {
				parts = [][]byte{s}
			}
			r.head = bytes.Clone(parts[0][:min(len(parts[0]), keptHead)])
			r.tail, r.whole = r.tail[:0], !errors.Is(err, bufio.ErrBufferFull)
			r.keepTail(parts[len(parts)-1])
			r.keepTail(s)
			return nil, errLongLine
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			parts = append(parts, bytes.Clone(s))
		case parts == nil:
			return bytes.TrimSpace(bytes.Clone(s)), nil
		default:
			return bytes.TrimSpace(bytes.Join(append(parts, s), nil)), nil
		}
	}
}

// skip reads to the end of the line and gives up after budget bytes.
func (r *lineReader) skip(budget int64) (skipped int64, err error) {
	for !r.whole {
		s, err := r.br.ReadSlice('\n')
		skipped += int64(len(s))
		r.keepTail(s)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return skipped, err
		}
		r.whole = err == nil
		if skipped > budget {
			return skipped, errEndlessLine
		}
	}
	return skipped, nil
}

func (r *lineReader) keepTail(s []byte) {
	r.tail = append(r.tail, s[max(0, len(s)-keptHead):]...)
	if extra := len(r.tail) - keptHead; extra > 0 {
		r.tail = append(r.tail[:0], r.tail[extra:]...)
	}
}

// junk is what an upstream wrote since its last message that is no message.
type junk struct {
	lines int
	bytes int64
}

// read is the reader goroutine. After the last message it goes on reading, so that a child which is being ended is not
// stopped by a full pipe.
func (l *stdioLink) read() {
	if flood := l.readLines(); flood != nil {
		l.stop(false, flood)
	} else {
		l.stop(true, failf(l.cfg, KindClosed, false, io.EOF, "closed its output"))
	}
	close(l.readDone)
	_, _ = io.Copy(io.Discard, l.rw)
}

// readLines routes messages until the stream or the link ends, or junk takes over: only that is an error.
func (l *stdioLink) readLines() *Error {
	in := newLineReader(l.rw, l.limits.line)
	var since junk
	for {
		line, err := in.next()
		select {
		case <-l.dead:
			return nil
		default:
		}
		var flood *Error
		switch {
		case errors.Is(err, errLongLine):
			flood, err = l.longLine(in, &since)
		case err == nil:
			flood = l.line(line, &since)
		}
		if err != nil || flood != nil {
			return flood
		}
	}
}

// line routes one line. What is no message is counted, kept for error texts and otherwise ignored.
func (l *stdioLink) line(line []byte, since *junk) *Error {
	if bytes.HasPrefix(line, []byte("[")) && wire.CheckReply(line) == nil { // 2025-03-26 §batching
		for msg := range wire.Elements(line) {
			if flood := l.message(bytes.TrimSpace(msg), since); flood != nil {
				return flood
			}
		}
		return nil
	}
	return l.message(line, since)
}

func (l *stdioLink) message(line []byte, since *junk) *Error {
	env, err := wire.ParseReply(line)
	if err == nil {
		*since = junk{}
		l.route(env)
		return nil
	}
	if p := l.lookup(attribute(line[:min(len(line), keptHead)], line[max(0, len(line)-keptHead):])); p != nil {
		*since = junk{}
		l.finish(p, nil, failf(l.cfg, KindProtocol, true, err, "answered %s with something that is no valid response: %v",
			p.x.method, err))
		return nil
	}
	if len(line) > 0 {
		since.lines++
		l.counts.junk.Add(1)
		if l.child != nil { // programs that log to the wrong stream mean this for standard error
			_, _ = l.child.tail.Write(append(bytes.Clone(line[:min(len(line), keptHead)]), '\n'))
		}
	}
	since.bytes += int64(len(line)) + 1
	return l.flood(since)
}

// flood is the error of an upstream that talks, but not MCP.
func (l *stdioLink) flood(since *junk) *Error {
	switch {
	case since.lines > l.limits.junkLines:
		return failf(l.cfg, KindProtocol, false, nil, "wrote more than %d lines in a row that are no messages",
			l.limits.junkLines)
	case since.bytes > l.limits.junkBytes:
		return failf(l.cfg, KindProtocol, false, nil, "wrote more than %d bytes in a row that are no messages",
			l.limits.junkBytes)
	}
	return nil
}

// longLine drops a line above the limit. A response costs the call it belongs to, known from the first or the last bytes;
// anything else is junk.
func (l *stdioLink) longLine(in *lineReader, since *junk) (flood *Error, err error) {
	id, response := headID(in.head)
	budget := l.limits.skip
	if !response {
		budget = l.limits.junkBytes - since.bytes
	}
	l.tooLarge(l.lookup(id)) // at once, since the rest may take its time
	skipped, err := in.skip(budget)
	if err != nil && !errors.Is(err, errEndlessLine) {
		return nil, err
	}
	if response {
		l.tooLarge(l.lookup(attribute(in.head, in.tail)))
		*since = junk{}
	} else {
		l.counts.junk.Add(1)
		since.lines++
		since.bytes += l.limits.line + skipped
	}
	if err != nil && response {
		return failf(l.cfg, KindTooLarge, false, nil, "wrote a line of more than %d bytes", l.limits.skip), nil
	}
	return l.flood(since), nil
}

// tooLarge ends p, if there is one, because its response is above the limit.
func (l *stdioLink) tooLarge(p *pending) {
	if p == nil {
		return
	}
	limit := l.limits.line
	if p.x.maxReply > 0 {
		limit = min(limit, p.x.maxReply)
	}
	l.finish(p, nil, failf(l.cfg, KindTooLarge, true, nil, "answered %s with more than %d bytes", p.x.method, limit))
}
