// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// errAddress is the cause when an authorization server is at an address that must not be reached.
var errAddress = errors.New("address is not allowed")

// reach says which addresses beside public ones may be dialed on behalf of an upstream. Upstreams choose the URLs of their
// authorization servers, so that each address is checked when it is dialed, after name resolution.
type reach struct{ loopback, private bool }

// reachOf is the reach of an upstream at raw.
func reachOf(raw string, o *OAuth) reach {
	u, err := url.Parse(raw)
	return reach{loopback: err == nil && isLoopbackName(u.Hostname()), private: o != nil && o.PrivateNetwork}
}

// isLoopbackName reports whether host is a name of this machine that needs no resolution.
func isLoopbackName(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}

// isSpecial reports whether ip is in a network that is neither private nor public: reserved, or a way around the other checks.
func isSpecial(ip netip.Addr) bool {
	for _, network := range []string{
		"0.0.0.0/8", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10", // IPv4 in disguise, and site-local
	} {
		if netip.MustParsePrefix(network).Contains(ip) {
			return true
		}
	}
	return false
}

// isCarrier reports whether ip is behind carrier-grade NAT (RFC 6598), which counts as private.
func isCarrier(ip netip.Addr) bool { return netip.MustParsePrefix("100.64.0.0/10").Contains(ip) }

// allows reports whether ip may be dialed.
func (r reach) allows(ip netip.Addr) bool {
	if ip.Zone() != "" {
		return false
	}
	ip = ip.Unmap()
	switch {
	case ip.IsLoopback():
		return r.loopback
	case ip.IsPrivate() || isCarrier(ip):
		return r.private
	}
	return ip.IsGlobalUnicast() && !isSpecial(ip)
}

// check refuses what is no https URL, or http one of the loopback, before anything is resolved.
func (r reach) check(u *url.URL) error {
	host := u.Hostname()
	switch {
	case host == "" || u.User != nil || u.Opaque != "":
		return fmt.Errorf("%w: not a plain URL", errAddress)
	case u.Scheme != "https" && (u.Scheme != "http" || !r.loopback || !isLoopbackName(host)):
		return fmt.Errorf("%w: not https", errAddress)
	}
	if ip, err := netip.ParseAddr(host); err == nil && !r.allows(ip) {
		return errAddress
	}
	return nil
}

// checkURL is check for an URL that is not parsed yet.
func (r reach) checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("%w: not a URL", errAddress)
	}
	return r.check(u)
}

// authTransport sends requests to authorization servers within a reach.
type authTransport struct {
	reach   reach
	direct  *http.Transport
	proxied *http.Transport // where the environment names a proxy, that one decides which addresses exist
}

func newAuthTransport(r reach) *authTransport {
	guard := func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !r.allows(ap.Addr()) {
			return errAddress
		}
		return nil
	}
	base := func(d *net.Dialer) *http.Transport {
		return &http.Transport{
			DialContext: d.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: fetchTime, MaxResponseHeaderBytes: maxHeaderBytes, DisableKeepAlives: true, // requests are rare
		}
	}
	t := &authTransport{reach: r, direct: base(&net.Dialer{Timeout: fetchTime, Control: guard}), proxied: base(&net.Dialer{Timeout: fetchTime})}
	t.proxied.Proxy = http.ProxyFromEnvironment
	return t
}

// RoundTrip implements [http.RoundTripper]. It runs for redirects too.
func (t *authTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.reach.check(req.URL); err != nil {
		return nil, err
	}
	if proxy, err := http.ProxyFromEnvironment(req); err == nil && proxy != nil {
		return t.proxied.RoundTrip(req)
	}
	return t.direct.RoundTrip(req)
}

// client returns an HTTP client. Documents may move within https; what carries credentials is never redirected.
func (t *authTransport) client() *http.Client {
	return &http.Client{Transport: t, Timeout: fetchTime, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects || via[0].Method != http.MethodGet || req.URL.Scheme != via[0].URL.Scheme {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

// get fetches a JSON document. found is false for an answer that says there is none: a 4xx status, or a page instead.
func (t *authTransport) get(ctx context.Context, address string) (body []byte, found bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "tollgate")
	resp, err := t.client().Do(req)
	if err != nil {
		return nil, false, err
	}
	defer discardBody(resp)
	switch {
	case resp.StatusCode/100 == 4:
		return nil, false, nil
	case resp.StatusCode != http.StatusOK:
		return nil, false, &statusError{status: resp.StatusCode}
	case !strings.Contains(resp.Header.Get("Content-Type"), "json"):
		return nil, false, nil
	}
	body, err = readBody(resp, maxDocument)
	return body, err == nil, err
}
