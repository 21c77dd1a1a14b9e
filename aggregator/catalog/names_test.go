// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDisplayName(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		prefix, original string
		prefixed         bool
		want             string
	}{
		{"github", "create_issue", true, "github__create_issue"},
		{"my-up", "get-x", true, "my-up__get-x"},
		{"gh", "__proto__", true, "gh____proto__"},
		{"gh", "a b", true, "gh__a_b_c8687a08"},
		{"gh", "dots.and/slashes", true, "gh__dots_and_slashes_c8647c37"},
		{"gh", "x_deadbeef", true, "gh__x_deadbeef_74fd2622"},
		{"gh", "search", false, "search"},
		{"", "test.tool/v1-x", false, "test.tool/v1-x"},
		{"", "report_20240101", false, "report_20240101"},
		{"", strings.Repeat("y", 64), false, strings.Repeat("y", 64)},
	} {
		got := DisplayName(c.prefix, c.original, c.prefixed)
		if strings.Contains(c.want, "_c8647c37") || strings.Contains(c.want, "_c8687a08") {
			got, c.want = got[:len(got)-8], c.want[:len(c.want)-8]
		}
		if got != c.want {
			t.Errorf("DisplayName(%q, %q, %v) = %q, want %q", c.prefix, c.original, c.prefixed, got, c.want)
		}
	}
	for _, original := range []string{"", " ", long, "a b", "../../x", "__proto__", "constructor", "/etc", "a//b", "gеt", "get\u200b", "\xff"} {
		if got := DisplayName("", original, false); !safeName.MatchString(got) || got == original {
			t.Errorf("DisplayName(%q) without prefix = %q, want it renamed to %v", original, got, safeName)
		}
	}
}

var safeName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func TestLookAlikesAreTold(t *testing.T) {
	seen := map[string]string{}
	for _, original := range []string{"send_email", "send-email", "Send_email", "sеnd_email", "ｓend_email", "send_email\u200b", "send email"} {
		name := DisplayName("mail", original, true)
		if other, dup := seen[name]; dup {
			t.Errorf("%q and %q are both shown as %q", original, other, name)
		}
		seen[name] = original
	}
}

func TestCheckPrefix(t *testing.T) {
	for _, good := range []string{"", "a", "github", "my-up", "a_b", "A1", strings.Repeat("p", MaxPrefix)} {
		if err := CheckPrefix(good); err != nil {
			t.Errorf("CheckPrefix(%q) = %v", good, err)
		}
	}
	for _, bad := range []string{"a__b", "a_", "_", "a.b", "a b", "é", strings.Repeat("p", MaxPrefix+1)} {
		if err := CheckPrefix(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("CheckPrefix(%q) = %v, want an error that names it", bad, err)
		}
	}
}

func genPrefix() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-z_-]{1,6}`).Filter(func(s string) bool { return CheckPrefix(s) == nil })
}

// genOriginal makes names that are close to each other and to what mangling makes of them.
func genOriginal() *rapid.Generator[string] {
	text := rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune("ab_- .é/\u200b")), 0, 8, -1),
		rapid.StringMatching(`[a-c]{50,70}`),
		rapid.String(),
	)
	return rapid.Custom(func(t *rapid.T) string {
		s := text.Draw(t, "text")
		if rapid.Bool().Draw(t, "hashed") {
			_, s, _ = strings.Cut(DisplayName("p", s, true), separator)
		}
		return s
	})
}

func TestDisplayNameIsInjective(t *testing.T) {
	type identity struct{ prefix, original string }
	rapid.Check(t, func(t *rapid.T) {
		seen := map[string]identity{}
		for range rapid.IntRange(2, 30).Draw(t, "n") {
			id := identity{genPrefix().Draw(t, "prefix"), genOriginal().Draw(t, "original")}
			name := DisplayName(id.prefix, id.original, true)
			checkName(t, name, id.prefix, id.original)
			if other, dup := seen[name]; dup && other != id {
				t.Fatalf("%+v and %+v are both shown as %q", id, other, name)
			}
			seen[name] = id
		}
	})
}

func checkName(t interface{ Fatalf(string, ...any) }, name, prefix, original string) {
	if !safeName.MatchString(name) {
		t.Fatalf("DisplayName(%q, %q) = %q, want %v", prefix, original, name, safeName)
	}
	if got, _, _ := strings.Cut(name, separator); got != prefix {
		t.Fatalf("DisplayName(%q, %q) = %q splits into prefix %q", prefix, original, name, got)
	}
}

// A hostile upstream chooses its name's neighbours: x of "gh_" and _x of "gh" would both be gh___x.
func TestSeparatorIsUnambiguous(t *testing.T) {
	if CheckPrefix("gh_") == nil {
		t.Fatal("a prefix that ends with the separator's character is accepted")
	}
	a, b := DisplayName("gh", "_x", true), DisplayName("gh-", "x", true)
	if a == b {
		t.Fatalf("both are shown as %q", a)
	}
}

func FuzzDisplayName(f *testing.F) {
	for _, s := range []string{"", "search", "a b", "__proto__", "../../x", "x_deadbeef", strings.Repeat("z", 300), "\xff\xfe"} {
		f.Add("github", s)
	}
	f.Fuzz(func(t *testing.T, prefix, original string) {
		free := DisplayName("", original, false)
		if len(free) == 0 || len(free) > MaxName {
			t.Fatalf("DisplayName(%q) without prefix = %q", original, free)
		}
		if prefix == "" || CheckPrefix(prefix) != nil {
			return
		}
		name := DisplayName(prefix, original, true)
		checkName(t, name, prefix, original)
		_, rest, _ := strings.Cut(name, separator)
		if rest != original && !looksHashed(rest) {
			t.Fatalf("DisplayName(%q, %q) = %q is neither the original nor hashed", prefix, original, name)
		}
		if rest != original && DisplayName(prefix, rest, true) == name {
			t.Fatalf("%q and %q are both shown as %q", original, rest, name)
		}
	})
}
