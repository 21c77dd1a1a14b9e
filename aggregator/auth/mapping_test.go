// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func many(n int, names ...string) []string {
	for i := range n {
		names = append(names, fmt.Sprintf("g%04d", i))
	}
	return names
}

// TestGroups are bad inputs 50 and 51, over roles that come from groups and from names of roles.
func TestGroups(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, func(o *Options) {
		o.OAuth.Issuers[0].Roles = []RoleMapping{
			{Claim: "/groups", Contains: "admins", Role: "admin"}, {Claim: "/title", Equals: "admin", Role: "admin"},
			{Claim: "/https:~1~1example~1roles", Contains: "admin", Role: "admin"},
		}
	})
	realm := func(roles any) map[string]any { return map[string]any{"realm_access": map[string]any{"roles": roles}} }
	for name, test := range map[string]struct {
		claims map[string]any
		roles  []string
		status int // 0 = accepted
		says   string
	}{
		"in the group":             {claims: map[string]any{"groups": []string{"x", "admins"}}, roles: []string{"admin"}},
		"a single group":           {claims: map[string]any{"groups": "admins"}, roles: []string{"admin"}},
		"name of a role":           {claims: realm([]string{"admin", "reader"}), roles: []string{"admin", "reader"}},
		"role as a text":           {claims: realm("admin"), roles: []string{"admin"}},
		"equals":                   {claims: map[string]any{"title": "admin"}, roles: []string{"admin"}},
		"claim that is a URL":      {claims: map[string]any{"https://example/roles": []string{"admin"}}, roles: []string{"admin"}},
		"from two places":          {claims: map[string]any{"groups": "admins", "title": "admin"}, roles: []string{"admin"}},
		"1,000 groups":             {claims: map[string]any{"groups": many(999, "admins")}, roles: []string{"admin"}},
		"no groups":                {claims: map[string]any{"groups": nil}},
		"no group":                 {claims: map[string]any{"groups": []string{}}},
		"groups in a text":         {claims: map[string]any{"groups": "x,admins"}},
		"groups with spaces":       {claims: map[string]any{"groups": "x admins"}},
		"list in a text":           {claims: map[string]any{"groups": `["admins"]`}},
		"longer group":             {claims: map[string]any{"groups": []string{"admins2", "xadmins", "admin", "ADMINS", "admins ", "/admins"}}},
		"role in upper case":       {claims: realm([]string{"ADMIN"}), roles: []string{"ADMIN"}},
		"role with a space":        {claims: realm([]string{"admin "}), roles: []string{"admin "}},
		"roles in a text":          {claims: realm(`["admin"]`), roles: []string{`["admin"]`}},
		"roles with a comma":       {claims: realm("admin,reader"), roles: []string{"admin,reader"}},
		"equals in a list":         {claims: map[string]any{"title": []string{"admin"}}},
		"equals a longer text":     {claims: map[string]any{"title": "administrator"}},
		"roles at another place":   {claims: map[string]any{"roles": []string{"admin"}, "role": "admin", "/groups": []string{"admins"}}},
		"5,000 groups":             {claims: map[string]any{"groups": many(4999, "admins")}, status: 403, says: "more than 1000"},
		"5,000 roles":              {claims: realm(many(4999, "admin")), status: 403, says: "/realm_access/roles"},
		"overage":                  {claims: map[string]any{"groups": nil, "_claim_names": map[string]any{"groups": "src1"}}, status: 403, says: "assigned to the application"},
		"overage beside some":      {claims: map[string]any{"groups": "admins", "_claim_names": map[string]any{"groups": "src1"}}, status: 403, says: "/groups"},
		"overage of the other way": {claims: map[string]any{"groups": nil, "hasgroups": true}, status: 403, says: "too large"},
		"overage of a role claim":  {claims: map[string]any{"_claim_names": map[string]any{"title": "src1"}}, status: 403, says: "/title"},
		"groups among numbers":     {claims: map[string]any{"groups": []any{"admins", 1}}, status: 403, says: "neither a text"},
		"groups as an object":      {claims: map[string]any{"groups": map[string]any{"admins": true}}, status: 403, says: "neither a text"},
		"subject is a number":      {claims: map[string]any{"sub": 7}, status: 403, says: "/sub"},
		"subject with a NUL":       {claims: map[string]any{"sub": "a\x00b"}, status: 403, says: "/sub"},
		"subject with a space":     {claims: map[string]any{"sub": "alice "}, status: 403, says: "/sub"},
		"long subject":             {claims: map[string]any{"sub": strings.Repeat("a", 257)}, status: 403, says: "/sub"},
		"organization is a list":   {claims: map[string]any{"org": []string{"acme"}}, status: 403, says: "/org"},
		"empty subject":            {claims: map[string]any{"sub": ""}, status: 403, says: "/sub"},
	} {
		got, c := a.Request(bearer(p.draft().with(map[string]any{"groups": nil}).with(test.claims).sign(t)))
		if test.status != 0 {
			if got != nil || c.Status != test.status || c.Header != "" || !strings.Contains(c.Message, test.says) {
				t.Errorf("%s: %+v, %+v; want %d without a challenge and a word about %q", name, got, c, test.status, test.says)
			}
			continue
		}
		if got == nil {
			t.Errorf("%s: refused: %+v", name, c)
		} else if d := cmp.Diff(test.roles, got.Roles); d != "" && len(test.roles)+len(got.Roles) > 0 {
			t.Errorf("%s: roles (-want +got):\n%s", name, d)
		}
	}
}

