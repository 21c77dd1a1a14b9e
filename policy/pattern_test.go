// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"
)

// TestPatternDecides asks the loaded policy, not the parser: a pattern is what
// it shows.
func TestPatternDecides(t *testing.T) {
	objects := map[string]Object{
		"get":      {Kind: "tool", Upstream: "github", OriginalName: "get_issue"},
		"path":     {Kind: "tool", Upstream: "github", OriginalName: "issues/get"},
		"search":   {Kind: "tool", Upstream: "jira", OriginalName: "search_issues"},
		"hub":      {Kind: "tool", Upstream: "github-enterprise", OriginalName: "get_issue"},
		"prompt":   {Kind: "prompt", Upstream: "github", OriginalName: "review"},
		"resource": {Kind: "resource", Upstream: "docs", OriginalName: "A page", URI: "file:///a/b.md?raw=1"},
		"template": {Kind: "template", Upstream: "docs", OriginalName: "Pages", URI: "file:///{path}.md"},
	}
	for _, tt := range []struct{ pattern, want string }{
		{"*", "get hub path prompt resource search template"},
		{"*:*/*", "get hub path prompt resource search template"},
		{"github/*", "get path"},
		{"tool:github/*", "get path"},
		{"github/get_issue", "get"},
		{"github/GET_issue", ""},
		{"github/get", ""},
		{"github/*issue", "get"},
		{"github/*s*", "get path"},
		{"github/issues/*", "path"},
		{"github/get?issue", "get"},
		{"github/get??issue", ""},
		{"github.*/get_issue", ""}, // a dot is a dot
		{"github*/get_issue", "get hub"},
		{"git?ub/get_issue", "get"},
		{"*/search_*", "search"},
		{"tool:*", "get hub path search"},
		{"prompt:*", "prompt"},
		{"prompt:github/*", "prompt"},
		{"*:github/*", "get path prompt"},
		{"upstream:github", "get path prompt"},
		{"upstream:github*", "get hub path prompt"},
		{"upstream:docs", "resource template"},
		{"resource:docs/file:///a/b.md?raw=1", "resource"},
		{"resource:docs/file:///a/*", "resource"},
		{"resource:docs/A page", ""}, // resources go by uri
		{"template:docs/file:///{path}.md", "template"},
		{"resource:docs/*", "resource"},
	} {
		e := load(t, &Options{Roles: map[string]Role{"r": {Allow: []string{tt.pattern}}}})
		var got []string
		for _, name := range sortedKeys(objects) {
			answers, err := e.Access(t.Context(), &Principal{Roles: []string{"r"}}, []Object{objects[name]})
			if err != nil {
				t.Fatalf("%q: %v", tt.pattern, err)
			}
			if answers[0] {
				got = append(got, name)
			}
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("pattern %q shows %q, want %q", tt.pattern, got, tt.want)
		}
	}
}

func TestPatternMistakes(t *testing.T) {
	for _, tt := range []struct{ pattern, message, hint string }{
		{"", "empty pattern", `"*"`},
		{" github/*", "space at an end", "remove"},
		{"github/\x00", "control character", "remove"},
		{`github/a\*`, "backslash", "only * and ?"},
		{"github", "want <kind>:<upstream>/<name>", `"github/*" for every tool of an upstream, or "upstream:github"`},
		{"github/", "want <kind>", `"github/*"`},
		{"/get", "want <kind>", `"get/*"`},
		{"**", "want <kind>", "upstream:github"},
		{"tool:", "want <kind>", "upstream:github"},
		{"tools:github/*", `unknown kind "tools"`, `did you mean "tool"?`},
		{"upsteam:github", `unknown kind "upsteam"`, `did you mean "upstream"?`},
		{"github:*", `unknown kind "github"`, `"github/*"`},
		{"upstream:github/get", "nothing else", "tool:<upstream>/<name>"},
		{"upstream:", "nothing else", "tool:"},
		{"github/{get,list}_*", "only * and ? are wildcards", "one pattern for each"},
		{"github/[a-z]*", "only * and ? are wildcards", "one pattern for each"},
		{"tool:a:b/c", "only * and ? are wildcards", "one pattern"},
	} {
		_, e := parsePattern(tt.pattern)
		if e == nil {
			t.Errorf("pattern %q: no error", tt.pattern)
			continue
		}
		if !strings.Contains(e.message, tt.message) || !strings.Contains(e.hint, tt.hint) {
			t.Errorf("pattern %q: %s (hint: %s), want %q and %q", tt.pattern, e.message, e.hint, tt.message, tt.hint)
		}
	}
}

func TestClosest(t *testing.T) {
	words := []string{"reader", "writer", "tool", "prompt"}
	for word, want := range map[string]string{
		"raeder": "reader", "readr": "reader", "reader": "", "tols": "", "tolo": "tool", "x": "", "admin": "", "promtp": "prompt",
	} {
		if got := Closest(word, words); got != want {
			t.Errorf("Closest(%q) = %q, want %q", word, got, want)
		}
	}
}
