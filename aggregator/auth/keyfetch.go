// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"tollgate/upstream/wire"
)

// Bounds of one request for keys or metadata.
const (
	maxDocument  = 1 << 20
	fetchTimeout = 5 * time.Second
	maxRedirects = 3
)

// keyClient is c, or a client of its own, with the bounds above and without a memory: no cookies, no connection kept.
func keyClient(c *http.Client) *http.Client {
	own := http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
	}}
	if c != nil {
		own = *c
	}
	if own.Timeout <= 0 || own.Timeout > fetchTimeout {
		own.Timeout = fetchTimeout
	}
	own.Jar = nil
	own.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if first := via[0].URL; r.URL.Scheme != first.Scheme || r.URL.Host != first.Host || len(via) > maxRedirects {
			return fmt.Errorf("it redirects to %q, which is not followed: write the URL of the document itself", r.URL.Redacted())
		}
		return nil
	}
	return &own
}

// fetch reads the document at address.
func fetch(ctx context.Context, c *http.Client, address string) ([]byte, error) {
	if _, err := secureURL(address); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json, application/jwk-set+json")
	answer, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %q: status %d", address, answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("GET %q: %w", address, err)
	case len(body) > maxDocument:
		return nil, fmt.Errorf("GET %q: the document is larger than %d bytes", address, maxDocument)
	}
	return body, nil
}

// secureURL accepts an https URL, and an http URL of this machine: whoever can change what comes from there can sign
// tokens.
func secureURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is no URL: %w", s, err)
	case u.Host == "" || u.Opaque != "" || u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("%q is no plain URL: write it as in %q, without user name and fragment", s, "https://login.example.com")
	case u.Scheme == "https" || u.Scheme == "http" && loopbackHost(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("%q is not safe: use https", s)
}

func loopbackHost(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// discover finds the address of the key set in the metadata of an authorization server (RFC 8414 §3, OpenID Connect
// Discovery §4). The metadata must name the very issuer, or any server could speak for any other.
func discover(ctx context.Context, c *http.Client, issuer string) (string, error) {
	var problems []error
	for _, address := range metadataAddresses(issuer) {
		body, err := fetch(ctx, c, address)
		if err == nil {
			var keys string
			if keys, err = keysIn(body, issuer); err == nil {
				return keys, nil
			}
			err = fmt.Errorf("metadata at %q: %w", address, err)
		}
		problems = append(problems, err)
	}
	return "", errors.Join(problems...)
}

func keysIn(metadata []byte, issuer string) (string, error) {
	if err := wire.Check(metadata); err != nil {
		return "", err
	}
	text := func(name string) string {
		raw, _ := wire.Lookup(metadata, name)
		s, _ := wire.String(raw)
		return s
	}
	if named := text("issuer"); named != issuer {
		return "", fmt.Errorf("they are those of the issuer %q, not of %q: the two must be the same text", named, issuer)
	}
	keys := text("jwks_uri")
	if keys == "" {
		return "", errors.New("they name no jwks_uri: set jwks_url in the configuration")
	}
	return keys, nil
}

// metadataAddresses are the places where the metadata of an issuer may be, in the order in which MCP clients try them.
func metadataAddresses(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil
	}
	host, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	all := []string{
		host + "/.well-known/oauth-authorization-server" + path,
		host + "/.well-known/openid-configuration" + path,
	}
	if path != "" {
		all = append(all, host+path+"/.well-known/openid-configuration")
	}
	return all
}
