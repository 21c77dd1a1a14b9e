// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"tollgate/upstream/wire"
)

// session is one live connection after its handshake. The fields above the blank line never change.
type session struct {
	cfg          *Config
	link         link
	transport    transport
	rev          wire.Revision
	server       []byte // serverInfo, raw; nil = not told
	capabilities []byte // raw object; nil = not told, so anything may be tried
	instructions string
	dual         bool        // a modern session whose server says that it can also be initialized
	onlyModern   atomic.Bool // it could not be
	client       []byte      // our own clientInfo

	tokens   atomic.Int64
	levels   chan struct{} // one slot, held while the log level is raised
	level    atomic.Int32  // rank of the level asked for so far; noLevel = none
	ctx      context.Context
	cancel   context.CancelCauseFunc // ends ctx, and with it everything that belongs to the session
	tasks    sync.WaitGroup
	listener *listener // nil on a legacy session

	mu       sync.Mutex     // guards draining, and orders busy.Add before busy.Wait
	draining bool           // no exchange may begin any more
	busy     sync.WaitGroup // exchanges under way
}

// noLevel is above every rank of [wire.LogLevel].
const noLevel = 100

// start gives a session its own life, which ends with the link's.
func (s *session) start() {
	s.levels = make(chan struct{}, 1)
	s.level.Store(noLevel)
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.run(func() {
		select {
		case <-s.link.done():
			s.cancel(s.link.cause())
		case <-s.ctx.Done():
		}
	})
}

// run starts a goroutine that close waits for. f returns soon after s.ctx ended.
func (s *session) run(f func()) { s.tasks.Go(f) }

// ended reports whether the session is over. A link that died counts at once, before ctx has been told.
func (s *session) ended() bool {
	select {
	case <-s.link.done():
		return true
	default:
		return s.ctx.Err() != nil
	}
}

// cause says why the session is over.
func (s *session) cause() error {
	if err := context.Cause(s.ctx); err != nil {
		return err
	}
	return s.link.cause()
}

// close ends the session and its link and waits for both.
func (s *session) close() {
	s.cancel(errLinkClosed)
	s.link.close()
	s.tasks.Wait()
}

// forgotten says that the server no longer knows the session, while its connection is fine.
func (s *session) forgotten() bool { return errors.Is(s.cause(), errSessionLost) }

// leave closes the session. Only where the server forgot it do the calls under way have a chance: they go on until ctx ends.
func (s *session) leave(ctx context.Context) {
	if s.forgotten() {
		s.drain(ctx.Done())
	}
	s.close()
}

// drain lets no exchange begin any more, and those under way end well until hurry is closed.
func (s *session) drain(hurry <-chan struct{}) {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		s.busy.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-hurry:
	}
}

// enter admits one exchange, unless the session is draining.
func (s *session) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.busy.Add(1)
	}
	return !s.draining
}

// do sends one exchange. A lost session is noted, and a reply whose result is no object is refused: an answer without content
// must never look like a success.
func (s *session) do(ctx context.Context, x *exchange) (*wire.Envelope, error) {
	if !s.enter() {
		return nil, failf(s.cfg, KindClosed, false, s.cause(), "lost its session")
	}
	defer s.busy.Done()
	env, err := s.link.exchange(ctx, x)
	if err != nil {
		if errors.Is(err, errSessionLost) {
			s.cancel(err)
		}
		return nil, s.asError(ctx, x, err)
	}
	if env.Error == nil && wire.Kind(env.Result) != '{' {
		return nil, failf(s.cfg, KindProtocol, true, nil, "answered %s without a result", x.method)
	}
	return env, nil
}

// asError makes sure that what a link reports is an *Error that names the upstream.
func (s *session) asError(ctx context.Context, x *exchange, err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		if ctx.Err() != nil {
			return ctxError(ctx, s.cfg, x.method, x.sent)
		}
		return failf(s.cfg, KindUnavailable, x.sent, err, "failed during %s", x.method)
	}
	if e.Upstream == "" {
		e.Upstream = s.cfg.Name
	}
	return e
}

// exchange prepares a request in the era of the session.
func (s *session) exchange(method string, params []byte, m clientMeta) *exchange {
	if m.info == nil {
		m.info = s.client
	}
	if s.rev.Modern() {
		params = modernParams(params, s.rev, m)
	} else {
		params = legacyParams(params, m)
	}
	return &exchange{method: method, params: params, rev: s.rev, progressToken: m.token, maxReply: s.cfg.maxReply()}
}

// request sends a request of our own and returns its result, a JSON object. A JSON-RPC error is a *wire.Error.
func (s *session) request(ctx context.Context, method string, params []byte) ([]byte, error) {
	env, err := s.do(ctx, s.exchange(method, params, clientMeta{capabilities: []byte(flavourShared)}))
	if err != nil {
		return nil, err
	}
	if env.Error != nil {
		return nil, wire.ParseError(env.Error)
	}
	return env.Result, nil
}

// token mints a progress token that no other request of the session has.
func (s *session) token() []byte { return strconv.AppendInt(nil, s.tokens.Add(1), 10) }

// declares reports whether the upstream declared a capability, or may have.
func (s *session) declares(path ...string) bool {
	if s.capabilities == nil {
		return true
	}
	v, ok := wire.Lookup(s.capabilities, path...)
	if !ok {
		return false
	}
	kind := wire.Kind(v)
	return kind == '{' || kind == 't'
}

// raiseLevel makes a legacy upstream log at least at the given level. The level is one per session and only ever becomes more
// verbose; who asked for less filters. An upstream that refuses simply stays silent.
func (s *session) raiseLevel(ctx context.Context, name string) error {
	rank, ok := wire.LogLevel(name)
	if !ok || s.rev.Modern() || !s.declares("logging") || int32(rank) >= s.level.Load() {
		return nil
	}
	select {
	case s.levels <- struct{}{}:
		defer func() { <-s.levels }()
	case <-ctx.Done():
		return ctxError(ctx, s.cfg, "logging/setLevel", false)
	}
	if int32(rank) >= s.level.Load() {
		return nil
	}
	_, err := s.request(ctx, "logging/setLevel", object("level", string(quote(name))))
	var refused *wire.Error
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	s.level.Store(int32(rank))
	return nil
}
