// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// auth checks the ways to say who is calling.
func (k *checker) auth() {
	a := &k.c.Auth
	if a.OAuth != nil && !k.failed["auth.oauth"] {
		k.resourceServer(a.OAuth, "auth.oauth")
	}
	if a.MTLS != nil && !k.failed["auth.mtls"] {
		k.mtls(a.MTLS, "auth.mtls")
	}
	if a.Proxy != nil && !k.failed["auth.proxy"] {
		k.proxy(a.Proxy, "auth.proxy")
	}
}

func (k *checker) resourceServer(o *ResourceServer, at string) {
	if k.usable(at + ".resource") {
		if u := k.secureURL(at+".resource", o.Resource); u != nil && u.RawQuery != "" {
			k.report(at+".resource", CodeValue, "has a query", `remove "?" and what follows`)
		}
	}
	if !k.has(at+".resource") && !k.has("public_url") && !k.failed["listen"] && !k.listensOnLoopback() {
		k.report(at, CodeMissing, "clients need to know which URL tokens are for", "set public_url, or resource here")
	}
	first := map[string]int{}
	for i := range o.Issuers {
		s, at := &o.Issuers[i], joinIndex(at+".issuers", i)
		if k.usable(at + ".issuer") {
			if line, used := first[s.Issuer]; used {
				k.report(at+".issuer", CodeConflict, fmt.Sprintf("%q is already listed at line %d", s.Issuer, line), "keep one of them")
			} else {
				first[s.Issuer] = k.node(at + ".issuer").Line
			}
			if u := k.secureURL(at+".issuer", s.Issuer); u != nil && u.RawQuery != "" {
				k.report(at+".issuer", CodeValue, "has a query", `write exactly the iss of its tokens`)
			}
		}
		if k.usable(at + ".jwks_url") {
			k.secureURL(at+".jwks_url", s.JWKSURL)
		}
		if len(o.Issuers) > 1 && s.Claims.Org == "" {
			k.warn(at, CodeConflict, "its callers are not told apart from those of the other issuers that have the same name",
				"map claims.org: limits per user, and bindings of a subject, count callers of one name and organization as one")
		}
		for j := range s.Roles {
			k.roleExists(joinIndex(at+".roles", j)+".role", s.Roles[j].Role)
		}
	}
}

func (k *checker) listensOnLoopback() bool {
	host, _, err := net.SplitHostPort(k.c.Listen)
	return err == nil && isLoopback(host)
}

func (k *checker) mtls(m *MTLS, at string) {
	if k.c.TLS == nil && !k.failed["tls"] {
		k.report(at, CodeMissing, "needs tls", "set tls with the certificate of the gateway: a proxy that terminates TLS sees the certificates, the gateway does not")
	}
	first := map[string]int{}
	for i := range m.Subjects {
		s, at := &m.Subjects[i], joinIndex(at+".subjects", i)
		k.rolesExist(at+".roles", s.Roles)
		path, name := at+".uri", s.URI
		if !k.has(path) {
			path, name = at+".dns", strings.ToLower(s.DNS)
		}
		if !k.usable(path) {
			continue
		}
		if line, used := first[name]; used {
			k.report(path, CodeConflict, fmt.Sprintf("%q is already listed at line %d", name, line), "keep one of them")
		} else {
			first[name] = k.node(path).Line
		}
		if scheme, rest, ok := strings.Cut(s.URI, ":"); k.has(at+".uri") && (!ok || scheme == "" || rest == "") {
			k.report(path, CodeValue, fmt.Sprintf("%q is not a URI", s.URI), "write it as the certificate has it, for example spiffe://example.com/ci")
		}
	}
}

// everybody reports whether a range holds all addresses of IPv4, also in the form that they have inside IPv6, or all that
// IPv6 uses in public.
func everybody(p netip.Prefix) bool {
	mapped, public := netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff}), publicIPv6()
	return p.Bits() == 0 || p.Bits() <= 96 && p.Contains(mapped) || p.Bits() <= public.Bits() && p.Contains(public.Addr())
}

// publicIPv6 is 2000::/3, the only part of IPv6 that is given out for use between networks.
func publicIPv6() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20}), 3) }

// together reports ranges of which none holds everybody, but all of them do.
func (k *checker) together(ranges []netip.Prefix, at string) {
	if k.failedBelow(at) || slices.ContainsFunc(ranges, everybody) {
		return
	}
	if covered(netip.PrefixFrom(netip.IPv4Unspecified(), 0), ranges) || covered(publicIPv6(), ranges) {
		k.report(at, CodeUnsafe, "together these ranges would trust everybody", "name the addresses of the proxy")
	}
}

// covered reports whether ranges hold every address of p.
func covered(p netip.Prefix, ranges []netip.Prefix) bool {
	var inside []netip.Prefix
	for _, r := range ranges {
		switch {
		case !r.IsValid() || !r.Overlaps(p):
		case r.Bits() <= p.Bits():
			return true
		default:
			inside = append(inside, r)
		}
	}
	if len(inside) == 0 {
		return false
	}
	upper := p.Addr().AsSlice()
	upper[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	addr, _ := netip.AddrFromSlice(upper) // as long as it was
	return covered(netip.PrefixFrom(p.Addr(), p.Bits()+1), inside) && covered(netip.PrefixFrom(addr, p.Bits()+1), inside)
}

func (k *checker) proxy(p *Proxy, at string) {
	k.together(p.From, at+".from")
	for i, from := range p.From {
		path := joinIndex(at+".from", i)
		switch {
		case !k.usable(path):
		case everybody(from):
			k.report(path, CodeUnsafe, fmt.Sprintf("%s would trust everybody", from), "name the addresses of the proxy")
		case from.Bits() < 8 || from.Addr().Is6() && from.Bits() < 32:
			k.warn(path, CodeUnsafe, fmt.Sprintf("%s are very many addresses, and each may claim to be anybody", from), "name the addresses of the proxy")
		}
	}
	headers := []struct{ key, name string }{
		{"user_header", p.UserHeader}, {"groups_header", p.GroupsHeader}, {"org_header", p.OrgHeader}, {"team_header", p.TeamHeader},
	}
	first := map[string]string{}
	for _, h := range headers {
		path, lower := joinKey(at, h.key), strings.ToLower(h.name)
		if !k.usable(path) {
			continue
		}
		if ReservedHeader(h.name) || slices.Contains([]string{"authorization", "cookie", "origin", "x-api-key"}, lower) {
			k.report(path, CodeConflict, fmt.Sprintf("%s means something else", h.name), "use a header that only the proxy sets, for example X-Forwarded-User")
		} else if other, used := first[lower]; used {
			k.report(path, CodeConflict, fmt.Sprintf("%s is already the %s", h.name, other), "use a header for each")
		}
		first[lower] = h.key
	}
	k.rolesExist(at+".roles", p.Roles)
}
