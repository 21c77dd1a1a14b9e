// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"errors"
	"strings"
)

func joinScopes(scopes []string) string { return strings.Join(scopes, " ") }

// knows reports whether the gateway is a client of issuer already.
func (a *authorizer) knows(issuer string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rec.Grants[issuer] != nil
}

// resolve completes a saved registration by what the configuration says. nil = the configuration says otherwise.
func (o *OAuth) resolve(r *registration) *registration {
	switch {
	case r == nil:
		return nil
	case r.Kind == kindConfigured:
		if r.ID != o.ClientID {
			return nil
		}
		complete := *r
		complete.Secret = o.ClientSecret
		return &complete
	case o.ClientID != "" || r.Kind == kindMetadata && r.ID != o.ClientMetadataURL:
		return nil
	}
	return r
}

// keep takes over the token of a login and saves it.
func (a *authorizer) keep(at *authority, client *registration, t *token) error {
	stored := *client
	if stored.Kind == kindConfigured {
		stored.Secret = "" // it stays where the operator put it
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.rec.grant(at.meta.Issuer)
	g.Client, g.Token, g.Granted, g.Resource = &stored, t, t.Scopes, at.resource
	g.TokenURL, g.RevokeURL = at.meta.TokenEndpoint, at.meta.RevocationEndpoint
	for issuer, other := range a.rec.Grants {
		if issuer != at.meta.Issuer {
			other.Token = nil // of the authorization server before; the registration may be of use again
		}
	}
	a.rec.Issuer = at.meta.Issuer
	a.gen++
	a.origin, a.accepted, a.needed = fromLogin, false, false
	a.set.log.Info("logged in to an upstream", "upstream", a.cfg.Name, "issuer", at.meta.Issuer, "scopes", joinScopes(t.Scopes))
	return a.save()
}

// drop forgets the token in use, and the registration it belongs to if that is no good either.
func (a *authorizer) drop(clientToo bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.rec.current()
	if g == nil {
		return
	}
	g.Token = nil
	if clientToo {
		g.Client = nil
	}
	a.gen++
	a.accepted = false
	a.logSave()
}

// savedClient is the registration at an issuer, nil when there is none.
func (a *authorizer) savedClient(issuer string) *registration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if g := a.rec.Grants[issuer]; g != nil {
		return a.oauth.resolve(g.Client)
	}
	return nil
}

// keepClient saves a registration before it is used, so that a login that is not finished does not lead to another one.
func (a *authorizer) keepClient(issuer string, client *registration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.rec.grant(issuer)
	if g.Token != nil && a.rec.Issuer == issuer {
		return // the token in use belongs to the registration before; keep replaces both
	}
	g.Client, g.Token = client, nil
	a.logSave()
}

// forgetClient makes the next login at issuer register anew.
func (a *authorizer) forgetClient(issuer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if g := a.rec.Grants[issuer]; g != nil && g.Token == nil {
		delete(a.rec.Grants, issuer)
		a.logSave()
	}
}

// save writes the record. The caller holds mu, so that the newest is written last.
func (a *authorizer) save() error {
	if a.detached || a.set.store == nil {
		return nil
	}
	var b []byte
	if len(a.rec.Grants) > 0 {
		var err error
		if b, err = a.rec.encode(); err != nil {
			return errors.Join(errStore, err)
		}
	}
	if err := a.set.store.SaveToken(a.cfg.Name, b); err != nil {
		return errors.Join(errStore, err)
	}
	return nil
}

// logSave saves what can also be found out again: that it failed is no failure of what is being done. The caller holds mu.
func (a *authorizer) logSave() {
	if err := a.save(); err != nil {
		a.set.log.Warn("the state of a login is not saved", "upstream", a.cfg.Name, "error", err)
	}
}
