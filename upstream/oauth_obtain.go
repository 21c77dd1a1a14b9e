// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Why no token is tried to be had.
var (
	errNeedsLogin = errors.New("nobody has logged in")
	errScopes     = errors.New("scopes are refused that were asked for")
	errFresh      = errors.New("a token of a fresh login is refused")
	errNoRefresh  = errors.New("nothing to refresh")
	errStore      = errors.New("the login could not be saved")
)

// obtain gets a token after the refusal ch: by a refresh, else by a login. show is nil unless somebody logs in on purpose.
func (a *authorizer) obtain(ctx context.Context, ch challenge, show BrowserFunc) error {
	onPurpose := show != nil
	if !onPurpose {
		done, err := a.cheaply(ctx, ch)
		if done || err != nil {
			return err
		}
		if show, err = a.automatic(ch); err != nil {
			return err
		}
	}
	err := a.authorize(ctx, ch, show)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = false
	if err != nil {
		a.needed = a.rec.current() == nil
		if !onPurpose {
			a.pacing.failed(a.set.now())
		}
	}
	return err
}

// cheaply does without a login: it refreshes where that can help, and finds out where nothing can.
func (a *authorizer) cheaply(ctx context.Context, ch challenge) (done bool, err error) {
	if ch.status == http.StatusForbidden {
		return false, a.mayStepUp(ch)
	}
	a.mu.Lock()
	g, origin, accepted := a.rec.current(), a.origin, a.accepted
	a.mu.Unlock()
	switch {
	case g == nil, !accepted && origin == fromRefresh: // a refresh again would be no better
		return false, nil
	case !accepted && origin == fromLogin:
		a.drop(false)
		a.mu.Lock()
		a.pacing.failed(a.set.now())
		a.mu.Unlock()
		return false, errFresh
	}
	if err = a.refresh(ctx); errors.Is(err, errNoRefresh) {
		return false, nil
	}
	return err == nil, err
}

// mayStepUp decides whether a login with more scopes makes sense: once for each scope, and not for what was granted already.
func (a *authorizer) mayStepUp(ch challenge) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.rec.current()
	if len(ch.scopes) == 0 || g != nil && g.Token.Told && contains(g.Token.Scopes, ch.scopes) || contains(a.stepped, ch.scopes) {
		return errScopes
	}
	return nil
}

// automatic returns what shows the URL of a login that nobody has asked for, or errNeedsLogin.
func (a *authorizer) automatic(ch challenge) (BrowserFunc, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	alone := a.oauth.Grant == GrantClientCredentials
	if !alone && (a.set.browser == nil || a.isOut || !a.pacing.allows(a.set.now())) {
		a.needed = a.rec.current() == nil
		return nil, errNeedsLogin
	}
	if ch.status == http.StatusForbidden {
		a.stepped = union(a.stepped, ch.scopes)
	} else {
		a.stepped = nil
	}
	return a.set.browser, nil
}

// authorize finds the authorization server and gets a token from it.
func (a *authorizer) authorize(ctx context.Context, ch challenge, show BrowserFunc) error {
	at, err := a.discover(ctx, ch, a.knows)
	if err != nil {
		return err
	}
	scopes := a.scopes(at, ch)
	var client *registration
	var t *token
	if a.oauth.Grant == GrantClientCredentials {
		client, t, err = a.credentials(ctx, at, scopes)
	} else {
		a.mu.Lock()
		a.pending = true
		a.mu.Unlock()
		client, t, err = a.login(ctx, at, scopes, show)
	}
	if err != nil {
		if refused, ok := errors.AsType[*refusedError](err); ok && refused.code == "invalid_client" {
			a.forgetClient(at.meta.Issuer)
		}
		return err
	}
	if !t.Told {
		t.Scopes = scopes
	}
	return a.keep(at, client, t)
}

// scopes are what to ask for: what the refusal names, else what the resource supports (2026-07-28 §Scope Selection Strategy),
// and what was granted before, so that nothing is lost (SEP-2350).
func (a *authorizer) scopes(at *authority, ch challenge) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	wanted := a.oauth.Scopes
	if len(wanted) == 0 {
		wanted = ch.scopes
		if len(wanted) == 0 {
			wanted = at.scopes
		}
	}
	g := a.rec.Grants[at.meta.Issuer]
	if g != nil && (len(a.oauth.Scopes) == 0 || ch.status == http.StatusForbidden) {
		wanted = union(g.Granted, wanted)
	}
	if ch.status == http.StatusForbidden {
		wanted = union(wanted, ch.scopes)
	}
	if a.oauth.Grant != GrantClientCredentials && slices.Contains(at.meta.ScopesSupported, scopeOffline) {
		wanted = union(wanted, []string{scopeOffline})
	}
	return wanted
}

