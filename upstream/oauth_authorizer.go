// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// authorizer is the gateway's identity at one upstream: it signs requests and gets a new token when one is refused. All
// sessions of the upstream share it. However many requests are refused at the same time, one of them leads to one refresh or
// one login, and the others wait for it. It is safe for concurrent use; no lock is held while it waits for anybody.
type authorizer struct {
	cfg      *Config
	oauth    *OAuth // never nil
	set      *authorizers
	resource string // resourceOf the upstream
	http     *authTransport

	mu       sync.Mutex // guards all below
	rec      *record
	gen      int64 // of the token; every change of it, or its loss, is another
	origin   tokenOrigin
	accepted bool // the upstream has taken the token
	want     challenge
	flight   *flight // nil = nobody is getting a token
	detached bool    // another configuration has taken over: nothing is saved any more
	isOut    bool    // logged out: no automatic login before a login on purpose
	needed   bool
	pending  bool
	stepped  []string // scopes that a login was repeated for
	pacing   pacing
}

// tokenOrigin says where the token in use is from.
type tokenOrigin int

const (
	fromStore tokenOrigin = iota
	fromRefresh
	fromLogin
)

// flight is one attempt to get a token.
type flight struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set before done is closed; an *Error
	quick  bool  // only a refresh, which no person holds up
}

// wait returns how the attempt ended, or ctx's error.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// launch starts f, unless the set is closed. The caller holds mu and has seen that there is no flight.
func (a *authorizer) launch(quick bool, f func(context.Context) error) *flight {
	ctx, cancel := context.WithCancel(a.set.ctx)
	fl := &flight{cancel: cancel, done: make(chan struct{}), quick: quick}
	run := func() {
		defer cancel()
		err := f(ctx)
		a.mu.Lock()
		a.flight = nil
		fl.err = a.failure(err)
		a.mu.Unlock()
		close(fl.done)
		if err == nil && !quick {
			a.set.changed(a.cfg.Name)
		}
	}
	if !a.set.spawn(run) {
		cancel()
		fl.err = a.failure(context.Canceled)
		close(fl.done)
		return fl
	}
	a.flight = fl
	return fl
}

// sign adds the token to a request and returns its generation. A token past its time is refreshed first. Without one the
// request goes as it is, since only its refusal tells where to get one.
func (a *authorizer) sign(req *http.Request) (int64, error) {
	for range 2 {
		a.mu.Lock()
		g, gen := a.rec.current(), a.gen
		if g == nil || !g.Token.stale(a.set.now()) || g.Token.Refresh == "" || a.flight != nil && !a.flight.quick {
			if g != nil {
				req.Header.Set("Authorization", "Bearer "+g.Token.Access)
			}
			a.mu.Unlock()
			return gen, nil
		}
		fl := a.flight
		if fl == nil {
			fl = a.launch(true, a.refreshOnly)
		}
		a.mu.Unlock()
		if err := fl.wait(req.Context()); err != nil {
			return gen, a.waitError(req.Context(), err)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if g := a.rec.current(); g != nil {
		req.Header.Set("Authorization", "Bearer "+g.Token.Access)
	}
	return a.gen, nil
}

// noteAccepted notes that the upstream took the token of a generation.
func (a *authorizer) noteAccepted(gen int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gen == gen && !a.accepted && a.rec.current() != nil {
		a.accepted = true
		a.pacing.succeeded()
	}
}

// renew gets a token that the refusal ch of one of generation gen does not concern. When it returns nil the request is worth
// another try. The error is an *Error.
func (a *authorizer) renew(ctx context.Context, gen int64, ch challenge) error {
	a.mu.Lock()
	if a.gen != gen {
		a.mu.Unlock()
		return nil // somebody was faster
	}
	a.want = ch
	fl := a.flight
	if fl == nil {
		fl = a.launch(false, func(ctx context.Context) error { return a.obtain(ctx, ch, nil) })
	}
	a.mu.Unlock()
	return a.waitError(ctx, fl.wait(ctx))
}

// waitError words the end of a wait: the attempt's own, or that of the patience of a request.
func (a *authorizer) waitError(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return failf(a.cfg, KindAuth, false, ctx.Err(), "waits for a login that is under way; if nobody is at it: tollgate upstream login %s", a.cfg.Name)
}

// loginNow lets a person log in, whatever has been tried before. An attempt under way is ended first.
func (a *authorizer) loginNow(ctx context.Context, show BrowserFunc) error {
	if err := a.ground(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	if a.flight != nil {
		a.mu.Unlock()
		return failf(a.cfg, KindAuth, false, nil, "has another login under way")
	}
	a.isOut, a.stepped, a.pacing = false, nil, pacing{}
	ch := a.want
	ch.status = http.StatusUnauthorized
	fl := a.launch(false, func(ctx context.Context) error { return a.obtain(ctx, ch, show) })
	a.mu.Unlock()
	if err := fl.wait(ctx); err == nil || ctx.Err() == nil {
		return err
	}
	fl.cancel() // nobody is there any more
	<-fl.done
	return ctxError(ctx, a.cfg, "a login", false)
}

// challenged reports whether the upstream has refused a request for lack of authorization.
func (a *authorizer) challenged() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.want.status != 0
}

// ground ends the attempt under way, if there is one.
func (a *authorizer) ground(ctx context.Context) error {
	a.mu.Lock()
	fl := a.flight
	a.mu.Unlock()
	if fl == nil {
		return nil
	}
	fl.cancel()
	select {
	case <-fl.done:
		return nil
	case <-ctx.Done():
		return ctxError(ctx, a.cfg, "a login", false)
	}
}

// logout forgets every credential, tells the authorization server and prevents automatic logins. The error is one of the store:
// the credentials may still be saved then.
func (a *authorizer) logout(ctx context.Context) error {
	if err := a.ground(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	g, client := a.rec.current(), (*registration)(nil)
	if g != nil {
		client = a.oauth.resolve(g.Client)
	}
	a.rec = &record{Version: recordVersion, Resource: a.resource}
	a.gen++
	a.isOut, a.needed, a.accepted = true, true, false
	err := a.save()
	a.mu.Unlock()
	if g != nil && client != nil && g.RevokeURL != "" {
		value := g.Token.Refresh
		if value == "" {
			value = g.Token.Access
		}
		if err := a.http.revoke(ctx, g.RevokeURL, client, value); err != nil {
			a.set.log.Warn("the authorization server was not told of the logout", "upstream", a.cfg.Name, "error", err)
		}
	}
	return err
}

// state returns what an operator sees.
func (a *authorizer) state() LoginState {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.pending:
		return LoginPending
	case a.rec.current() != nil:
		return LoginValid
	case a.needed:
		return LoginNeeded
	}
	return LoginNone
}

// pacing keeps upstreams from opening one browser window after the other. The zero value allows a login.
type pacing struct {
	quiet  time.Time   // no automatic login before
	fails  int         // automatic logins in a row that led to nothing
	recent []time.Time // automatic logins of the last hour
}

// allows reports whether an automatic login may begin, and notes that it does.
func (p *pacing) allows(now time.Time) bool {
	for len(p.recent) > 0 && now.Sub(p.recent[0]) > longQuiet {
		p.recent = p.recent[1:]
	}
	if now.Before(p.quiet) || len(p.recent) >= maxLogins {
		return false
	}
	p.recent = append(p.recent, now)
	return true
}

func (p *pacing) failed(now time.Time) {
	p.quiet = now.Add(min(firstQuiet<<min(p.fails, 6), longQuiet))
	p.fails++
}

func (p *pacing) succeeded() { p.fails, p.quiet = 0, time.Time{} }
