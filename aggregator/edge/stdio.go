// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/upstream/wire"
)

// pipe is one stdio client. It may speak either era; initialize opens the one session a pipe can have.
type pipe struct {
	server  *Server
	caller  *auth.Principal
	toolset string
	ctx     context.Context
	work    sync.WaitGroup // running requests
	ears    sync.WaitGroup // the session's change notifications

	out sync.Mutex // guards writes to w
	w   io.Writer

	mu      sync.Mutex // guards what follows
	session *session   // nil until initialize
	running map[string]context.CancelFunc
}

// ServeStdio serves one client over newline-delimited JSON until in or ctx ends or the server drains. Requests still
// running when in ends get [Options.Drain] to be answered: a client may write its requests and close its side at once.
func (s *Server) ServeStdio(ctx context.Context, in io.Reader, out io.Writer, caller *auth.Principal, toolset string) error {
	s.pipes.add(1)
	defer s.pipes.add(-1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	p := &pipe{server: s, caller: caller, toolset: toolset, ctx: ctx, w: out, running: map[string]context.CancelFunc{}}
	lines := make(chan []byte)
	ended := make(chan error, 1)
	go func() { ended <- readLines(ctx, in, s.opts.MaxBody, lines, p.tooLong) }()
	err := p.loop(lines, ended)
	p.drain(cancel)
	return err
}

func (p *pipe) loop(lines <-chan []byte, ended <-chan error) error {
	for {
		select {
		case line := <-lines:
			p.handle(line)
		case err := <-ended:
			return err
		case <-p.ctx.Done():
			return nil
		case <-p.server.draining.Done():
			return nil
		}
	}
}

// drain ends subscriptions at once and lets the rest finish within the limit.
func (p *pipe) drain(cancel context.CancelFunc) {
	p.mu.Lock()
	for id, stop := range p.running {
		if bytes.HasPrefix([]byte(id), []byte("listen ")) && p.server.draining.Err() == nil {
			stop() // when the server drains they end by themselves, with a result
		}
	}
	ss := p.session
	p.mu.Unlock()
	if ss != nil {
		ss.cancel() // nobody is left to be told of changes; requests do not depend on the session
	}
	done := make(chan struct{})
	go func() { p.work.Wait(); close(done) }()
	limit := time.NewTimer(p.server.opts.Drain)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	case <-p.ctx.Done():
	}
	cancel()
	if ss != nil {
		p.server.endSession(ss)
	}
	<-done
	p.ears.Wait()
}

// handle takes one line.
func (p *pipe) handle(line []byte) {
	env, err := wire.Parse(line)
	if err != nil {
		p.write(wire.AppendError(nil, idOf(env), asError(err)))
		return
	}
	meta, e := wire.ParseMeta(env.Params)
	if e != nil {
		p.fail(env.ID, e)
		return
	}
	switch {
	case env.IsResponse(), env.IsNotification():
		p.message(env)
	case meta.ProtocolVersion == "" && env.Method == "initialize":
		p.initialize(env)
	default:
		p.request(env, meta)
	}
}

// message takes a notification or response.
func (p *pipe) message(env *wire.Envelope) {
	if env.Method == "notifications/cancelled" {
		id, _ := wire.Lookup(env.Params, "requestId")
		p.mu.Lock()
		stop, listen := p.running[string(id)], p.running["listen "+string(id)]
		p.mu.Unlock()
		for _, f := range []context.CancelFunc{stop, listen} {
			if f != nil {
				f()
			}
		}
		return
	}
	p.mu.Lock()
	ss := p.session
	p.mu.Unlock()
	if ss != nil {
		p.server.legacyMessage(ss, env)
	}
}

func (p *pipe) initialize(env *wire.Envelope) {
	p.mu.Lock()
	have := p.session != nil
	p.mu.Unlock()
	if have {
		p.fail(env.ID, &wire.Error{Code: wire.CodeInvalidRequest, Message: "initialize was already done on this connection"})
		return
	}
	req := &request{env: env, caller: p.caller, toolset: p.toolset}
	ss, result, e := p.server.initialize(req)
	if e != nil {
		p.fail(env.ID, e)
		return
	}
	out := &pipeStream{pipe: p}
	if err := out.result(env.ID, result); err != nil {
		p.server.endSession(ss)
		return // the reader notices the closed pipe
	}
	ctx, deaf := context.WithCancel(ss.ctx)
	ss.deaf = deaf
	p.mu.Lock()
	p.session = ss
	p.mu.Unlock()
	p.ears.Go(func() {
		if err := p.server.pump(ctx, ss.ears, out, notifier(&pipeStream{pipe: p}), nil); err != nil && !errors.Is(err, context.Canceled) {
			p.server.log.Debug("a stdio client takes no notifications", "error", err)
		}
	})
	context.AfterFunc(p.ctx, ss.cancel)
}

