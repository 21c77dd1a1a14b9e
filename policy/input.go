// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// inputKeys are the terms that every input document shares.
type inputKeys struct {
	member           map[string]*ast.Term // by name, of all levels
	kind             map[string]*ast.Term
	one, list        *ast.Term
	empty, none, nil *ast.Term // "", {} and []
}

func newInputKeys() inputKeys {
	k := inputKeys{
		member: map[string]*ast.Term{}, kind: map[string]*ast.Term{},
		one: ast.IntNumberTerm(1), list: ast.StringTerm("list"),
		empty: ast.StringTerm(""), none: ast.ObjectTerm(), nil: ast.ArrayTerm(),
	}
	for _, names := range [][]string{
		documentFields(), principalFields(), objectFields(), sessionFields(), clientFields(), answerFields(),
	} {
		for _, name := range names {
			k.member[name] = ast.StringTerm(name)
		}
	}
	for _, kind := range kinds() {
		k.kind[kind] = ast.StringTerm(kind)
	}
	return k
}

// document is the input of what does not depend on a call.
func (k *inputKeys) document(principal, object *ast.Term) *ast.Term {
	return ast.NewTerm(ast.NewObject(
		[2]*ast.Term{k.member["version"], k.one}, [2]*ast.Term{k.member["action"], k.list},
		[2]*ast.Term{k.member["principal"], principal}, [2]*ast.Term{k.member["object"], object}))
}

func (k *inputKeys) text(s string) *ast.Term {
	if s == "" {
		return k.empty
	}
	return ast.StringTerm(sound(s))
}

func (k *inputKeys) texts(texts []string) *ast.Term {
	if len(texts) == 0 {
		return k.nil
	}
	terms := make([]*ast.Term, len(texts))
	for i, t := range texts {
		terms[i] = k.text(t)
	}
	return ast.ArrayTerm(terms...)
}

// fieldValue is one member of the principal; a scalar has exactly one text.
type fieldValue struct {
	list  bool
	texts []string
}

func (p *Principal) value(field string) fieldValue {
	scalar := func(s string) fieldValue { return fieldValue{texts: []string{s}} }
	switch field {
	case "subject":
		return scalar(p.Subject)
	case "roles":
		return fieldValue{true, canonical(p.Roles)}
	case "groups":
		return fieldValue{true, canonical(p.Groups)}
	case "scopes":
		return fieldValue{true, canonical(p.Scopes)}
	case "team":
		return scalar(p.Team)
	case "org":
		return scalar(p.Org)
	case "auth_method":
		return scalar(p.AuthMethod)
	case "key_id":
		return scalar(p.KeyID)
	case "issuer":
		return scalar(p.Issuer)
	default:
		return scalar(p.Actor)
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

// principalTerm holds the members that are read.
func (k *inputKeys) principalTerm(p *Principal, read fields) *ast.Term {
	var room [9][2]*ast.Term
	members := room[:0]
	for _, field := range principalFields() {
		if !read[field] {
			continue
		}
		v := p.value(field)
		term := k.texts(v.texts)
		if !v.list {
			term = k.text(v.texts[0])
		}
		members = append(members, [2]*ast.Term{k.member[field], term})
	}
	return ast.NewTerm(ast.NewObject(members...))
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
		members = append(members, [2]*ast.Term{k.member[field], term})
	}
	if read["id"] {
		add("id", ast.StringTerm(sound(o.id())))
	}
	if read["kind"] {
		add("kind", kind)
	}
	for _, m := range [...]struct{ field, text string }{
		{"name", o.Name}, {"uri", o.URI}, {"upstream", o.Upstream},
		{"original_name", o.OriginalName}, {"definition_hash", o.DefinitionHash},
	} {
		if read[m.field] {
			add(m.field, k.text(m.text))
		}
	}
	if read["tags"] {
		add("tags", k.texts(o.Tags))
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
	raw := trim(o.Annotations)
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "{}" {
		return k.none, nil
	}
	term, ok := parseObject(raw)
	if !ok {
		return nil, errors.New("annotations are not an object of JSON, or hold a number that is out of range")
	}
	return term, nil
}

// callTerm is the whole document of one call, as far as it is read. It is the
// same document as [Input.JSON].
func (k *inputKeys) callTerm(in *Input, read *reads) (*ast.Term, *fault) {
	var room [10][2]*ast.Term
	members := room[:0]
	add := func(field string, term func() *ast.Term) {
		if read.call[field] {
			members = append(members, [2]*ast.Term{k.member[field], term()})
		}
	}
	object, err := k.objectTerm(in.Object, read.object)
	if err != nil {
		return nil, &fault{code: CodeObject, detail: err.Error()}
	}
	arguments, large := in.shown()
	if read.call["arguments"] && arguments != nil {
		term, ok := parseObject(arguments)
		if !ok {
			return nil, &fault{code: CodeArguments, detail: "the arguments are not an object of JSON, or hold a number that is out of range"}
		}
		add("arguments", func() *ast.Term { return term })
	}
	add("version", func() *ast.Term { return k.one })
	add("action", func() *ast.Term { return k.text(in.Action) })
	add("principal", func() *ast.Term { return k.principalTerm(in.Principal, read.principal) })
	add("object", func() *ast.Term { return object })
	add("arguments_truncated", func() *ast.Term { return ast.InternedTerm(large) })
	add("session", func() *ast.Term {
		s := &in.Session
		return k.object(sessionFields(), k.text(s.Origin), k.text(s.Transport), k.text(s.ParentCallID), ast.InternedTerm(s.Depth))
	})
	add("client", func() *ast.Term { return k.object(clientFields(), k.text(in.Client.Name), k.text(in.Client.Version)) })
	add("time", func() *ast.Term { return ast.StringTerm(in.moment().Format(time.RFC3339Nano)) })
	add("source_ip", func() *ast.Term { return k.text(in.SourceIP) })
	return ast.NewTerm(ast.NewObject(members...)), nil
}

func (k *inputKeys) object(names []string, values ...*ast.Term) *ast.Term {
	members := make([][2]*ast.Term, len(names))
	for i, name := range names {
		members[i] = [2]*ast.Term{k.member[name], values[i]}
	}
	return ast.NewTerm(ast.NewObject(members...))
}

// id is what role patterns are matched against.
func (o *Object) id() string {
	name := o.OriginalName
	if o.Kind == "resource" || o.Kind == "template" {
		name = o.URI
	}
	return objectID(o.Kind, o.Upstream, name)
}
