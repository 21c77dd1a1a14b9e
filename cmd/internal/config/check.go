// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// checker looks at values together. It leaves values alone that the decoder refused: one mistake, one diagnostic.
type checker struct {
	*decoder
	c        *Config
	now      time.Time
	warnings Diagnostics
}

func (k *checker) all() {
	k.listener()
	k.names()
	for i := range k.c.Upstreams {
		k.upstream(i)
	}
	k.compileLimits()
	k.pointers()
	k.roles()
	k.policy()
	k.bindings()
	k.auth()
	k.timezone()
	k.budgets()
	k.audit()
	k.alerts()
	for name, t := range sorted(k.c.Toolsets) {
		k.displayed(Path("toolsets", name, "tools"), t.Tools, `[]\`)
		k.displayed(Path("toolsets", name, "prompts"), t.Prompts, `[]\`)
		k.displayed(Path("toolsets", name, "resources"), t.Resources, "") // a URI may have any of them
	}
}

// sorted iterates over a map by key, so that diagnostics at one position have a stable order.
func sorted[V any](m map[string]V) func(yield func(string, V) bool) {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

// report records a mistake at the value of a dotted path, unless the decoder refused that value.
func (k *checker) report(path string, code Code, message, hint string) {
	if !k.failed[path] {
		k.at(k.node(path), path, code, message, hint)
	}
}

func (k *checker) warn(path string, code Code, message, hint string) {
	n := k.node(path)
	k.warnings = append(k.warnings, Diagnostic{File: k.file, Line: n.Line, Col: n.Column, Code: code, Path: path, Message: message, Hint: hint, Width: width(n)})
}

func (k *checker) finishWarnings() Diagnostics {
	ws := k.warnings.sorted()
	for i := range ws {
		ws[i].Source = k.excerpt(ws[i].Line)
	}
	return ws
}

// node is the value at a path, or the closest one around it.
func (k *checker) node(path string) *yaml.Node {
	if n, ok := nearest(k.nodes, path); ok {
		return n
	}
	return &yaml.Node{Line: 1, Column: 1}
}

func (k *checker) has(path string) bool { return k.nodes[path] != nil }

// usable reports whether the file has a value at path that the decoder accepted.
func (k *checker) usable(path string) bool { return k.has(path) && !k.failed[path] }

// names finds upstreams whose name or prefix another one has.
func (k *checker) names() {
	names, prefixes := map[string]int{}, map[string]int{}
	for i := range k.c.Upstreams {
		u := &k.c.Upstreams[i]
		at := Path("upstreams", i, "name")
		if !k.usable(at) {
			continue
		}
		folded := strings.ToLower(u.Name)
		first, used := names[folded]
		switch {
		case used && k.c.Upstreams[first].Name == u.Name:
			line := k.node(Path("upstreams", first, "name")).Line
			k.report(at, CodeConflict, fmt.Sprintf("%q is already used at line %d", u.Name, line), "give each upstream a name of its own")
			continue
		case used:
			line := k.node(Path("upstreams", first, "name")).Line
			k.report(at, CodeConflict, fmt.Sprintf("%q differs only in case from %q at line %d", u.Name, k.c.Upstreams[first].Name, line), "give each upstream a name of its own")
			continue
		}
		names[folded] = i
		k.prefix(i, prefixes)
	}
}

func (k *checker) prefix(i int, prefixes map[string]int) {
	u := &k.c.Upstreams[i]
	at, prefix := Path("upstreams", i, "prefix"), u.Name
	if u.Prefix == nil {
		at = Path("upstreams", i, "name")
	} else if prefix = *u.Prefix; prefix == "" || !k.usable(at) {
		return
	}
	if first, used := prefixes[prefix]; used {
		k.report(at, CodeConflict, fmt.Sprintf("%q is already the prefix of upstream %q", prefix, k.c.Upstreams[first].Name), "give each upstream a prefix of its own")
		return
	}
	prefixes[prefix] = i
}

// originals checks patterns over the original names of tools, in the syntax of [path.Match].
func (k *checker) originals(at string, patterns []string) {
	for i, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			k.report(joinIndex(at, i), CodeValue, fmt.Sprintf("%q is not a valid pattern", p), `close each "[" with "]", and write "\\" before a character that is meant literally`)
		} else if p == "" {
			k.report(joinIndex(at, i), CodeValue, "must not be empty", `"*" stands for everything`)
		}
	}
}

// displayed checks patterns over what clients see, in which only * and ? are special. none are characters that such names do
// not have, so a pattern with one of them means something else.
func (k *checker) displayed(at string, patterns []string, none string) {
	for i, p := range patterns {
		switch {
		case p == "":
			k.report(joinIndex(at, i), CodeValue, "must not be empty", `"*" stands for everything`)
		case strings.ContainsAny(p, none):
			k.report(joinIndex(at, i), CodeValue, fmt.Sprintf("%q matches nothing: only * and ? are wildcards", p), "write one pattern for each alternative")
		case none != "":
			k.namesNothing(joinIndex(at, i), p)
		}
	}
}

// namesNothing warns about a pattern over displayed names that is written like one of a role. Displayed names have no slash,
// except those of an upstream that shows them as they are.
func (k *checker) namesNothing(at, pattern string) {
	before, name, ok := strings.Cut(pattern, "/")
	if !ok || k.failed[at] || slices.ContainsFunc(k.c.Upstreams, func(u Upstream) bool { return u.Prefix != nil && *u.Prefix == "" }) {
		return
	}
	before = before[strings.IndexByte(before, ':')+1:]
	k.warn(at, CodeReference, fmt.Sprintf("%q matches nothing: displayed names have no slash", pattern),
		fmt.Sprintf("patterns of toolsets are over displayed names, for example %q", before+"__"+name))
}

// policyFiles reports entries of policy.files, and of the candidate, that stand for nothing.
func (k *checker) policyFiles() {
	k.regoFiles("policy.files", k.c.Policy.Files)
	if s := k.c.Policy.Shadow; s != nil {
		k.regoFiles("policy.shadow.files", s.Files)
	}
}

func (k *checker) regoFiles(at string, entries []string) {
	const hint = "name a Rego file, a directory of them or a pattern, relative to this file"
	for i, entry := range entries {
		files, err := policyFiles(entry)
		switch {
		case err != nil:
			k.report(joinIndex(at, i), CodeReference, reason(err).Error(), hint)
		case len(files) == 0:
			k.report(joinIndex(at, i), CodeReference, "no Rego file is there", hint)
		}
	}
}
