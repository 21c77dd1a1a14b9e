// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/upstream/wire"
)

// stdioLimits are the bounds of one link over newline-delimited JSON.
type stdioLimits struct {
	line      int64         // bytes of one line from the upstream
	skip      int64         // bytes of a line above that which is a response, and so costs one call only
	junkLines int           // consecutive lines that are no message
	junkBytes int64         // bytes of such lines
	queue     int           // messages waiting to be written; callers wait beyond it
	control   int           // answers to ping and cancellations waiting to be written; dropped beyond it
	notes     int           // notifications waiting for one peer
	noteBytes int64         // bytes of those
	asks      int           // requests of the upstream being answered
	write     time.Duration // a write that makes no progress for so long ends the link
	exit      time.Duration // for the exit status, once a child's streams have ended
	drain     time.Duration // for answers still in the pipe, once a child has exited
}

func defaultStdioLimits(maxReply int64) stdioLimits {
	return stdioLimits{line: maxReply, skip: 1 << 30, junkLines: 1000, junkBytes: 16 << 20, queue: 64, control: 256,
		notes: 1024, noteBytes: 1 << 20, asks: 64, write: 10 * time.Second, exit: 200 * time.Millisecond,
		drain: 250 * time.Millisecond}
}

// stdioLink is a link over newline-delimited JSON: a child's standard streams or a pipe within this process. One goroutine
// writes, one reads, one hands over notifications tied to no exchange, one supervises; every request of the upstream has its
// own. None of them is ever blocked by a peer: what belongs to an exchange waits in its mailbox, which the goroutine of the
// caller empties, so the order of the wire holds for each exchange and a slow one delays nobody else.
type stdioLink struct {
	cfg    *Config
	opts   linkOptions
	limits stdioLimits
	rw     io.ReadWriteCloser
	child  *process // nil for a pipe
	outbox outbox
	events *mailbox // notifications tied to no exchange
	counts stdioCounts

	life     context.Context // ends with the link; requests of the upstream run under it
	endLife  context.CancelFunc
	stopping chan struct{} // closed when the link is to end
	dead     chan struct{} // closed when the cause is known and every exchange was told
	gone     chan struct{} // closed when no goroutine, process or descriptor is left
	readDone chan struct{} // closed when no more messages are read
	stopOnce sync.Once
	why      stopReason // written before stopping is closed
	workers  sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	lastID  int64
	running map[int64]*pending
	tokens  map[string]*pending // by tokenKey of the progress token
	asks    map[string]*ask     // by the id of the upstream's request
	failure *Error              // the cause; nil while alive
}

// stdioCounts counts what was received and not used.
type stdioCounts struct {
	junk    atomic.Int64 // lines that are no message
	unknown atomic.Int64 // responses and progress for nothing that is running: late, twice, invented
	dropped atomic.Int64 // notifications a peer did not take in time, answers nobody could be given
}

// stopReason is why a link ends.
type stopReason struct {
	err *Error
	// mayBeExit: the streams failed, which is what the end of the child looks like. Its exit status then says more.
	mayBeExit bool
}

// dialStdio starts cfg.Command. It returns when the program runs, which says nothing about whether it will ever answer.
func dialStdio(ctx context.Context, cfg *Config, o *linkOptions) (link, error) {
	if ctx.Err() != nil {
		return nil, ctxError(ctx, cfg, "the start", false)
	}
	child, err := startProcess(cfg, os.Environ(), defaultGrace())
	if err != nil {
		return nil, failf(cfg, KindUnavailable, false, err, "could not be started: %v", err)
	}
	return newStdioLink(child, child, cfg, o, defaultStdioLimits(o.maxReply)), nil
}

// dialPipe connects to a server in this process. Closing the pipe must end its pending reads and writes.
func dialPipe(ctx context.Context, cfg *Config, o *linkOptions) (link, error) {
	rwc, err := cfg.InProcess(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctxError(ctx, cfg, "the start", false)
		}
		return nil, failf(cfg, KindUnavailable, false, err, "could not be started: %v", err)
	}
	return newStdioLink(rwc, nil, cfg, o, defaultStdioLimits(o.maxReply)), nil
}

