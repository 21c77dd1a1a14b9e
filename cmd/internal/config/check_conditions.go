// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"tollgate/aggregator/redact"
	"tollgate/policy/narrow"
)

// conditions checks what a role, or everyone, is bound to, as far as package policy leaves it to others.
func (k *checker) conditions(at string, constraints []Constraint, obligations []Obligation, limits []Limit) {
	for i := range constraints {
		at := joinIndex(at+".constraints", i)
		k.patterns(at+".for", constraints[i].For)
		k.haveArguments(at+".for", constraints[i].For)
		for name, schema := range sorted(constraints[i].Arguments) {
			k.schema(joinKey(at+".arguments", name), schema)
		}
	}
	for i := range obligations {
		at := joinIndex(at+".obligations", i)
		k.patterns(at+".for", obligations[i].For)
	}
	for i := range limits {
		at := joinIndex(at+".limits", i)
		k.patterns(at+".for", limits[i].For)
	}
}

// schema checks what the values of an argument must satisfy. The mistake is shown as deep inside as the file has it.
func (k *checker) schema(at string, schema json.RawMessage) {
	if k.failedBelow(at) {
		return
	}
	err := narrow.CheckFragment(schema)
	if err == nil {
		return
	}
	message, hint, path, n := err.Error(), "", at, k.node(at)
	if fe, ok := errors.AsType[*narrow.FragmentError](err); ok {
		message, hint = fe.Message, fe.Hint
		path, n = descend(n, at, fe.Pointer)
		if hint == "" && strings.HasSuffix(fe.Pointer, "/type") {
			path, n, hint = mistypedType(path, n)
		}
	}
	k.at(n, path, CodeValue, message, hint)
}

// descend follows a JSON pointer from a value as far as it leads.
func descend(n *yaml.Node, path, pointer string) (string, *yaml.Node) {
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		inside := n
		if n.Kind == yaml.AliasNode {
			inside = n.Alias
		}
		next, at := (*yaml.Node)(nil), ""
		if i, err := strconv.Atoi(step); err == nil && inside.Kind == yaml.SequenceNode && i >= 0 && i < len(inside.Content) {
			next, at = inside.Content[i], joinIndex(path, i)
		} else if inside.Kind == yaml.MappingNode {
			for key, value := range pairs(inside) {
				if name, ok := keyName(key); ok && name == step && next == nil {
					next, at = value, joinKey(path, name)
				}
			}
		}
		if next == nil {
			break
		}
		path, n = at, next
	}
	return path, n
}

// mistypedType finds the word under "type" that is no type of JSON, with the one that is meant.
func mistypedType(at string, n *yaml.Node) (path string, word *yaml.Node, hint string) {
	types := []string{"string", "number", "integer", "boolean", "object", "array", "null"}
	find := func(path string, word *yaml.Node) (string, *yaml.Node, string) {
		if word.Kind != yaml.ScalarNode || slices.Contains(types, word.Value) {
			return "", nil, ""
		}
		return path, word, didYouMean(word.Value, types, "type")
	}
	for i, c := range n.Content {
		if path, word, hint := find(joinIndex(at, i), c); word != nil {
			return path, word, hint
		}
	}
	if path, word, hint := find(at, n); word != nil {
		return path, word, hint
	}
	return at, n, ""
}

// pointers checks what results are redacted by, wherever it stands.
func (k *checker) pointers() {
	check := func(at string, obligations []Obligation) {
		for i := range obligations {
			for j, pointer := range obligations[i].Redact {
				k.pointer(joinIndex(joinIndex(at, i)+".redact", j), pointer)
			}
		}
	}
	check("policy.everyone.obligations", k.c.Policy.Everyone.Obligations)
	for name, r := range sorted(k.c.Roles) {
		check(Path("roles", name, "obligations"), r.Obligations)
	}
}

func (k *checker) pointer(at, pointer string) {
	err := redact.CheckPointer(pointer)
	if err == nil {
		return
	}
	message, hint := err.Error(), ""
	if pe, ok := errors.AsType[*redact.PointerError](err); ok {
		message, hint = fmt.Sprintf("%q: %s", pe.Pointer, pe.Reason), pe.Hint
	}
	k.report(at, CodeValue, message, hint)
	k.failed[at] = true
}
