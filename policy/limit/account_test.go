// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tollgate/policy"
)

func accountOf(t testing.TB, in *policy.Input, per ...string) string {
	t.Helper()
	return budgets(t, BudgetRule{Name: "b", Period: month(), Per: per}).All()[0].Account(in)
}

func TestAccounts(t *testing.T) {
	long := strings.Repeat("x", maxAccountPart+1)
	for _, tt := range []struct {
		per    string
		change func(in *policy.Input)
		want   string
	}{
		{"", nil, ""},
		{"all", nil, ""},
		{"org", nil, "acme"},
		{"team", nil, "acme/growth"},
		{"user", nil, "acme/ada"},
		{"org user", nil, "acme/ada"},
		{"user team", nil, "acme/growth/ada"},
		{"key", nil, "k1"},
		{"upstream", nil, "db"},
		{"tool", nil, "db/query"},
		{"tool user", nil, "acme/ada/db/query"},
		{"user", func(in *policy.Input) { in.Principal.Org = "" }, "-/ada"},
		{"user", func(in *policy.Input) { in.Principal.Org, in.Principal.Subject = "-", "" }, "%2D/-"},
		{"user", func(in *policy.Input) { in.Principal.Subject = "ada@example.com" }, "acme/ada@example.com"},
		{"user", func(in *policy.Input) { in.Principal.Subject = "Ada Löwe/50%:#\n\xff\u202e" }, "acme/Ada%20Löwe%2F50%25%3A%23%0A%FF%E2%80%AE"},
		{"user", func(in *policy.Input) { in.Principal.Subject = long[1:] }, "acme/" + long[1:]},
		{"user", func(in *policy.Input) { in.Principal.Subject = long }, fmt.Sprintf("acme/#%x", sha256.Sum256([]byte(long)))},
		{"key", func(in *policy.Input) { in.Principal.KeyID = "" }, "api_key:acme:ada"},
		{"tool", func(in *policy.Input) { in.Object.Kind = "prompt" }, "db/prompt:query"},
		{"tool", func(in *policy.Input) { in.Object.Kind, in.Object.URI = "resource", "file:///a.md" }, "db/resource:file%3A%2F%2F%2Fa.md"},
	} {
		in := call(`{}`).Input
		if tt.change != nil {
			tt.change(in)
		}
		if got := accountOf(t, in, strings.Fields(tt.per)...); got != tt.want {
			t.Errorf("per %q: %q, want %q", tt.per, got, tt.want)
		}
	}
}

// TestAccountsAreInjective: an account can be read back into the parts that it
// belongs to, so two callers or tools never share one, whatever their names are.
func TestAccountsAreInjective(t *testing.T) {
	part := rapid.OneOf(rapid.StringMatching(`([a-]|/|:|%2D|[ #é.]){0,4}`), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 200), func(b []byte) string { return string(b) }))
	words := rapid.SliceOfNDistinct(rapid.SampledFrom(accountWords()[:6]), 1, 6, rapid.ID)
	kind := rapid.SampledFrom([]string{"tool", "prompt", "resource", "template"})
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string) string { return part.Draw(rt, name) }
		in := &policy.Input{
			Principal: &policy.Principal{Subject: draw("subject"), Team: draw("team"), Org: draw("org"), AuthMethod: draw("method"), KeyID: draw("key")},
			Object:    &policy.Object{Kind: kind.Draw(rt, "kind"), Upstream: draw("upstream"), OriginalName: draw("tool"), URI: draw("uri")},
		}
		per := words.Draw(rt, "per")
		account := accountOf(t, in, per...)
		if account == "" || strings.ContainsFunc(account, func(r rune) bool { return !unicode.IsGraphic(r) || r == ' ' }) {
			rt.Fatalf("%q cannot be read", account)
		}
		if len(account) > 1024 {
			rt.Fatalf("an account of %d bytes", len(account))
		}
		var got []string
		for p := range strings.SplitSeq(account, "/") {
			got = append(got, readPart(rt, p))
		}
		if want := partsOf(in, per); !slices.Equal(got, want) {
			rt.Fatalf("%q reads as %q, want %q", account, got, want)
		}
	})
}

// told is what an account tells of a part.
func told(part string) string {
	plain := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune(" /:%#", r) {
			return -1
		}
		return r
	}, part)
	if len(plain)+len("%XX")*(len(part)-len(plain)) > maxAccountPart {
		return fmt.Sprintf("sha256 of %x", sha256.Sum256([]byte(part)))
	}
	return part
}

// readPart undoes the escapes, colon by colon. What is joined again is told apart by
// a character that no name has.
func readPart(t *rapid.T, p string) string {
	var fields []string
	for field := range strings.SplitSeq(p, ":") {
		text, err := url.PathUnescape(field)
		switch {
		case err != nil:
			t.Fatalf("%q: %v", field, err)
		case field == "-":
			text = ""
		case strings.HasPrefix(field, "#"):
			text = "sha256 of " + field[1:]
		}
		fields = append(fields, text)
	}
	return strings.Join(fields, "\x00\x00")
}

// partsOf are what an account must tell apart, in the order of its name.
func partsOf(in *policy.Input, per []string) []string {
	p, o := in.Principal, in.Object
	has := func(w string) bool { return slices.Contains(per, w) }
	var parts []string
	if has("org") || has("team") || has("user") {
		parts = append(parts, told(p.Org))
	}
	if has("team") {
		parts = append(parts, told(p.Team))
	}
	if has("user") {
		parts = append(parts, told(p.Subject))
	}
	if has("key") && p.KeyID != "" {
		parts = append(parts, told(p.KeyID))
	} else if has("key") {
		parts = append(parts, strings.Join([]string{told(p.AuthMethod), told(p.Org), told(p.Subject)}, "\x00\x00"))
	}
	if has("upstream") || has("tool") {
		parts = append(parts, told(o.Upstream))
	}
	if has("tool") {
		name := map[string]string{"tool": o.OriginalName, "prompt": o.OriginalName, "resource": o.URI, "template": o.URI}[o.Kind]
		name = told(name)
		if o.Kind != "tool" {
			name = o.Kind + "\x00\x00" + name
		}
		parts = append(parts, name)
	}
	return parts
}