func TestClaimsNotRead(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, func(o *Options) {
		o.OAuth.Issuers[0].Claims, o.OAuth.Issuers[0].Roles = Claims{Subject: "/user/mail", Groups: "-"}, nil
	})
	got, c := a.Request(bearer(p.draft().with(map[string]any{
		"sub": nil, "user": map[string]any{"mail": "alice@example"}, "hasgroups": true, "_claim_names": map[string]any{"groups": "src1"},
	}).sign(t)))
	if got == nil || got.Subject != "alice@example" || got.Groups != nil || got.Org != "" || got.Team != "" || len(got.Roles) > 0 {
		t.Errorf("%+v, %+v", got, c)
	}
}

func TestOAuthOptions(t *testing.T) {
	good := Issuer{Issuer: "https://login.example"}
	one := func(change func(i *Issuer)) *OAuth {
		i := good
		change(&i)
		return &OAuth{Resource: resource, Issuers: []Issuer{i}}
	}
	for says, o := range map[string]*OAuth{
		"no URL of an endpoint":  {Resource: "gw", Issuers: []Issuer{good}},
		"without query":          {Resource: resource + "?a", Issuers: []Issuer{good}},
		"no issuers":             {Resource: resource},
		"listed twice":           {Resource: resource, Issuers: []Issuer{good, good}},
		"scopes_supported[1]":    {Resource: resource, Issuers: []Issuer{good}, ScopesSupported: []string{"a", "b c"}},
		"negative":               {Resource: resource, Issuers: []Issuer{good}, Leeway: -1},
		"use https":              one(func(i *Issuer) { i.Issuer = "http://login.example" }),
		"no plain URL":           one(func(i *Issuer) { i.Issuer = "login.example" }),
		"has a query":            one(func(i *Issuer) { i.Issuer += "?x" }),
		"jwks_url":               one(func(i *Issuer) { i.JWKSURL = "http://login.example/keys" }),
		"without user name":      one(func(i *Issuer) { i.JWKSURL = "https://a@login.example/keys" }),
		`algorithm "none"`:       one(func(i *Issuer) { i.Algorithms = []string{"none"} }),
		`algorithm "HS256"`:      one(func(i *Issuer) { i.Algorithms = []string{"RS256", "HS256"} }),
		"audiences":              one(func(i *Issuer) { i.Audiences = []string{""} }),
		"claims.groups":          one(func(i *Issuer) { i.Claims.Groups = "groups" }),
		"claims.subject":         one(func(i *Issuer) { i.Claims.Subject = "-" }),
		"claims.org":             one(func(i *Issuer) { i.Claims.Org = "/a~2" }),
		"roles[0] needs a claim": one(func(i *Issuer) { i.Roles = []RoleMapping{{Contains: "a", Role: "b"}} }),
		"contains or equals":     one(func(i *Issuer) { i.Roles = []RoleMapping{{Claim: "/a", Role: "b", Contains: "a", Equals: "b"}} }),
	} {
		if _, err := New(&Options{OAuth: o}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want a word about %q", o, err, says)
		}
	}
}

// TestTexts: what is read is a list of exactly the texts that are there, and no text is taken apart.
func TestTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.String(), 0, 5).Draw(t, "texts")
		got, err := texts(jsonOf(all))
		if err != nil || !slices.Equal(got, all) {
			t.Fatalf("%q: %q, %v", all, got, err)
		}
		if len(all) > 0 {
			if got, err = texts(jsonOf(all[0])); err != nil || len(got) != 1 || got[0] != all[0] {
				t.Fatalf("%q: %q, %v", all[0], got, err)
			}
		}
	})
	if _, err := texts([]byte(`["a",["b"]]`)); !errors.Is(err, errNoTexts) {
		t.Errorf("a list in a list: %v", err)
	}
}

// TestKeyIsUnambiguous: no two principals share a key unless everything in it agrees.
func TestKeyIsUnambiguous(t *testing.T) {
	part := rapid.StringOfN(rapid.SampledFrom([]rune("a1:\x00")), 0, 4, -1)
	draw := func(t *rapid.T) *Principal {
		return &Principal{Method: part.Draw(t, "method"), KeyID: part.Draw(t, "id"), Issuer: part.Draw(t, "issuer"), Actor: part.Draw(t, "actor"), Subject: part.Draw(t, "subject")}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t), draw(t)
		if same := cmp.Equal(a, b); same != (a.Key() == b.Key()) {
			t.Fatalf("%+v and %+v: keys %q and %q", a, b, a.Key(), b.Key())
		}
	})
}

// TestSubjectsOfIssuers: the same subject of two authorization servers is two callers.
func TestSubjectsOfIssuers(t *testing.T) {
	c := newClock()
	one, two := newIDP(t, c), newIDP(t, c)
	a := one.server(t, func(o *Options) { o.OAuth.Issuers = append(o.OAuth.Issuers, two.oauth().Issuers...) })
	p, _ := a.Request(bearer(one.draft().sign(t)))
	q, ch := a.Request(bearer(two.draft().sign(t)))
	if p == nil || q == nil || p.Key() == q.Key() || p.Subject != q.Subject {
		t.Fatalf("%+v and %+v, %+v", p, q, ch)
	}
	// One may not speak for the other.
	if got, ch := a.Request(bearer(one.draft().with(map[string]any{"iss": two.URL}).by(one.draft().method, signer.next, "rsa").sign(t))); got != nil || ch.Status != http.StatusUnauthorized {
		t.Errorf("signed by neither: %+v", got)
	}
}
