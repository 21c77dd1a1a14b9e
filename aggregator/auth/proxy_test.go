// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func prefixes(t testing.TB, all ...string) []netip.Prefix {
	t.Helper()
	var out []netip.Prefix
	for _, s := range all {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// TestTrustedProxy is bad input 52 where a header does count: from the proxy, and from nobody else.
func TestTrustedProxy(t *testing.T) {
	f := newFixture(t)
	a := newAuthenticator(t, &Options{Keys: f.db, Anonymous: "guest", Proxy: &Proxy{
		From: prefixes(t, "10.0.0.7/32", "fd00::/64", "127.0.0.1/32"), UserHeader: "x-user", GroupsHeader: "X-Groups", OrgHeader: "X-Org", TeamHeader: "X-Team",
		Roles: []string{"member"},
	}})
	good := map[string][]string{"X-User": {"alice"}, "X-Groups": {"dev, ops ,,\tweb"}, "X-Org": {"acme"}, "X-Team": {"infra"}}
	for _, test := range []struct {
		name, remote string
		headers      map[string][]string
		want         string // subject; "" = refused
		says         string
	}{
		{"the proxy", "10.0.0.7:1", good, "alice", ""},
		{"the proxy, IPv6", "[fd00::1]:1", good, "alice", ""},
		{"the proxy, IPv4 in IPv6", "[::ffff:10.0.0.7]:1", good, "alice", ""},
		{"the proxy on this machine", "127.0.0.1:1", good, "alice", ""},
		{"a neighbour", "10.0.0.8:1", good, "", "API key is needed"},
		{"another machine", "203.0.113.9:1", good, "", "API key is needed"},
		{"IPv6 elsewhere", "[fd00:0:0:1::1]:1", good, "", "API key is needed"},
		{"no address", "@", good, "", "API key is needed"},
		{"forwarded as the proxy", "203.0.113.9:1", map[string][]string{"X-User": {"alice"}, "X-Forwarded-For": {"10.0.0.7"}}, "", "API key is needed"},
		{"no user", "10.0.0.7:1", map[string][]string{"X-Groups": {"dev"}}, "", "did not say"},
		{"no user on this machine", "127.0.0.1:1", nil, "", "did not say"},
		{"empty user", "10.0.0.7:1", map[string][]string{"X-User": {""}}, "", "did not say"},
		{"two users", "10.0.0.7:1", map[string][]string{"X-User": {"root", "alice"}}, "", "more than once"},
		{"the same twice", "10.0.0.7:1", map[string][]string{"X-User": {"alice", "alice"}}, "", "more than once"},
		{"two users joined", "10.0.0.7:1", map[string][]string{"X-User": {"root, alice"}}, "", "comma"},
		{"two lines of groups", "10.0.0.7:1", map[string][]string{"X-User": {"alice"}, "X-Groups": {"admin", "dev"}}, "", "more than once"},
		{"two organizations", "10.0.0.7:1", map[string][]string{"X-User": {"alice"}, "X-Org": {"a", "b"}}, "", "more than once"},
		{"control code", "10.0.0.7:1", map[string][]string{"X-User": {"ali\x1bce"}}, "", "cannot be used"},
		{"no UTF-8", "10.0.0.7:1", map[string][]string{"X-User": {"ali\xffce"}}, "", "cannot be used"},
		{"space at the end", "10.0.0.7:1", map[string][]string{"X-User": {"alice "}}, "", "cannot be used"},
		{"long", "10.0.0.7:1", map[string][]string{"X-User": {strings.Repeat("a", 257)}}, "", "cannot be used"},
		{"team with a control code", "10.0.0.7:1", map[string][]string{"X-User": {"alice"}, "X-Team": {"a\x00"}}, "", "cannot be used"},
		{"many groups", "10.0.0.7:1", map[string][]string{"X-User": {"alice"}, "X-Groups": {strings.Repeat("g,", 5000)}}, "", "too many"},
	} {
		r := from(httptest.NewRequest(http.MethodPost, "/mcp", nil), test.remote, "127.0.0.1:8080")
		for name, values := range test.headers {
			r.Header[name] = values
		}
		p, c := a.Request(r)
		switch {
		case test.want != "":
			want := &Principal{Subject: "alice", Org: "acme", Team: "infra", Method: MethodProxy, Roles: []string{"member"}, Groups: []string{"dev", "ops", "web"}}
			if d := cmp.Diff(want, p); d != "" {
				t.Errorf("%s: %+v, principal (-want +got):\n%s", test.name, c, d)
			}
		case p != nil || !strings.Contains(c.Message, test.says) || c.Status != 401 && test.says != "too many":
			t.Errorf("%s: %+v, %+v; want a refusal with %q", test.name, p, c, test.says)
		}
	}
	// A credential of the client's own counts, not what the proxy says beside it.
	r := from(request("/mcp", "Bearer "+f.good), "10.0.0.7:1", "127.0.0.1:8080")
	r.Header.Set("X-User", "alice")
	if p, _ := a.Request(r); p == nil || p.Method != MethodAPIKey {
		t.Errorf("key through the proxy: %+v", p)
	}
	r = from(request("/mcp", "Bearer "+f.revoked), "10.0.0.7:1", "127.0.0.1:8080")
	r.Header.Set("X-User", "alice")
	if p, c := a.Request(r); p != nil || c.Status != 401 {
		t.Errorf("revoked key through the proxy: %+v, %+v", p, c)
	}
}

// TestProxyForAddressesOnly: a proxy that names nobody is believed about addresses alone.
func TestProxyForAddressesOnly(t *testing.T) {
	f := newFixture(t)
	a := newAuthenticator(t, &Options{Keys: f.db, Anonymous: "guest", Proxy: &Proxy{From: prefixes(t, "127.0.0.1/32")}})
	r := request("/mcp")
	r.Header.Set("X-User", "alice")
	if p, c := a.Request(r); p == nil || p.Method != MethodAnonymous {
		t.Errorf("%+v, %+v; want the anonymous role", p, c)
	}
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	if p, c := a.Request(r); p != nil || c.Status != http.StatusUnauthorized || a.Source(r) != "203.0.113.9" {
		t.Errorf("for somebody elsewhere: %+v, %+v, from %s", p, c, a.Source(r))
	}
}

func TestProxyOptions(t *testing.T) {
	for says, o := range map[string]*Proxy{
		"no address":   {UserHeader: "X-User"},
		"from[0]":      {From: []netip.Prefix{{}}, UserHeader: "X-User"},
		"user_header":  {From: prefixes(t, "10.0.0.7/32"), GroupsHeader: "X-Groups"},
		"only the pro": {From: prefixes(t, "10.0.0.7/32"), UserHeader: "authorization"},
		"org_header":   {From: prefixes(t, "10.0.0.7/32"), UserHeader: "X-User", OrgHeader: "X Org"},
	} {
		if _, err := New(&Options{Proxy: o}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want a word about %q", o, err, says)
		}
	}
}

func TestSource(t *testing.T) {
	a := newAuthenticator(t, &Options{Proxy: &Proxy{From: prefixes(t, "10.0.0.0/24", "fd00::/64"), UserHeader: "X-User"}})
	bare := newAuthenticator(t, &Options{Anonymous: "guest"})
	for _, test := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"203.0.113.9:1", nil, "203.0.113.9"},
		{"[2001:db8::1]:1", nil, "2001:db8::1"},
		{"[::ffff:203.0.113.9]:1", nil, "203.0.113.9"},
		{"[fe80::1%eth0]:1", nil, "fe80::1"},
		{"@", []string{"1.2.3.4"}, ""},
		{"", nil, ""},
		{"203.0.113.9:1", []string{"1.2.3.4"}, "203.0.113.9"}, // not a proxy: not believed
		{"10.0.0.7:1", nil, "10.0.0.7"},
		{"10.0.0.7:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.7:1", []string{"6.6.6.6, 203.0.113.9"}, "203.0.113.9"}, // the first the client made up
		{"10.0.0.7:1", []string{"6.6.6.6", "203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.7:1", []string{"6.6.6.6, 203.0.113.9, 10.0.0.8", "10.0.0.9"}, "203.0.113.9"},
		{"10.0.0.7:1", []string{"6.6.6.6, 203.0.113.9:4711"}, "203.0.113.9"},
		{"[fd00::1]:1", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"[fd00::1]:1", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"10.0.0.7:1", []string{"10.0.0.8,10.0.0.9"}, "10.0.0.8"},
		{"10.0.0.7:1", []string{"6.6.6.6, nonsense, 10.0.0.8"}, "10.0.0.8"}, // what is before it is anybody's guess
		{"10.0.0.7:1", []string{""}, "10.0.0.7"},
		{"10.0.0.7:1", []string{"unknown"}, "10.0.0.7"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
		r.RemoteAddr = test.remote
		r.Header["X-Forwarded-For"] = test.forwarded
		if got := a.Source(r); got != test.want {
			t.Errorf("from %s, forwarded %q: %s, want %s", test.remote, test.forwarded, got, test.want)
		}
		if got := bare.Source(r); strings.HasPrefix(test.remote, "10.") && got != "10.0.0.7" {
			t.Errorf("without proxies: %s", got)
		}
	}
}
