// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"strings"
)

// Toolset is a named subset of the catalog, chosen by how entries are displayed. It only ever takes away from what a
// principal may see. Safe for concurrent use.
type Toolset struct {
	patterns []pattern
}

// pattern selects entries of some kinds by displayed name or URI, or by upstream.
type pattern struct {
	kinds    [Kinds]bool
	upstream bool
	glob     string
}

// NewToolset compiles patterns. A pattern is a glob over displayed names of tools ("github__*"), or of another kind when
// that is named ("prompt:docs__*"); resources and templates are matched by URI ("resource:file:///docs/*").
// "*:docs__*" is any kind, "upstream:github" everything of that upstream, "*" everything. In a glob "*" stands for any text, slashes included,
// and "?" for one character. No pattern at all selects nothing. The error names the pattern to change.
func NewToolset(name string, patterns []string) (*Toolset, error) {
	t := &Toolset{}
	for i, text := range patterns {
		p, err := parsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("toolset %q: pattern %d: %w", name, i+1, err)
		}
		t.patterns = append(t.patterns, p)
	}
	return t, nil
}

func parsePattern(text string) (pattern, error) {
	every := [Kinds]bool{true, true, true, true}
	if text == "*" {
		return pattern{kinds: every, glob: "*"}, nil
	}
	word, glob, found := strings.Cut(text, ":")
	if !found {
		word, glob = Tool.String(), text
	}
	switch {
	case glob == "":
		return pattern{}, fmt.Errorf("%q selects nothing", text)
	case word == "*":
		return pattern{kinds: every, glob: glob}, nil
	case word == "upstream":
		return pattern{kinds: every, upstream: true, glob: glob}, nil
	}
	for k := range Kind(Kinds) {
		if k.String() == word {
			p := pattern{glob: glob}
			p.kinds[k] = true
			return p, nil
		}
	}
	return pattern{}, fmt.Errorf("%q: unknown kind %q; use tool, prompt, resource, template or upstream", text, word)
}

// Has reports whether the toolset includes e.
func (t *Toolset) Has(e *Entry) bool { return t.includes(e.Kind, e.Key(), e.Upstream) }

func (t *Toolset) includes(k Kind, key, upstream string) bool {
	for i := range t.patterns {
		p := &t.patterns[i]
		if !p.kinds[k] {
			continue
		}
		subject := key
		if p.upstream {
			subject = upstream
		}
		if globMatch(p.glob, subject) {
			return true
		}
	}
	return false
}

// globMatch matches in time proportional to the product of the lengths: it returns to the last star only, never further.
func globMatch(glob, s string) bool {
	g, i := 0, 0
	star, resume := -1, 0
	for i < len(s) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, resume = g, i
			g++
		case g < len(glob) && (glob[g] == '?' || glob[g] == s[i]):
			g, i = g+1, i+1
		case star >= 0:
			resume++
			g, i = star+1, resume
		default:
			return false
		}
	}
	for g < len(glob) && glob[g] == '*' {
		g++
	}
	return g == len(glob)
}
