// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"tollgate/upstream/wire"
)

// hint is an annotation of MCP's tools, with what it means to leave it out.
type hint struct {
	name    string
	missing bool
}

func hints() []hint {
	return []hint{{"readOnlyHint", false}, {"destructiveHint", true}, {"idempotentHint", false}, {"openWorldHint", true}}
}

func hintNames() []string {
	var names []string
	for _, h := range hints() {
		names = append(names, h.name)
	}
	return names
}

const tagCondition = "tag="

// condition is one of the list in brackets at the end of a pattern. Exactly one
// of hint and tag is set.
type condition struct {
	hint hint
	tag  string
	not  bool
}

// cutConditions takes the list of conditions off the end of a pattern. A URI
// may end in brackets of its own: there, what does not look like conditions is
// part of the URI.
func cutConditions(text string) (rest string, list []condition, e *patternError) {
	open := strings.LastIndexByte(text, '[')
	if open < 1 || !strings.HasSuffix(text, "]") {
		return text, nil, nil
	}
	strict := mayNotHoldBrackets(text)
	for item := range strings.SplitSeq(text[open+1:len(text)-1], ",") {
		item = strings.TrimSpace(item)
		c, ok := parseCondition(item)
		if !ok {
			if strict || resemblesCondition(item) {
				return "", nil, badCondition(text, item)
			}
			return text, nil, nil
		}
		list = append(list, c)
	}
	for i, c := range list {
		opposite := c
		opposite.not = !c.not
		if slices.Contains(list[:i], opposite) {
			return "", nil, &patternError{
				fmt.Sprintf("pattern %q asks for %s and for its opposite, so it matches nothing", text, opposite.text()), "remove one of them"}
		}
	}
	return text[:open], list, nil
}

// mayNotHoldBrackets: names of tools have none, those of other kinds may.
func mayNotHoldBrackets(text string) bool {
	kind, _, ok := strings.Cut(text, ":")
	return !ok || strings.Contains(kind, "/") || kind == "tool" || kind == patternUpstream
}

func parseCondition(item string) (condition, bool) {
	c := condition{}
	item, c.not = strings.CutPrefix(item, "!")
	if tag, ok := strings.CutPrefix(item, tagCondition); ok {
		c.tag = tag
		return c, tag != "" && !strings.ContainsAny(tag, "*?=") && !strings.ContainsFunc(tag, unicode.IsSpace)
	}
	i := slices.IndexFunc(hints(), func(h hint) bool { return h.name == item })
	if i < 0 {
		return c, false
	}
	c.hint = hints()[i]
	return c, true
}

func resemblesCondition(item string) bool {
	name := strings.TrimPrefix(item, "!")
	return strings.HasPrefix(name, tagCondition) || Closest(name, hintNames()) != "" ||
		slices.ContainsFunc(hintNames(), func(h string) bool { return strings.EqualFold(h, name) })
}

func badCondition(text, item string) *patternError {
	name := strings.TrimPrefix(item, "!")
	if strings.HasPrefix(name, tagCondition) {
		return &patternError{fmt.Sprintf("pattern %q: bad tag in condition %q", text, item),
			"after tag= comes one whole tag without wildcards and spaces"}
	}
	e := &patternError{message: fmt.Sprintf("pattern %q: unknown condition %q", text, item)}
	near := Closest(name, hintNames())
	for _, h := range hintNames() {
		if len(name) > 3 && strings.HasPrefix(strings.ToLower(h), strings.ToLower(name)) {
			near = h
		}
	}
	if near != "" {
		e.hint = fmt.Sprintf("did you mean %q?", near)
	} else {
		e.hint = "conditions are " + strings.Join(hintNames(), ", ") + " and tag=<tag>, each with ! before it for the opposite; " +
			"for alternatives write one pattern each"
	}
	return e
}

func (c condition) text() string {
	text := c.hint.name
	if c.tag != "" {
		text = tagCondition + c.tag
	}
	if c.not {
		return "!" + text
	}
	return text
}

// holds says the same as access.meets in Rego. A hint that is no boolean counts
// as left out.
func (c condition) holds(o *Object) bool {
	if c.tag != "" {
		return slices.Contains(o.Tags, c.tag) != c.not
	}
	value := c.hint.missing
	if wire.CheckUnique(o.Annotations) == nil {
		switch raw, _ := wire.Lookup(o.Annotations, c.hint.name); string(raw) {
		case "true":
			value = true
		case "false":
			value = false
		}
	}
	return value != c.not
}

// document is the condition as the policy reads it: a hint is held against the
// one value that is not what a missing hint means, so that whatever is no
// boolean counts as missing there too.
func (c condition) document() map[string]any {
	if c.tag != "" {
		return map[string]any{"tag": c.tag, "is": !c.not}
	}
	return map[string]any{"hint": c.hint.name, "value": !c.hint.missing, "is": c.hint.missing == c.not}
}

func documents(list []condition) []any {
	out := make([]any, len(list))
	for i, c := range list {
		out[i] = c.document()
	}
	return out
}
