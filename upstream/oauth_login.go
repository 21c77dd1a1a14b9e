// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// The causes of a login that did not end well; the *Error around them has the words.
var (
	errIssuer  = errors.New("the answer is not from the authorization server that was asked")
	errBrowser = errors.New("the authorization URL could not be shown")
	errNoCode  = errors.New("the answer holds no code")
)

// login lets a person authorize the gateway (OAuth 2.1 §4.1, PKCE, RFC 8707, RFC 9207) and returns the token.
func (a *authorizer) login(ctx context.Context, at *authority, scopes []string, show BrowserFunc) (*registration, *token, error) {
	if at.meta.AuthorizationEndpoint == "" {
		return nil, nil, errNoAuthority
	}
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	client, cb, err := a.client(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	defer cb.close()
	verifier := base64.RawURLEncoding.EncodeToString(randomBytes(32))
	address, err := a.authorizationURL(at, client, cb, verifier, scopes)
	if err != nil {
		return nil, nil, err
	}
	answer, err := askPerson(ctx, cb, show, address)
	if err != nil {
		return nil, nil, err
	}
	if err := checkAnswer(answer, at); err != nil {
		return nil, nil, err
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {cb.redirect},
		"code_verifier": {verifier}, "resource": {at.resource},
	}
	t, err := a.http.requestToken(ctx, at.meta.TokenEndpoint, client, form, a.set.now)
	return client, t, err
}

// askPerson shows the authorization URL and waits for the answer. show is told when there is nothing more to see.
func askPerson(ctx context.Context, cb *callback, show BrowserFunc, address string) (url.Values, error) {
	viewing, done := context.WithCancel(ctx)
	shown, gone := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(gone)
		err := show(viewing, address)
		if err != nil {
			err = errors.Join(errBrowser, err)
		}
		shown <- err
	}()
	answer, err := cb.wait(ctx, shown)
	done()
	<-gone
	return answer, err
}

// client returns the gateway as a client of the authorization server, with the callback its logins end at. The callback comes
// first, since a dynamic registration names it; one that can no longer be had makes another registration.
func (a *authorizer) client(ctx context.Context, at *authority) (*registration, *callback, error) {
	if client := a.oauth.configured(at.meta); client != nil {
		redirect := a.oauth.RedirectURL
		if redirect == "" {
			redirect = "http://127.0.0.1/callback"
		}
		cb, err := listenCallback(redirect)
		if err != nil {
			return nil, nil, err
		}
		client.Redirect = cb.redirect
		return client, cb, nil
	}
	saved := a.savedClient(at.meta.Issuer)
	if saved != nil && saved.Kind == kindDynamic && a.oauth.RedirectURL == "" {
		if cb, err := listenCallback(saved.Redirect); err == nil {
			if saved.usable(cb.redirect, a.set.now()) {
				return saved, cb, nil
			}
			cb.close()
		}
	}
	cb, err := listenCallback(a.oauth.RedirectURL)
	if err != nil {
		return nil, nil, err
	}
	if saved.usable(cb.redirect, a.set.now()) {
		return saved, cb, nil
	}
	client, err := a.http.register(ctx, at.meta, a.set.clientName, cb.redirect)
	if err != nil {
		cb.close()
		return nil, nil, err
	}
	a.keepClient(at.meta.Issuer, client)
	return client, cb, nil
}

// authorizationURL is where the person goes.
func (a *authorizer) authorizationURL(at *authority, client *registration, cb *callback, verifier string, scopes []string) (string, error) {
	u, err := url.Parse(at.meta.AuthorizationEndpoint)
	if err != nil {
		return "", errAddress
	}
	// Whoever opens it, a browser or a command, must be able to rely on its form.
	if err := a.http.reach.check(u); err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(verifier))
	q := u.Query()
	q.Set("response_type", "code")
	q.Set("client_id", client.ID)
	q.Set("redirect_uri", cb.redirect)
	q.Set("state", cb.state)
	q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(hash[:]))
	q.Set("code_challenge_method", "S256")
	q.Set("resource", at.resource)
	if len(scopes) > 0 {
		q.Set("scope", strings.Join(scopes, " "))
	}
	if slices.Contains(scopes, scopeOffline) {
		q.Set("prompt", "consent") // OpenID Connect §11 ignores the scope without
	}
	u.RawQuery, u.Fragment, u.RawFragment = q.Encode(), "", ""
	return u.String(), nil
}

// scopeOffline asks for a refresh token where the server keeps them apart (SEP-2207).
const scopeOffline = "offline_access"

// checkAnswer validates who an answer is from before anything else in it is looked at (RFC 9207 §2.4: by comparing strings,
// and in errors too).
func checkAnswer(q url.Values, at *authority) error {
	iss := q.Get("iss")
	if len(q["iss"]) > 1 || iss != "" && iss != at.meta.Issuer || iss == "" && at.meta.AuthorizationResponseIssParameterSupported {
		return errIssuer
	}
	if code := q.Get("error"); code != "" {
		return &refusedError{code: errorCode(code)}
	}
	if len(q["code"]) != 1 || q.Get("code") == "" {
		return errNoCode
	}
	return nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
