// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/upstream/wire"
)

func TestParseActAs(t *testing.T) {
	all := &ActAs{Subject: "alice", Role: "reader", Team: "infra", Org: "acme"}
	inMeta := `{"tollgate/act_as":{"user":"alice","role":"reader","team":"infra","org":"acme"},"x":1}`
	inHeaders := http.Header{"Tollgate-User": {"alice"}, "Tollgate-Role": {"reader"}, "Tollgate-Team": {"infra"}, "Tollgate-Org": {"acme"}}
	for name, test := range map[string]struct {
		meta string
		h    http.Header
		want *ActAs
		says string // "" = no error
	}{
		"nothing":            {},
		"other members":      {meta: `{"x":{"user":"root"},"user":"root","act_as":{"user":"root"}}`},
		"other headers":      {h: http.Header{"X-User": {"root"}, "Mcp-Param-User": {"root"}}},
		"meta":               {meta: inMeta, want: all},
		"headers":            {h: inHeaders, want: all},
		"both":               {meta: inMeta, h: inHeaders, want: all},
		"user alone":         {meta: `{"tollgate/act_as":{"user":"alice"}}`, want: &ActAs{Subject: "alice"}},
		"escaped name":       {meta: `{"tollgate\/act_\u0061s":{"\u0075ser":"ali\u0063e"}}`, want: &ActAs{Subject: "alice"}},
		"a name beyond":      {h: http.Header{"Tollgate-User": {"Zoë Müller"}}, want: &ActAs{Subject: "Zoë Müller"}},
		"both, different":    {meta: inMeta, h: http.Header{"Tollgate-User": {"alice"}}, says: "different callers"},
		"no user":            {meta: `{"tollgate/act_as":{"role":"reader"}}`, says: "names no user"},
		"header without":     {h: http.Header{"Tollgate-Role": {"reader"}}, says: "Tollgate-User is missing"},
		"empty user":         {meta: `{"tollgate/act_as":{"user":""}}`, says: ".user is empty"},
		"empty header":       {h: http.Header{"Tollgate-User": {""}}, says: "is empty"},
		"empty role":         {h: http.Header{"Tollgate-User": {"alice"}, "Tollgate-Role": {""}}, says: "Tollgate-Role is empty"},
		"header twice":       {h: http.Header{"Tollgate-User": {"alice", "alice"}}, says: "more than once"},
		"no object":          {meta: `{"tollgate/act_as":"alice"}`, says: "no object"},
		"null":               {meta: `{"tollgate/act_as":null}`, says: "no object"},
		"list for a role":    {meta: `{"tollgate/act_as":{"user":"alice","role":["admin"]}}`, says: ".role is no text"},
		"mistyped":           {meta: `{"tollgate/act_as":{"user":"alice","roles":"x"}}`, says: "means nothing"},
		"upper case":         {meta: `{"tollgate/act_as":{"User":"alice"}}`, says: "means nothing"},
		"control code":       {meta: `{"tollgate/act_as":{"user":"ali\u0000ce"}}`, says: "cannot be shown"},
		"escape sequence":    {h: http.Header{"Tollgate-User": {"ali\x1b[2Jce"}}, says: "cannot be shown"},
		"direction override": {meta: `{"tollgate/act_as":{"user":"ali\u202ece"}}`, says: "cannot be shown"},
		"space":              {meta: `{"tollgate/act_as":{"user":"alice "}}`, says: "space"},
		"long":               {meta: `{"tollgate/act_as":{"user":"` + strings.Repeat("a", 257) + `"}}`, says: "longer than 256"},
		"no UTF-8":           {h: http.Header{"Tollgate-User": {"\xff"}}, says: "cannot be shown"},
	} {
		got, err := ParseActAs([]byte(test.meta), test.h)
		if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("%s: (-want +got):\n%s", name, d)
		}
		if (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
}

func TestAs(t *testing.T) {
	bot := &Principal{
		Subject: "bot", Org: "acme", Team: "bots", Method: MethodAPIKey, KeyID: "k1", Roles: []string{"backend"}, Groups: []string{"machines"}, Scopes: []string{"s"},
	}
	reader := []Delegation{{Subjects: []string{"*@acme.example"}, Roles: []string{"reader"}, Teams: []string{"t*"}, Orgs: []string{"o"}}, {Subjects: []string{"root"}, Roles: []string{"admin"}}}
	person := func(change func(p *Principal)) *Principal {
		p := &Principal{Subject: "alice@acme.example", Actor: "bot", Org: "acme", Team: "bots", Method: MethodAPIKey, KeyID: "k1", Scopes: []string{"s"}, Within: []string{"reader"}}
		change(p)
		return p
	}
	for name, test := range map[string]struct {
		as   ActAs
		d    []Delegation
		want *Principal
		says string
	}{
		"a role":               {ActAs{Subject: "alice@acme.example", Role: "reader"}, reader, person(func(p *Principal) { p.Roles = []string{"reader"} }), ""},
		"no role":              {ActAs{Subject: "alice@acme.example"}, reader, person(func(*Principal) {}), ""},
		"team and org":         {ActAs{Subject: "alice@acme.example", Team: "t", Org: "o"}, reader, person(func(p *Principal) { p.Team, p.Org = "t", "o" }), ""},
		"a team of others":     {ActAs{Subject: "root", Team: "t"}, reader, nil, "act_as.teams"},
		"an org of others":     {ActAs{Subject: "root", Org: "o"}, reader, nil, "act_as.orgs"},
		"its own team and org": {ActAs{Subject: "alice@acme.example", Team: "bots", Org: "acme"}, reader, person(func(*Principal) {}), ""},
		"anybody":              {ActAs{Subject: "alice@acme.example"}, []Delegation{{}}, person(func(p *Principal) { p.Within = nil }), ""},
		"another role":         {ActAs{Subject: "alice@acme.example", Role: "admin"}, reader, nil, "act_as.roles"}, // of another delegation
		"role in upper case":   {ActAs{Subject: "alice@acme.example", Role: "READER"}, reader, nil, "act_as.roles"},
		"role of the program":  {ActAs{Subject: "alice@acme.example", Role: "backend"}, reader, nil, "act_as.roles"},
		"another person":       {ActAs{Subject: "alice@evil.example"}, reader, nil, "act_as.subjects"},
		"a longer name":        {ActAs{Subject: "alice@acme.example.evil"}, reader, nil, "act_as.subjects"},
		"a role, but of none":  {ActAs{Subject: "alice@acme.example", Role: "reader"}, []Delegation{{}}, nil, "act_as.roles"},
		"without a delegation": {ActAs{Subject: "alice@acme.example"}, nil, nil, ErrMayNotAct.Error()},
	} {
		got, err := bot.As(&test.as, test.d)
		if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
		if (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) || errors.Is(err, ErrMayNotAct) != (test.d == nil) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
	alice, err := bot.As(&ActAs{Subject: "alice@acme.example"}, reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alice.As(&ActAs{Subject: "root"}, reader); err == nil || errors.Is(err, ErrMayNotAct) {
		t.Errorf("a person acts for another: %v", err)
	}
	self := *alice
	self.Actor = ""
	if alice.Key() == bot.Key() || alice.Key() == self.Key() {
		t.Error("the person shares the key of the program, or of itself without it")
	}
	if got := alice.Policy(); got.Actor != "bot" || got.Subject != "alice@acme.example" || got.KeyID != "k1" {
		t.Errorf("policy principal %+v", got)
	}
}

// TestMatches compares patterns with regular expressions.
func TestMatches(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab*.")), 0, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		pattern, s := text.Draw(t, "pattern"), text.Draw(t, "text")
		re := regexp.MustCompile(`\A(?s:` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`) + `)\z`)
		if got := matches(pattern, s); got != re.MatchString(s) {
			t.Fatalf("%q on %q: %t", pattern, s, got)
		}
	})
}

func FuzzActAs(f *testing.F) {
	f.Add(`{"tollgate/act_as":{"user":"alice","role":"reader"}}`, "", "")
	f.Add(`{}`, "alice", "reader")
	f.Add(`{"tollgate/act_as":{"user":"alice"}}`, "alice", "")
	f.Fuzz(func(t *testing.T, meta, user, role string) {
		if wire.Check([]byte(meta)) != nil {
			meta = ""
		}
		h := http.Header{}
		if user != "" {
			h.Set("Tollgate-User", user)
		}
		if role != "" {
			h.Set("Tollgate-Role", role)
		}
		a, err := ParseActAs([]byte(meta), h)
		switch {
		case a == nil:
			if err == nil && user+role != "" {
				t.Fatalf("the headers %q, %q are ignored", user, role)
			}
		case err != nil || checkName(a.Subject) != nil:
			t.Fatalf("%+v, %v", a, err)
		case user != "" && (a.Subject != user || a.Role != role):
			t.Fatalf("%+v for the headers %q, %q", a, user, role)
		}
	})
}

// FuzzToken: whatever is sent as a token, nobody gets in by it, and the answer fits into a header.
func FuzzToken(f *testing.F) {
	p := newIDP(f, newClock())
	a := p.server(f, nil)
	good := p.draft().sign(f)
	head, rest, _ := strings.Cut(good, ".")
	claims, sig, _ := strings.Cut(rest, ".")
	f.Add(good)
	f.Add(head + "." + claims + ".")
	f.Add("." + claims + "." + sig)
	f.Add("..")
	f.Add(b64([]byte(`{"alg":"none"}`)) + "." + claims + ".")
	f.Fuzz(func(t *testing.T, token string) {
		got, c := a.Request(bearer(token))
		if (got != nil) != (strings.TrimLeft(token, " ") == good) || (got == nil) != (c != nil) {
			t.Fatalf("%q: %+v, %+v", token, got, c)
		}
		if c != nil && (c.Status != http.StatusUnauthorized || strings.ContainsFunc(c.Header, func(r rune) bool { return r < ' ' || r > '~' })) {
			t.Fatalf("%q: %+v", token, c)
		}
	})
}