// request starts answering one request in its own goroutine.
func (p *pipe) request(env *wire.Envelope, meta wire.Meta) {
	req := &request{env: env, meta: meta, caller: p.caller, toolset: p.toolset, out: &pipeStream{pipe: p}}
	p.mu.Lock()
	ss := p.session
	p.mu.Unlock()
	if meta.ProtocolVersion != "" || ss == nil {
		if e := checkModern(req, nil); e != nil {
			p.fail(env.ID, e)
			return
		}
	} else {
		req.session, req.client, req.level = ss, ss.client, ss.logLevel()
	}
	key := string(env.ID)
	if env.Method == "subscriptions/listen" {
		key = "listen " + key
	}
	ctx, cancel := context.WithCancel(p.ctx)
	p.mu.Lock()
	_, calls := p.running[string(env.ID)]
	_, listens := p.running["listen "+string(env.ID)]
	dup := calls || listens
	full := len(p.running) >= p.server.opts.MaxPending
	if !dup && !full {
		p.running[key] = cancel
	}
	p.mu.Unlock()
	if dup || full {
		cancel()
		p.fail(env.ID, &wire.Error{Code: wire.CodeInvalidRequest, Message: "this request id is in use, or too many requests are under way"})
		return
	}
	p.work.Go(func() {
		defer cancel()
		err := p.server.serve(ctx, req)
		p.mu.Lock()
		delete(p.running, key)
		p.mu.Unlock()
		if err != nil && !errors.Is(err, context.Canceled) {
			p.server.log.Debug("a request ended without an answer", "method", env.Method, "error", err)
		}
	})
}

func (p *pipe) tooLong() {
	p.write(wire.AppendError(nil, nil, &wire.Error{
		Code: wire.CodeInvalidRequest, Message: fmt.Sprintf("a message is larger than %d bytes", p.server.opts.MaxBody),
	}))
}

func (p *pipe) fail(id []byte, e *wire.Error) { p.write(wire.AppendError(nil, id, e)) }

// write sends one message. A client that closed its side is noticed by the reader.
func (p *pipe) write(parts ...[]byte) error {
	p.out.Lock()
	defer p.out.Unlock()
	var line []byte
	for _, b := range parts {
		line = append(line, wire.OneLine(b)...)
	}
	_, err := p.w.Write(append(line, '\n'))
	return err
}

// pipeStream is the stream of one request on a pipe.
type pipeStream struct {
	pipe *pipe
	mu   sync.Mutex // guards done
	done bool
}

func (t *pipeStream) end() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.done
	t.done = true
	return was
}

func (t *pipeStream) send(msg []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return errEnded
	}
	return t.pipe.write(msg)
}

func (t *pipeStream) idle() error { return nil }

func (t *pipeStream) result(id, result []byte) error {
	if t.end() {
		return errEnded
	}
	return t.pipe.write(resultHead(id), result, []byte("}"))
}

func (t *pipeStream) fail(id []byte, e *wire.Error, _ int) error {
	if t.end() {
		return errEnded
	}
	return t.pipe.write(wire.AppendError(nil, id, e))
}

// readLines sends each line of at most max bytes; a longer one is skipped whole and reported. It returns nil at the end
// of in.
func readLines(ctx context.Context, in io.Reader, max int64, lines chan<- []byte, tooLong func()) error {
	r := bufio.NewReaderSize(in, 64<<10)
	var line []byte
	skipping := false
	for {
		part, err := r.ReadSlice('\n')
		if !skipping {
			line = append(line, part...)
		}
		if int64(len(line)) > max {
			line, skipping = nil, true
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		switch {
		case skipping:
			tooLong()
		case len(bytes.TrimSpace(line)) > 0:
			select {
			case lines <- line:
			case <-ctx.Done():
				return nil
			}
		}
		line, skipping = nil, false
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading requests: %w", err)
		}
	}
}
