// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// elements are those of a set or array.
func elements(what string, t *ast.Term) ([]*ast.Term, error) {
	if t != nil {
		switch v := t.Value.(type) {
		case ast.Set:
			return v.Slice(), nil
		case *ast.Array:
			var out []*ast.Term
			v.Foreach(func(t *ast.Term) { out = append(out, t) })
			return out, nil
		}
		return nil, fmt.Errorf("data.tollgate.call.%s is %s, not a set", what, ast.ValueName(t.Value))
	}
	return nil, fmt.Errorf("data.tollgate.call.%s is undefined", what)
}

// record reads the members of one object that a rule gave, and remembers the
// first that is not what it must be.
type record struct {
	what   string // such as constraint
	term   *ast.Term
	object ast.Object
	err    *elementError
}

// elementError says what is wrong with one element that a rule gave.
type elementError struct {
	what          string
	term          *ast.Term
	problem, hint string
}

func (e *elementError) Error() string {
	text := fmt.Sprintf("%s %v %s", e.what, e.term, e.problem)
	if e.hint != "" {
		text += "; " + e.hint
	}
	return text
}

// newRecord wants an object that has no members but names.
func newRecord(what string, t *ast.Term, names ...string) *record {
	r := &record{what: what, term: t}
	object, ok := t.Value.(ast.Object)
	if !ok {
		r.fail("is %s, not an object", ast.ValueName(t.Value))
		return r
	}
	r.object = object
	for _, key := range object.Keys() {
		name, _ := key.Value.(ast.String)
		if slices.Contains(names, string(name)) {
			continue
		}
		r.fail("has a member %v", key)
		r.err.hint = cmp.Or(didYouMean(string(name), names), "it may have "+strings.Join(names, ", "))
		break
	}
	return r
}

func (r *record) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &elementError{what: r.what, term: r.term, problem: fmt.Sprintf(format, args...)}
	}
}

// need fails unless the record has all of the members.
func (r *record) need(names ...string) {
	for _, name := range names {
		if r.err == nil && r.get(name) == nil {
			r.fail("has no %s", name)
		}
	}
}

func (r *record) get(name string) *ast.Term {
	if r.err != nil {
		return nil
	}
	return r.object.Get(ast.StringTerm(name))
}

func (r *record) text(name string) string {
	t := r.get(name)
	if t == nil {
		return ""
	}
	s, ok := t.Value.(ast.String)
	if !ok || s == "" {
		r.fail("has %s %v, want text", name, t)
	}
	return string(s)
}

func (r *record) flag(name string) bool {
	t := r.get(name)
	if t == nil {
		return false
	}
	b, ok := t.Value.(ast.Boolean)
	if !ok {
		r.fail("has %s %v, want true or false", name, t)
	}
	return bool(b)
}

// size is a number of bytes.
func (r *record) size(name string) int64 {
	t := r.get(name)
	if t == nil {
		return 0
	}
	n, _ := t.Value.(ast.Number)
	size, ok := n.Int64()
	if !ok || size <= 0 {
		r.fail("has %s %v, want a whole number above 0", name, t)
	}
	return size
}

func (r *record) texts(name string) []string {
	t := r.get(name)
	if t == nil {
		return nil
	}
	list, err := elements(name, t)
	if err != nil {
		r.fail("has %s %v, want a list", name, t)
		return nil
	}
	var out []string
	for _, t := range list {
		s, ok := t.Value.(ast.String)
		if !ok {
			r.fail("has %v in %s, want text", t, name)
		}
		out = append(out, string(s))
	}
	return out
}

// document is a member that is an object of JSON.
func (r *record) document(name string) json.RawMessage {
	t := r.get(name)
	if t == nil {
		return nil
	}
	if _, ok := t.Value.(ast.Object); !ok {
		r.fail("has %s %v, want an object", name, t)
		return nil
	}
	text, err := jsonText(t.Value)
	if err != nil {
		r.fail("has %s that is no JSON: %v", name, err)
	}
	return text
}

// jsonText writes a value with sorted members: equal values, equal bytes.
func jsonText(v ast.Value) (json.RawMessage, error) {
	plain, err := ast.JSON(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

func constraintRecord(t *ast.Term) *record {
	return newRecord("constraint", t, "argument", "schema", "optional", "rule")
}

func (r *record) constraint() Constraint {
	return Constraint{Argument: r.text("argument"), Schema: r.document("schema"), Optional: r.flag("optional"), Rule: r.text("rule")}
}

func obligationRecord(t *ast.Term) *record {
	return newRecord("obligation", t, "redact", "keep_text", "max_result_bytes", "reason", "confirm")
}

// obligation is what one rule owes.
func (r *record) obligation() ObligationRule {
	o := ObligationRule{
		Redact: r.texts("redact"), MaxResultBytes: r.size("max_result_bytes"), Confirm: r.text("confirm"),
		KeepText: r.flag("keep_text"), Reason: r.flag("reason"),
	}
	for _, pointer := range o.Redact {
		if message := badPointer(pointer); message != "" {
			r.fail("has a bad path: %s", message)
		}
	}
	return o
}

func readConstraints(t *ast.Term) ([]Constraint, error) {
	list, err := elements("constraints", t)
	if err != nil {
		return nil, err
	}
	var out []Constraint
	for _, t := range list {
		r := constraintRecord(t)
		r.need("argument", "schema")
		c := r.constraint()
		if r.err != nil {
			return nil, r.err
		}
		c.Rule = cmp.Or(c.Rule, "policy")
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Constraint) int {
		return cmp.Or(strings.Compare(a.Argument, b.Argument), strings.Compare(string(a.Schema), string(b.Schema)),
			flagOrder(a.Optional, b.Optional), cmp.Compare(len(a.Rule), len(b.Rule)), strings.Compare(a.Rule, b.Rule))
	})
	return slices.CompactFunc(out, func(a, b Constraint) bool {
		return a.Argument == b.Argument && string(a.Schema) == string(b.Schema) && a.Optional == b.Optional
	}), nil
}

func flagOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func readScopes(t *ast.Term) ([]string, error) {
	list, err := elements("scopes", t)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, t := range list {
		s, ok := t.Value.(ast.String)
		if !ok || !scopeToken(string(s)) {
			return nil, &elementError{"scope", t, "is no OAuth scope", "want text without spaces"}
		}
		out = append(out, string(s))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// readObligations sums up all that is owed.
func readObligations(t *ast.Term) (*Obligations, error) {
	list, err := elements("obligations", t)
	if err != nil {
		return nil, err
	}
	sum, keep := &Obligations{}, true
	for _, t := range list {
		r := obligationRecord(t)
		o := r.obligation()
		if r.err != nil {
			return nil, r.err
		}
		sum.Redact = append(sum.Redact, o.Redact...)
		keep = keep && (o.KeepText || len(o.Redact) == 0)
		sum.Reason = sum.Reason || o.Reason
		if o.MaxResultBytes > 0 && (sum.MaxResultBytes == 0 || o.MaxResultBytes < sum.MaxResultBytes) {
			sum.MaxResultBytes = o.MaxResultBytes
		}
		if o.Confirm != "" {
			sum.Confirm = append(sum.Confirm, o.Confirm)
		}
	}
	slices.Sort(sum.Redact)
	slices.Sort(sum.Confirm)
	sum.Redact, sum.Confirm = slices.Compact(sum.Redact), slices.Compact(sum.Confirm)
	sum.KeepText = keep && len(sum.Redact) > 0
	return sum, nil
}