// credentials gets a token for the client itself (OAuth 2.1 §4.2).
func (a *authorizer) credentials(ctx context.Context, at *authority, scopes []string) (*registration, *token, error) {
	client := a.oauth.configured(at.meta)
	if client == nil || client.Kind != kindConfigured || client.Secret == "" {
		return nil, nil, errNoRegistration
	}
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {at.resource}}
	if len(scopes) > 0 {
		form.Set("scope", joinScopes(scopes))
	}
	t, err := a.http.requestToken(ctx, at.meta.TokenEndpoint, client, form, a.set.now)
	if t != nil {
		t.Refresh = "" // the next one is as easy to get
	}
	return client, t, err
}

// refreshOnly refreshes a token that is past its time. When the server does not want to, the next request finds that out.
func (a *authorizer) refreshOnly(ctx context.Context) error {
	if err := a.refresh(ctx); !errors.Is(err, errNoRefresh) {
		return err
	}
	return nil
}

// refresh replaces the token by means of its refresh token. errNoRefresh says that this is not possible, any more.
func (a *authorizer) refresh(ctx context.Context) error {
	a.mu.Lock()
	g := a.rec.current()
	if g == nil || g.Token.Refresh == "" {
		a.mu.Unlock()
		return errNoRefresh
	}
	old, endpoint, resource := *g.Token, g.TokenURL, g.Resource
	client := a.oauth.resolve(g.Client)
	a.mu.Unlock()
	if client == nil {
		return errNoRefresh
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.Refresh}, "resource": {resource}}
	t, err := a.http.requestToken(ctx, endpoint, client, form, a.set.now)
	if refused, ok := errors.AsType[*refusedError](err); ok {
		a.set.log.Info("a refresh was refused", "upstream", a.cfg.Name, "error", refused)
		a.drop(refused.code == "invalid_client")
		return errNoRefresh
	}
	if err != nil {
		return err
	}
	if t.Refresh == "" {
		t.Refresh = old.Refresh
	}
	if !t.Told {
		t.Scopes, t.Told = old.Scopes, old.Told
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	g.Token, g.Granted = t, t.Scopes
	a.gen++
	a.origin, a.accepted = fromRefresh, false
	if err := a.save(); err != nil {
		// The new token is good, and the request that needs it must not fail for this.
		a.set.log.Error("a refreshed token is not saved: it is lost at the next start", "upstream", a.cfg.Name, "error", err)
	}
	return nil
}

// failure turns the end of an attempt into an *Error, or nil.
func (a *authorizer) failure(err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	kind, detail := KindAuth, ""
	refused, isRefused := errors.AsType[*refusedError](err)
	switch {
	case errors.Is(err, errNeedsLogin):
		detail = "needs a login: tollgate upstream login " + a.cfg.Name
	case isRefused && refused.code != "":
		detail = "was not logged in to: its authorization server says " + refused.code
	case isRefused:
		detail = "was not logged in to: its authorization server refused with " + refused.Error()
	default:
		if detail = loginFailure(err); detail == "" {
			kind, detail = KindUnavailable, "has an authorization server that does not answer, or not as it should"
		}
	}
	return failf(a.cfg, kind, false, err, "%s", detail)
}

// loginFailure words the failures of a login; "" = a fault of the network.
func loginFailure(err error) string {
	for _, known := range []struct {
		cause  error
		detail string
	}{
		{errScopes, "asks for permissions that a login has not brought"},
		{errFresh, "refuses the token of a fresh login"},
		{errStore, "was logged in to, but the login could not be saved: it ends with this process"},
		{errOtherResource, "has metadata about another resource, so no login is tried: check the url"},
		{errOtherIssuer, "names an authorization server whose metadata is about another one, so no login is tried"},
		{errNoPKCE, "has an authorization server without PKCE (S256), so no login is tried"},
		{errNoAuthority, "names no usable authorization server: if it takes a fixed token, set headers.Authorization"},
		{errNoRegistration, "has an authorization server that the gateway cannot register with: set oauth.client_id"},
		{errAddress, "names an authorization server at an address that is not allowed: it must be public and https, see oauth.private_network"},
		{errIssuer, "was not logged in to: the answer is not from the authorization server that was asked"},
		{errNoCode, "was not logged in to: the answer holds no code"},
		{errBrowser, "was not logged in to: the authorization URL could not be shown"},
		{context.DeadlineExceeded, "was not logged in to within " + loginTime.Round(time.Second).String()},
		{context.Canceled, "was not logged in to: the attempt was ended"},
	} {
		if errors.Is(err, known.cause) {
			return known.detail
		}
	}
	return ""
}
