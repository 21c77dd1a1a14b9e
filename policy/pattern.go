// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	anyKind         = "*"
	patternUpstream = "upstream" // pseudo kind: everything one upstream offers
)

func kinds() []string { return []string{"tool", "prompt", "resource", "template"} }

// pattern is one parsed allow or deny pattern. upstream and name are globs: *
// stands for any run of characters, ? for one; every other character for
// itself. Braces and brackets mean nothing there because URI templates hold
// braces; see cutConditions for the brackets at the end.
type pattern struct {
	text     string // as the operator wrote it
	kind     string // one of kinds, or anyKind
	upstream string
	name     string

	conditions []condition // all must hold
}

// patternError says what is wrong with a pattern and how to write it.
type patternError struct{ message, hint string }

func parsePattern(text string) (pattern, *patternError) {
	if e := checkPatternText(text); e != nil {
		return pattern{}, e
	}
	rest, conditions, e := cutConditions(text)
	if e != nil {
		return pattern{}, e
	}
	p, e := parseIdentity(text, rest)
	p.conditions = conditions
	return p, e
}

// parseIdentity reads the pattern without its conditions; text is all of it.
func parseIdentity(text, rest string) (pattern, *patternError) {
	p := pattern{text: text, kind: "tool", upstream: "*", name: "*"}
	if rest == "*" {
		p.kind = anyKind
		return p, nil
	}
	if i := strings.IndexAny(rest, ":/"); i >= 0 && rest[i] == ':' {
		p.kind, rest = rest[:i], rest[i+1:]
		switch {
		case p.kind == patternUpstream:
			return upstreamPattern(text, rest)
		case p.kind != anyKind && !slices.Contains(kinds(), p.kind):
			return pattern{}, unknownKind(text, p.kind)
		case rest == "*":
			return p, nil
		}
	}
	upstream, name, ok := strings.Cut(rest, "/")
	if !ok || upstream == "" || name == "" {
		return pattern{}, incomplete(text, rest)
	}
	p.upstream, p.name = upstream, name
	if strings.ContainsAny(upstream, ":[]{}") || p.kind == "tool" && strings.ContainsAny(name, "[]{}") {
		return pattern{}, &patternError{
			fmt.Sprintf("pattern %q: only * and ? are wildcards", text),
			"write one pattern for each alternative; conditions such as [readOnlyHint] come at the end"}
	}
	return p, nil
}

func checkPatternText(text string) *patternError {
	switch {
	case text == "":
		return &patternError{"empty pattern", `use "*" for everything, or remove it`}
	case strings.TrimSpace(text) != text || strings.ContainsFunc(text, unicode.IsControl):
		return &patternError{fmt.Sprintf("pattern %q has a space at an end or a control character", text),
			"remove it"}
	case strings.Contains(text, `\`):
		return &patternError{fmt.Sprintf("pattern %q has a backslash", text),
			"nothing needs escaping: only * and ? are wildcards"}
	}
	return nil
}

func upstreamPattern(text, upstream string) (pattern, *patternError) {
	if upstream == "" || strings.ContainsAny(upstream, "/:[]{}") {
		return pattern{}, &patternError{
			fmt.Sprintf("pattern %q: after upstream: comes the name of an upstream and nothing else", text),
			`for a part of what it offers, use "tool:<upstream>/<name>" or another kind`}
	}
	return pattern{text: text, kind: anyKind, upstream: upstream, name: "*"}, nil
}

func unknownKind(text, kind string) *patternError {
	e := &patternError{message: fmt.Sprintf("pattern %q: unknown kind %q", text, kind)}
	if near := Closest(kind, append(kinds(), patternUpstream)); near != "" {
		e.hint = fmt.Sprintf("did you mean %q?", near)
	} else {
		e.hint = fmt.Sprintf("kinds are tool, prompt, resource, template, upstream and *; "+
			"for every tool of an upstream write %q", kind+"/*")
	}
	return e
}

func incomplete(text, rest string) *patternError {
	e := &patternError{message: fmt.Sprintf("pattern %q: want <kind>:<upstream>/<name>", text)}
	name := strings.Trim(rest, "/")
	if name == "" || strings.Trim(name, "*") == "" {
		name = "github"
	}
	e.hint = fmt.Sprintf("use %q for every tool of an upstream, or %q for everything it offers",
		name+"/*", "upstream:"+name)
	return e
}

// exact reports whether the pattern names its objects without a wildcard.
func (p *pattern) exact() bool {
	return p.kind != anyKind && !strings.ContainsAny(p.upstream+p.name, "*?")
}

// scope is the one upstream the pattern is about, or "*".
func (p *pattern) scope() string {
	if strings.ContainsAny(p.upstream, "*?") {
		return "*"
	}
	return p.upstream
}

// expression is the pattern as a regular expression over an object's id,
// without anchors.
func (p *pattern) expression() string {
	kind := p.kind
	if kind == anyKind {
		kind = "[a-z]+"
	}
	return kind + ":" + globExpression(p.upstream, "[^/]") + "/" + globExpression(p.name, ".")
}

func globExpression(glob, one string) string {
	quoted := regexp.QuoteMeta(glob)
	return strings.NewReplacer(`\*`, one+"*", `\?`, one).Replace(quoted)
}

// anchored joins alternatives into one expression that must match a whole id.
func anchored(alternatives []string) string {
	return "^(?s:" + strings.Join(alternatives, "|") + ")$"
}
