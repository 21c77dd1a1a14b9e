// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"tollgate/cmd/internal/control"
	"tollgate/upstream/wire"
)

// errGatewayGone says that the gateway behind a pipe ended while its client was still there.
var errGatewayGone = errors.New("the gateway went away")

// stdioRelay carries one client from gateway to gateway. It remembers what opened the client's session and what the
// session was told since, to repeat it, and the requests without an answer yet, to answer them when their gateway is gone.
type stdioRelay struct {
	lines chan []byte // of the client; closed at the end of its input
	out   io.Writer
	drain time.Duration // how long answers are waited for once the process is told to end

	unsent []byte // a line that no gateway has taken; of feed, which runs once at a time

	mu         sync.Mutex // guards what follows
	ended      bool       // nothing more comes from the client
	initialize []byte     // the request that opened the session; nil before, and when it was refused
	settings   settings
	pending    map[string]struct{} // ids
}

// newStdioRelay starts reading the client. The reader cannot be interrupted: it ends with the client's input or with
// the process.
func newStdioRelay(ctx context.Context, in io.Reader, out io.Writer, drain time.Duration) *stdioRelay {
	r := &stdioRelay{lines: make(chan []byte), out: out, drain: drain, pending: map[string]struct{}{}}
	go func() {
		defer close(r.lines)
		b := bufio.NewReaderSize(in, 64<<10)
		for {
			line, err := b.ReadBytes('\n')
			if len(line) > 0 {
				select {
				case r.lines <- line:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return r
}

// run relays over one pipe, which it closes, until the client's input or ctx has ended and the gateway is done (nil), or
// the gateway is gone. answered says whether anything came back.
func (r *stdioRelay) run(ctx context.Context, pipe *control.Pipe) (answered bool, err error) {
	again, swallow, err := r.handshake()
	if err != nil {
		return false, errors.Join(err, pipe.Close())
	}
	stop := make(chan struct{})
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		r.feed(ctx, pipe.Requests, again, stop)
	}()
	type end struct {
		answered bool
		err      error
	}
	// In a goroutine of its own: a client that does not read must not keep the process from ending.
	done := make(chan end, 1)
	go func() {
		answered, err := r.answers(pipe.Answers, swallow)
		done <- end{answered, err}
	}()
	var e end
	select {
	case e = <-done:
	case <-ctx.Done():
		limit := time.NewTimer(r.drain)
		defer limit.Stop()
		select {
		case e = <-done:
		case <-limit.C:
		}
	}
	close(stop)
	err = errors.Join(e.err, pipe.Close())
	<-fed
	if err == nil && ctx.Err() == nil && !r.over() {
		return e.answered, r.gone()
	}
	return e.answered, err
}

// feed sends the client's lines to the gateway. A gateway that does not take them is gone, which shows at its answers.
func (r *stdioRelay) feed(ctx context.Context, to io.WriteCloser, again []byte, stop <-chan struct{}) {
	if len(again) > 0 {
		if _, err := to.Write(again); err != nil {
			return
		}
	}
	if !r.pass(r.unsent, to) {
		return
	}
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				r.end()
				_ = to.Close() // see above
				return
			}
			if !r.pass(line, to) {
				return
			}
		case <-ctx.Done():
			_ = to.Close() // see above
			return
		case <-stop:
			return
		}
	}
}

// pass sends one line. One that did not leave at all is kept for the next gateway.
func (r *stdioRelay) pass(line []byte, to io.Writer) bool {
	r.unsent = nil
	if len(line) == 0 {
		return true
	}
	forget := r.note(line)
	n, err := to.Write(line)
	if err != nil && n == 0 && forget != nil {
		forget()
		r.unsent = line
	}
	return err == nil
}

// answers passes on what comes from the gateway until it ends, but for the answers to what was repeated: the client has
// them already.
func (r *stdioRelay) answers(from io.Reader, swallow map[string]bool) (answered bool, err error) {
	b := bufio.NewReaderSize(from, 64<<10)
	moved := false // the client was told that it is at another gateway
	for {
		line, err := b.ReadBytes('\n')
		if err != nil {
			return answered, nil // a line without an end was cut off with its gateway
		}
		if e, err := wire.ParseReply(line); err == nil && e.IsResponse() {
			if swallow[string(e.ID)] {
				delete(swallow, string(e.ID))
				if moved {
					continue
				}
				moved = true
				if _, err := io.WriteString(r.out, listsMayDiffer); err != nil {
					return answered, err
				}
				continue
			}
			r.settle(e)
		}
		answered = true
		if _, err := r.out.Write(line); err != nil {
			return answered, err
		}
	}
}

// gone answers what the gateway left without an answer.
func (r *stdioRelay) gone() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.pending {
		if id == r.opening() {
			continue // repeated to the next gateway, whose answer it gets
		}
		delete(r.pending, id)
		answer := wire.AppendError(nil, []byte(id), &wire.Error{
			Code: wire.CodeUpstreamFailed, Message: "the gateway went away during this request; outcome unknown", Data: []byte(`{"outcome":"unknown"}`),
		})
		if _, err := fmt.Fprintf(r.out, "%s\n", answer); err != nil {
			return err
		}
	}
	return errGatewayGone
}

func (r *stdioRelay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

func (r *stdioRelay) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}
