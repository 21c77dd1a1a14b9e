// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"tollgate/policy"
)

// patternParts is a pattern that package policy takes, cut into what the rest of the file has a say in.
type patternParts struct {
	kind       string // tool, prompt, resource or template; "" = any
	upstream   string // may have wildcards
	conditions []string
}

func hintNames() []string {
	return []string{"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
}

func cutPattern(pattern string) patternParts {
	rest, conditions := cutConditions(pattern)
	if rest == "*" {
		return patternParts{upstream: "*", conditions: conditions}
	}
	p := patternParts{kind: "tool", conditions: conditions}
	if kind, after := cutKind(rest); kind != "" {
		p.kind, rest = strings.TrimSuffix(kind, ":"), after
	}
	if p.kind == "*" || p.kind == "upstream" {
		p.kind = ""
	}
	p.upstream, _, _ = strings.Cut(rest, "/")
	return p
}

// cutKind takes the kind off a pattern, with its colon.
func cutKind(pattern string) (kind, rest string) {
	if i := strings.IndexAny(pattern, ":/"); i >= 0 && pattern[i] == ':' {
		return pattern[:i+1], pattern[i+1:]
	}
	return "", pattern
}

// cutConditions takes the conditions off a pattern. What only looks like them is part of a URI.
func cutConditions(pattern string) (rest string, conditions []string) {
	open := strings.LastIndexByte(pattern, '[')
	if open < 1 || !strings.HasSuffix(pattern, "]") {
		return pattern, nil
	}
	for item := range strings.SplitSeq(pattern[open+1:len(pattern)-1], ",") {
		item = strings.TrimSpace(item)
		word := strings.TrimPrefix(item, "!")
		if !strings.HasPrefix(word, "tag=") && !slices.Contains(hintNames(), word) {
			return pattern, nil
		}
		conditions = append(conditions, item)
	}
	return pattern[:open], conditions
}

// patterns warns about patterns that are written well and do not do what they say.
func (k *checker) patterns(at string, patterns []string) {
	for i, text := range patterns {
		at := joinIndex(at, i)
		if k.failed[at] {
			continue
		}
		p := cutPattern(text)
		k.namesUpstream(at, text, p)
		k.namesTags(at, p)
		k.asksHints(at, p)
		if closed := closeBracket(text); closed != "" {
			k.warn(at, CodeReference, fmt.Sprintf("%q ends inside of a condition, so it is part of the name", text), fmt.Sprintf("close the bracket: %q", closed))
		}
	}
}

// namesUpstream warns about a pattern that can match nothing, because no upstream has the name.
func (k *checker) namesUpstream(at, text string, p patternParts) {
	if strings.ContainsAny(p.upstream, "*?") {
		return
	}
	var names []string
	for i := range k.c.Upstreams {
		names = append(names, k.c.Upstreams[i].Name)
	}
	if !slices.Contains(names, p.upstream) {
		k.warn(at, CodeReference, fmt.Sprintf("no upstream is named %q", p.upstream), k.patternHintOf(text, didYouMean(p.upstream, names, "upstream")))
	}
}

// namesTags warns about tags that no upstream has, or not the one that the pattern is about.
func (k *checker) namesTags(at string, p patternParts) {
	var all, own []string
	for i := range k.c.Upstreams {
		u := &k.c.Upstreams[i]
		all = append(all, u.Tags...)
		if u.Name == p.upstream {
			own = append(own, u.Tags...)
		}
	}
	known := slices.ContainsFunc(k.c.Upstreams, func(u Upstream) bool { return u.Name == p.upstream })
	for _, condition := range p.conditions {
		tag, ok := strings.CutPrefix(strings.TrimPrefix(condition, "!"), "tag=")
		not := strings.HasPrefix(condition, "!")
		switch {
		case !ok:
		case !slices.Contains(all, tag) && not:
			k.warn(at, CodeReference, fmt.Sprintf("no upstream has the tag %q, so %s always holds", tag, condition), tagHint(tag, all))
		case !slices.Contains(all, tag):
			k.warn(at, CodeReference, fmt.Sprintf("no upstream has the tag %q, so this matches nothing", tag), tagHint(tag, all))
		case known && !not && !slices.Contains(own, tag):
			k.warn(at, CodeReference, fmt.Sprintf("upstream %q does not have the tag %q, so this matches nothing", p.upstream, tag), tagHint(tag, own))
		}
	}
}

func tagHint(tag string, known []string) string {
	if len(known) == 0 {
		return fmt.Sprintf("tags stand at upstreams, for example tags: [%s]", tag)
	}
	slices.Sort(known)
	return didYouMean(tag, slices.Compact(known), "tag")
}

// asksHints warns about hints that are asked of what cannot have them.
func (k *checker) asksHints(at string, p patternParts) {
	if p.kind == "tool" || p.kind == "" {
		return
	}
	for _, condition := range p.conditions {
		if name := strings.TrimPrefix(condition, "!"); slices.Contains(hintNames(), name) {
			k.warn(at, CodeReference, fmt.Sprintf("a %s has no %s: only tools do", p.kind, name), "remove the condition, or ask for tag=<tag>")
		}
	}
}

// haveArguments warns about constraints on what takes no arguments.
func (k *checker) haveArguments(at string, patterns []string) {
	for i, text := range patterns {
		at := joinIndex(at, i)
		if kind := cutPattern(text).kind; !k.failed[at] && (kind == "resource" || kind == "template") {
			k.warn(at, CodeReference, fmt.Sprintf("a %s has no arguments, so this constrains nothing", kind), "name tools or prompts; what must not be read belongs under deny")
		}
	}
}

// isPattern reports whether a mistake is in a pattern.
func isPattern(e *policy.RoleError) bool {
	return e.Field == "allow" || e.Field == "deny" || len(e.Below) > 0 && (e.Below[0] == "on" || e.Below[0] == "for")
}

// patternHint is the hint for the pattern at a path: the one of package policy, unless the rest of the file says more.
func (k *checker) patternHint(at, hint string) string {
	n := k.node(at)
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return k.patternHintOf(n.Value, hint)
}

func (k *checker) patternHintOf(pattern, hint string) string {
	if closed := closeBracket(pattern); closed != "" {
		return fmt.Sprintf("close the bracket: %q", closed)
	}
	if original := k.original(pattern); original != "" {
		return fmt.Sprintf("displayed names stand in toolsets only, here write %q", original)
	}
	return hint
}

// closeBracket is a pattern with the bracket behind its conditions that it lacks; "" when it lacks none.
func closeBracket(pattern string) string {
	open := strings.LastIndexByte(pattern, '[')
	if open < 1 || strings.Contains(pattern[open:], "]") {
		return ""
	}
	first, _, _ := strings.Cut(pattern[open+1:], ",")
	word := strings.TrimPrefix(strings.TrimSpace(first), "!")
	begun := func(name string) bool { return len(word) > 3 && strings.HasPrefix(name, word) }
	if _, near := Closest(word, hintNames()); near || slices.ContainsFunc(hintNames(), begun) || strings.HasPrefix(word, "tag=") {
		return pattern + "]"
	}
	return ""
}

// original is what a pattern over displayed names means as one over original names; "" when it is none.
func (k *checker) original(pattern string) string {
	kind, rest := cutKind(pattern)
	if kind == "upstream:" {
		kind = ""
	}
	prefix, name, ok := strings.Cut(rest, "__")
	name = strings.TrimSuffix(name, "/*")
	if !ok || name == "" || strings.Contains(name, "/") {
		return ""
	}
	for i := range k.c.Upstreams {
		u := &k.c.Upstreams[i]
		if u.Prefix == nil && u.Name == prefix || u.Prefix != nil && *u.Prefix == prefix && prefix != "" {
			return kind + u.Name + "/" + name
		}
	}
	return ""
}
