// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// inputKeys are the terms that every input document shares.
type inputKeys struct {
	version, action, principal, object, one, list *ast.Term
	member                                        map[string]*ast.Term
	kind                                          map[string]*ast.Term
	empty, none                                   *ast.Term // "" and {}
}

func newInputKeys() inputKeys {
	k := inputKeys{
		version: ast.StringTerm("version"), action: ast.StringTerm("action"),
		principal: ast.StringTerm("principal"), object: ast.StringTerm("object"),
		one: ast.IntNumberTerm(1), list: ast.StringTerm("list"),
		empty: ast.StringTerm(""), none: ast.ObjectTerm(),
		member: map[string]*ast.Term{}, kind: map[string]*ast.Term{},
	}
	for _, name := range append(principalFields(), objectFields()...) {
		k.member[name] = ast.StringTerm(name)
	}
	for _, kind := range kinds() {
		k.kind[kind] = ast.StringTerm(kind)
	}
	return k
}

// document is the whole input for one principal and object.
func (k *inputKeys) document(principal, object *ast.Term) *ast.Term {
	return ast.NewTerm(ast.NewObject(
		[2]*ast.Term{k.version, k.one}, [2]*ast.Term{k.action, k.list},
		[2]*ast.Term{k.principal, principal}, [2]*ast.Term{k.object, object}))
}

func (k *inputKeys) text(s string) *ast.Term {
	if s == "" {
		return k.empty
	}
	return ast.StringTerm(s)
}

// value of one member; scalar members have exactly one text.
type principalValue struct {
	list  bool
	texts []string
}

func (p *Principal) value(field string) principalValue {
	switch field {
	case "subject":
		return principalValue{texts: []string{p.Subject}}
	case "roles":
		return principalValue{true, canonical(p.Roles)}
	case "groups":
		return principalValue{true, canonical(p.Groups)}
	case "scopes":
		return principalValue{true, canonical(p.Scopes)}
	case "team":
		return principalValue{texts: []string{p.Team}}
	case "org":
		return principalValue{texts: []string{p.Org}}
	case "auth_method":
		return principalValue{texts: []string{p.AuthMethod}}
	default:
		return principalValue{texts: []string{p.KeyID}}
	}
}

// canonical sorts and removes duplicates: a class must not depend on the order
// in which a token lists its roles.
func canonical(texts []string) []string {
	if slices.IsSorted(texts) && !hasRepeats(texts) {
		return texts
	}
	out := slices.Clone(texts)
	slices.Sort(out)
	return slices.Compact(out)
}

func hasRepeats(sorted []string) bool {
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return true
		}
	}
	return false
}

// Class is the same for two principals whenever the access policy cannot tell
// them apart: it spells out the members that the policy may read, and the
// policy is shown no others. p must not be nil. It is safe for concurrent use.
func (e *Engine) Class(p *Principal) string {
	var b []byte
	for _, field := range principalFields() {
		if !e.reads.principal[field] {
			continue
		}
		b = append(append(b, field...), '=')
		v := p.value(field)
		for i, text := range v.texts {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendQuote(b, text)
		}
		b = append(b, ' ')
	}
	return strings.TrimSuffix(string(b), " ")
}

// principalTerm holds the members that are read.
func (k *inputKeys) principalTerm(p *Principal, read fields) *ast.Term {
	var members [][2]*ast.Term
	for _, field := range principalFields() {
		if !read[field] {
			continue
		}
		v := p.value(field)
		term := textsTerm(v.texts)
		if !v.list {
			term = k.text(v.texts[0])
		}
		members = append(members, [2]*ast.Term{k.member[field], term})
	}
	return ast.NewTerm(ast.NewObject(members...))
}

func textsTerm(texts []string) *ast.Term {
	terms := make([]*ast.Term, len(texts))
	for i, t := range texts {
		terms[i] = ast.StringTerm(t)
	}
	return ast.ArrayTerm(terms...)
}

// objectTerm holds the members that are read. An object whose identity is not
// sound is an error: patterns could mistake it for another.
func (k *inputKeys) objectTerm(o *Object, read fields) (*ast.Term, error) {
	kind, ok := k.kind[o.Kind]
	if !ok {
		return nil, fmt.Errorf("unknown kind %q", o.Kind)
	}
	if o.Upstream == "" || strings.ContainsAny(o.Upstream, "/:") {
		return nil, fmt.Errorf("bad upstream name %q", o.Upstream)
	}
	var room [9][2]*ast.Term
	members := room[:0]
	add := func(field string, term *ast.Term) {
		if read[field] {
			members = append(members, [2]*ast.Term{k.member[field], term})
		}
	}
	add("kind", kind)
	for _, m := range [...]struct{ field, text string }{
		{"name", o.Name}, {"uri", o.URI}, {"upstream", o.Upstream},
		{"original_name", o.OriginalName}, {"definition_hash", o.DefinitionHash},
	} {
		if read[m.field] {
			add(m.field, k.text(m.text))
		}
	}
	if read["id"] {
		add("id", ast.StringTerm(o.id()))
	}
	if read["tags"] {
		add("tags", textsTerm(o.Tags))
	}
	if read["annotations"] {
		term, err := k.annotations(o)
		if err != nil {
			return nil, err
		}
		add("annotations", term)
	}
	return ast.NewTerm(ast.NewObject(members...)), nil
}

func (k *inputKeys) annotations(o *Object) (*ast.Term, error) {
	raw := bytes.TrimSpace(o.Annotations)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return k.none, nil
	}
	v, err := ast.ValueFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, errors.New("annotations are not JSON")
	}
	if _, ok := v.(ast.Object); !ok {
		return nil, errors.New("annotations are not an object")
	}
	return ast.NewTerm(v), nil
}

// id is what role patterns are matched against.
func (o *Object) id() string {
	name := o.OriginalName
	if o.Kind == "resource" || o.Kind == "template" {
		name = o.URI
	}
	return objectID(o.Kind, o.Upstream, name)
}
