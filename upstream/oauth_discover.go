// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// challenge is why a server refused a request for lack of authorization.
type challenge struct {
	status   int    // 401 or 403
	bearer   bool   // it named the scheme Bearer
	metadata string // URL of the metadata of the protected resource; "" = not told
	scopes   []string
}

// challengeOf reads the challenge in an answer. ok is false for an answer that new credentials would not change: a 403 is one
// unless it says that scopes are what is missing.
func challengeOf(resp *http.Response) (ch challenge, ok bool) {
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		return challenge{}, false
	}
	ch.status = resp.StatusCode
	fault := ""
	parsed, err := oauthex.ParseWWWAuthenticate(resp.Header.Values("WWW-Authenticate"))
	if err != nil {
		parsed = nil // a server that cannot write it may still have metadata
	}
	for _, c := range parsed {
		if c.Scheme != "bearer" {
			continue
		}
		ch.bearer = true
		ch.metadata, fault = c.Params["resource_metadata"], c.Params["error"]
		ch.scopes = scopesIn(c.Params["scope"])
		break
	}
	return ch, ch.status == http.StatusUnauthorized || fault == "insufficient_scope"
}

// authority is who gives out tokens for an upstream.
type authority struct {
	meta     *oauthex.AuthServerMeta
	resource string   // as the metadata names it; the resource parameter
	scopes   []string // the resource supports; nil = not told
}

// Why there is no authority. They are causes: the *Error around them has the words.
var (
	errOtherResource = errors.New("metadata is about another resource")
	errOtherIssuer   = errors.New("metadata is about another issuer")
	errNoAuthority   = errors.New("no metadata of an authorization server")
	errNoPKCE        = errors.New("authorization server does not support PKCE with S256")
)

// discover finds out who gives out tokens. known says which issuers the gateway is a client of already, which decides among
// several. A document that is there but does not fit ends the search: looking further would let whoever controls one of the
// places choose another (2026-07-28 §Authorization Server Discovery).
func (a *authorizer) discover(ctx context.Context, ch challenge, known func(issuer string) bool) (*authority, error) {
	prm, err := a.resourceMetadata(ctx, ch)
	if err != nil {
		return nil, err
	}
	if prm == nil { // servers of 2025-03-26 are their own authorization server
		u, _ := url.Parse(a.resource)
		prm = &oauthex.ProtectedResourceMetadata{Resource: a.resource, AuthorizationServers: []string{u.Scheme + "://" + u.Host}}
	}
	if len(prm.AuthorizationServers) == 0 {
		return nil, errNoAuthority
	}
	issuer := prm.AuthorizationServers[0]
	if i := slices.IndexFunc(prm.AuthorizationServers, known); i >= 0 {
		issuer = prm.AuthorizationServers[i]
	}
	meta, err := a.serverMetadata(ctx, issuer)
	if err != nil {
		return nil, err
	}
	return &authority{meta: meta, resource: prm.Resource, scopes: scopesIn(strings.Join(prm.ScopesSupported, " "))}, nil
}

// resourceMetadata fetches the metadata of the protected resource (RFC 9728): where the challenge says, at the path of the
// endpoint, at the root. nil = there is none.
func (a *authorizer) resourceMetadata(ctx context.Context, ch challenge) (*oauthex.ProtectedResourceMetadata, error) {
	u, err := url.Parse(a.resource)
	if err != nil {
		return nil, err
	}
	root := u.Scheme + "://" + u.Host
	wellKnown := root + "/.well-known/oauth-protected-resource"
	type place struct{ url, resource string }
	places := []place{{ch.metadata, a.resource}, {wellKnown + "/" + strings.TrimLeft(u.EscapedPath(), "/"), a.resource}, {wellKnown, root}}
	if strings.Trim(u.Path, "/") == "" {
		places = slices.Delete(places, 1, 2)
	}
	for _, p := range places {
		if p.url == "" {
			continue
		}
		body, found, err := a.http.get(ctx, p.url)
		if err != nil {
			return nil, withoutURL(err)
		}
		if !found {
			continue
		}
		prm := &oauthex.ProtectedResourceMetadata{}
		if err := json.Unmarshal(body, prm); err != nil {
			return nil, errNoAuthority
		}
		if !sameResource(prm.Resource, p.resource) {
			return nil, errOtherResource
		}
		for _, issuer := range prm.AuthorizationServers {
			if err := a.http.reach.checkURL(issuer); err != nil {
				return nil, err
			}
		}
		return prm, nil
	}
	return nil, nil
}

// sameResource compares a resource identifier with the expected one. They must be equal (RFC 9728 §3.3); a slash at the end
// and the query of the configured URL, which servers do not know, are overlooked. A parent of the expected one is another
// resource: a token for it would be good for its other children too.
func sameResource(got, want string) bool {
	trim := func(s string) string { return strings.TrimSuffix(s, "/") }
	base, _, _ := strings.Cut(want, "?")
	return trim(got) == trim(want) || trim(got) == trim(base)
}

// serverMetadata fetches the metadata of an authorization server (RFC 8414, OpenID Connect Discovery) and checks that it is
// about issuer and that every endpoint is one to talk to.
func (a *authorizer) serverMetadata(ctx context.Context, issuer string) (*oauthex.AuthServerMeta, error) {
	for _, place := range metadataPlaces(issuer) {
		body, found, err := a.http.get(ctx, place)
		if err != nil {
			return nil, withoutURL(err)
		}
		if !found {
			continue
		}
		meta := &oauthex.AuthServerMeta{}
		switch err := json.Unmarshal(body, meta); {
		case err != nil || meta.TokenEndpoint == "":
			return nil, errNoAuthority
		case strings.TrimSuffix(meta.Issuer, "/") != strings.TrimSuffix(issuer, "/"):
			return nil, errOtherIssuer
		case !slices.Contains(meta.CodeChallengeMethodsSupported, "S256"):
			return nil, errNoPKCE
		}
		for _, endpoint := range []string{meta.TokenEndpoint, meta.AuthorizationEndpoint, meta.RegistrationEndpoint, meta.RevocationEndpoint} {
			if err := a.http.reach.checkURL(endpoint); err != nil && endpoint != "" {
				return nil, err
			}
		}
		return meta, nil
	}
	return nil, errNoAuthority
}

// metadataPlaces are where an issuer's metadata may be, in order.
func metadataPlaces(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	root, path := u.Scheme+"://"+u.Host, strings.Trim(u.EscapedPath(), "/")
	if path == "" {
		return []string{root + "/.well-known/oauth-authorization-server", root + "/.well-known/openid-configuration"}
	}
	return []string{
		root + "/.well-known/oauth-authorization-server/" + path,
		root + "/.well-known/openid-configuration/" + path,
		root + "/" + path + "/.well-known/openid-configuration",
	}
}