func newStdioLink(rw io.ReadWriteCloser, child *process, cfg *Config, o *linkOptions, limits stdioLimits) *stdioLink {
	l := &stdioLink{cfg: cfg, opts: *o, limits: limits, rw: rw, child: child,
		outbox: newOutbox(limits.queue, limits.control), events: newMailbox(limits.notes, limits.noteBytes),
		stopping: make(chan struct{}), dead: make(chan struct{}), gone: make(chan struct{}), readDone: make(chan struct{}),
		running: map[int64]*pending{}, tokens: map[string]*pending{}, asks: map[string]*ask{}}
	l.life, l.endLife = context.WithCancel(context.Background())
	l.workers.Go(l.read)
	l.workers.Go(l.write)
	l.workers.Go(l.report)
	go l.supervise()
	return l
}

// stop asks the supervisor to end the link. Only the first reason counts.
func (l *stdioLink) stop(mayBeExit bool, err *Error) {
	l.stopOnce.Do(func() {
		l.why = stopReason{err: err, mayBeExit: mayBeExit}
		close(l.stopping)
	})
}

// supervise waits for the link's end, whoever brings it about, and leaves nothing behind. The exchanges are told before the
// process group is ended, since that can take seconds.
func (l *stdioLink) supervise() {
	defer close(l.gone)
	var exited chan struct{} // never, for a pipe
	if l.child != nil {
		exited = l.child.exited
	}
	select {
	case <-l.stopping:
	case <-exited:
		waitFor(l.readDone, l.limits.drain)
		l.stop(true, failf(l.cfg, KindClosed, false, io.EOF, "ended"))
	}
	if l.why.mayBeExit && exited != nil && waitFor(exited, l.limits.exit) {
		waitFor(l.readDone, l.limits.drain)
	}
	l.die()
	_ = l.rw.Close()
	l.workers.Wait()
	l.opts.log.Debug("upstream link ended", slog.String("upstream", l.cfg.Name), slog.String("cause", l.failure.Error()),
		slog.Int64("junk_lines", l.counts.junk.Load()), slog.Int64("unknown", l.counts.unknown.Load()),
		slog.Int64("dropped", l.counts.dropped.Load()))
}

// die fixes the cause and releases everybody who waits for the link.
func (l *stdioLink) die() {
	cause := *l.why.err
	if l.child != nil {
		if l.why.mayBeExit && waitFor(l.child.exited, 0) {
			waitFor(l.child.stderrDone, l.limits.drain)
			cause.Detail = "ended (" + l.child.outcome() + ")"
		}
		if !errors.Is(cause.Err, errLinkClosed) {
			cause.Detail += l.child.lastWords(l.cfg)
		}
	}
	l.mu.Lock()
	l.failure = &cause
	l.mu.Unlock()
	l.endLife()
	close(l.dead)
}

func (l *stdioLink) close() {
	l.stop(false, failf(l.cfg, KindClosed, false, errLinkClosed, "was disconnected by the gateway"))
	<-l.gone
}

func (l *stdioLink) done() <-chan struct{} { return l.dead }

func (l *stdioLink) cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure == nil {
		return nil
	}
	return l.failure
}

func (l *stdioLink) stderr() string {
	if l.child == nil {
		return ""
	}
	return l.child.tail.String()
}

func (l *stdioLink) pid() int {
	if l.child == nil {
		return 0
	}
	return l.child.cmd.Process.Pid
}

func (l *stdioLink) notify(ctx context.Context, method string, params []byte) error {
	if !l.outbox.put(ctx.Done(), l.dead, newOutgoing(wire.AppendRequest(nil, nil, method, params))) {
		if ctx.Err() != nil {
			return ctxError(ctx, l.cfg, method, false)
		}
		return l.deadError(false)
	}
	return nil
}

// deadError is the failure of one request on a dead link.
func (l *stdioLink) deadError(sent bool) *Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := *l.failure
	e.Sent = sent
	return &e
}
