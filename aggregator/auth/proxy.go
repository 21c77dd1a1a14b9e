// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxy names the reverse proxies that are believed: what they say about the source of a request and, where UserHeader is
// set, who sent it. A proxy must remove these headers from what clients send.
type Proxy struct {
	From         []netip.Prefix // addresses of the proxies; at least one
	UserHeader   string         // name of the header with the subject; "" = no header is believed to name somebody
	GroupsHeader string         // with groups, separated by commas; "" = none
	OrgHeader    string         // "" = none
	TeamHeader   string         // "" = none
	Roles        []string       // of everybody who comes this way
}

// proxy is a [Proxy], checked. Its methods accept nil, which believes nobody.
type proxy struct{ Proxy }

func newProxy(o *Proxy) (*proxy, error) {
	p := &proxy{*o}
	p.From, p.Roles = slices.Clone(o.From), slices.Clone(o.Roles)
	if len(p.From) == 0 {
		return nil, errors.New("no address is given: name those of the proxy")
	}
	for i, from := range p.From {
		if !from.IsValid() || from.Addr().Is4In6() {
			return nil, fmt.Errorf("from[%d]: %q is no range of addresses: write it as in %q", i, from, "10.0.0.7/32")
		}
	}
	for _, h := range []struct{ key, name string }{
		{"user_header", p.UserHeader}, {"groups_header", p.GroupsHeader}, {"org_header", p.OrgHeader}, {"team_header", p.TeamHeader},
	} {
		switch {
		case h.name == "":
		case p.UserHeader == "":
			return nil, fmt.Errorf("%s without user_header: name the header with the user", h.key)
		case strings.EqualFold(h.name, "Authorization") || strings.ContainsFunc(h.name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }):
			return nil, fmt.Errorf("%s: %q cannot be used: name a header that only the proxy sets, such as %q", h.key, h.name, "X-Forwarded-User")
		}
	}
	return p, nil
}

// trusts reports whether addr is one of a proxy.
func (p *proxy) trusts(addr netip.Addr) bool {
	return p != nil && slices.ContainsFunc(p.From, func(from netip.Prefix) bool { return from.Contains(addr) })
}

// peer is the other end of the connection of r, without port and zone.
func peer(r *http.Request) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	return ap.Addr().Unmap().WithZone(""), err == nil
}

// identifies reports whether who sent r is what a proxy says. That holds for everything that comes from one, also where
// it names nobody: its own certificate, or its being on this machine, must not stand in for a user it did not name.
func (p *proxy) identifies(r *http.Request) bool {
	if p == nil || p.UserHeader == "" {
		return false
	}
	addr, ok := peer(r)
	return ok && p.trusts(addr)
}

// principal is who the proxy says sent r. A header that is there twice is refused: one of the two may be the client's.
func (p *proxy) principal(r *http.Request) (*Principal, *refusal) {
	out := &Principal{Method: MethodProxy, Roles: p.Roles}
	var groups string
	for _, h := range []struct {
		name string
		to   *string
	}{{p.UserHeader, &out.Subject}, {p.OrgHeader, &out.Org}, {p.TeamHeader, &out.Team}, {p.GroupsHeader, &groups}} {
		if h.name == "" {
			continue
		}
		values := r.Header.Values(h.name)
		if len(values) > 1 {
			return nil, missing("the proxy sent " + http.CanonicalHeaderKey(h.name) + " more than once: it must replace what clients send")
		}
		if len(values) == 1 {
			*h.to = values[0]
		}
	}
	if out.Subject == "" {
		return nil, missing("the proxy did not say who is calling, and no other credential was sent")
	}
	for _, name := range []string{out.Subject, out.Org, out.Team} {
		// A comma is how values of several headers are joined on the way.
		if name != "" && (checkName(name) != nil || strings.Contains(name, ",")) {
			return nil, missing("the proxy sent a name that cannot be used: it has a comma or characters that cannot be shown, or is too long")
		}
	}
	for g := range strings.SplitSeq(groups, ",") {
		if g = strings.Trim(g, " \t"); g == "" {
			continue
		}
		if len(out.Groups) == maxTexts || checkName(g) != nil {
			return nil, unusable("the proxy sent too many groups, or one that cannot be used")
		}
		out.Groups = append(out.Groups, g)
	}
	return out, nil
}

// Source is the address of the client that sent r: of the other end of the connection or, behind trusted proxies, the
// last one in X-Forwarded-For that is not a proxy. What stands before it the client may have made up. It is "" where the
// connection has no IP address.
func (a *Authenticator) Source(r *http.Request) string {
	source, ok := peer(r)
	if !ok {
		return ""
	}
	hops := r.Header.Values("X-Forwarded-For")
	for i := len(hops) - 1; i >= 0 && a.proxy.trusts(source); i-- {
		rest := hops[i]
		for more := true; more && a.proxy.trusts(source); {
			var last string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				rest, last = rest[:at], rest[at+1:]
			} else {
				last, more = rest, false
			}
			next, ok := forwarded(strings.Trim(last, " \t"))
			if !ok {
				return source.String() // what comes before is anybody's guess
			}
			source = next
		}
	}
	return source.String()
}

// forwarded reads an entry of X-Forwarded-For, which some proxies write with a port.
func forwarded(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		var ap netip.AddrPort
		if ap, err = netip.ParseAddrPort(s); err == nil {
			addr = ap.Addr()
		} else if inner, ok := strings.CutPrefix(s, "["); ok {
			addr, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		}
	}
	return addr.Unmap().WithZone(""), err == nil
}
