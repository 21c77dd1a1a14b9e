// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// authorizers are those of a [Set], by the name of the upstream. They outlive the conns, so that a changed timeout does not cost a
// login. Safe for concurrent use.
type authorizers struct {
	store      TokenStore  // nil = logins end with the process
	browser    BrowserFunc // nil = nobody can be shown a URL unasked
	log        *slog.Logger
	now        func() time.Time
	clientName string
	changed    func(name string) // a login went well
	ctx        context.Context
	cancel     context.CancelFunc

	mu     sync.Mutex // guards the two below and orders tasks.Add before tasks.Wait
	closed bool
	byName map[string]*authorizer
	tasks  sync.WaitGroup
}

func newAuthorizers(o *Options, h *host, clientName string) *authorizers {
	s := &authorizers{
		store: o.Tokens, browser: o.Browser, log: h.log, now: h.now, clientName: clientName,
		changed: func(string) {}, byName: map[string]*authorizer{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// of returns the authorizer of an upstream, nil for one that can have none: it is not reached over HTTP, or the configuration
// gives it an Authorization header. The one before goes on as long as it is for the same URL in the same way.
func (s *authorizers) of(cfg *Config) *authorizer {
	if t := cfg.transport(); t.piped() || cfg.OAuth == nil && hasAuthorization(cfg.Headers) || cfg.Disabled {
		return nil
	}
	s.mu.Lock()
	before := s.byName[cfg.Name]
	if before != nil && before.cfg.URL == cfg.URL && before.cfg.OAuth.equal(cfg.OAuth) {
		s.mu.Unlock()
		return before
	}
	a := s.add(cfg)
	s.mu.Unlock()
	if before != nil {
		before.mu.Lock()
		before.detached = true
		before.mu.Unlock()
	}
	return a
}

// add makes the authorizer of an upstream. The caller holds mu.
func (s *authorizers) add(cfg *Config) *authorizer {
	a := &authorizer{cfg: cfg, oauth: cfg.OAuth, set: s, resource: resourceOf(cfg.URL), http: newAuthTransport(reachOf(cfg.URL, cfg.OAuth))}
	if a.oauth == nil {
		a.oauth = &OAuth{}
	}
	a.rec = s.load(a)
	s.byName[cfg.Name] = a
	return a
}

func hasAuthorization(headers map[string]string) bool {
	for name := range headers {
		if strings.EqualFold(name, "Authorization") {
			return true
		}
	}
	return false
}

// load reads what was saved of the logins of an upstream. What cannot be read costs a login, no more.
func (s *authorizers) load(a *authorizer) *record {
	var b []byte
	var err error
	if s.store != nil {
		b, err = s.store.LoadToken(a.cfg.Name)
	}
	rec, bad := decodeRecord(b, a.resource)
	if err := errors.Join(err, bad); err != nil {
		s.log.Error("a saved login cannot be used", "upstream", a.cfg.Name, "error", err)
	}
	if g := rec.current(); g != nil && a.oauth.resolve(g.Client) == nil {
		g.Token = nil // of a client that the configuration no longer names
	}
	return rec
}

// spawn runs f on a goroutine that close waits for, unless the set is closed.
func (s *authorizers) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.tasks.Go(f)
	return true
}

// close ends the attempts under way and waits for them.
func (s *authorizers) close() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.tasks.Wait()
}

// Login logs in to an upstream: show gets the URL at which a person authorizes the gateway. It returns when that has happened
// and the login is saved, or has failed. An upstream with client credentials gets a new token without anybody. ctx ends the
// attempt. The error is an *Error.
func (s *Set) Login(ctx context.Context, name string, show BrowserFunc) error {
	c, err := s.find(name)
	if err != nil {
		return err
	}
	if c.auth == nil {
		return failf(c.cfg, KindAuth, false, nil, "has no login: it is not reached over HTTP, is disabled, or has an Authorization header of its own")
	}
	if !c.auth.challenged() { // the first answer says where to go
		select {
		case <-c.health.settled:
		case <-c.stopped:
		case <-ctx.Done():
			return ctxError(ctx, c.cfg, "a login", false)
		}
	}
	return c.auth.loginNow(ctx, show)
}

// Logout forgets the login of an upstream and ends its connection. An upstream that is not configured any more may still have
// one saved. The error is an *Error, or one of the store.
func (s *Set) Logout(ctx context.Context, name string) error {
	c, err := s.find(name)
	if err != nil {
		return s.forget(name, err)
	}
	if c.auth == nil {
		return s.forget(name, nil)
	}
	err = c.auth.logout(ctx)
	s.reconnect(name, true)
	return err
}

// forget removes what is saved under a name without an authorizer; absent is the error when there is nothing.
func (s *Set) forget(name string, absent error) error {
	store := s.host.auths.store
	if store == nil {
		return absent
	}
	if b, err := store.LoadToken(name); err == nil && b == nil {
		return absent
	}
	return store.SaveToken(name, nil)
}

// find returns the present conn of an upstream.
func (s *Set) find(name string) (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slots[name]
	if sl == nil || s.closed {
		return nil, &Error{Upstream: name, Kind: KindUnavailable, Detail: "is not configured", Err: errNotConnected}
	}
	return sl.now, nil
}

// reconnect lets an upstream that pauses connect at once. hangUp ends a connection that it has.
func (s *Set) reconnect(name string, hangUp bool) {
	s.mu.Lock()
	sl := s.slots[name]
	var conns []*conn
	if sl != nil {
		conns = append(conns, sl.now)
		if sl.before != nil {
			conns = append(conns, sl.before)
		}
	}
	s.mu.Unlock()
	for _, c := range conns {
		if session := c.health.current(); hangUp && session != nil {
			session.cancel(errLoggedOut)
		}
		c.wake()
	}
}

// errLoggedOut is the cause of a connection that ended with its login.
var errLoggedOut = errors.New("logged out")
