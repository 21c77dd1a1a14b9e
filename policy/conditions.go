// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// conditionRules is what a policy says before there is a call.
type conditionRules struct {
	entries []string // of tollgate.call that are static and have rules
	body    ast.Body
	reads   reads
	// index is about which objects the configuration asks something; nil when
	// other rules may as well.
	index *askIndex
}

// prepareConditions finds the static rules. Obligations are static when none of
// them, nor what they use, depends on the call.
func (e *Engine) prepareConditions(all map[string]effective) error {
	c := &e.conditions
	c.reads = noReads()
	configured := true
	for _, entry := range []string{"constraints", "scopes", "obligations"} {
		rules := e.compiler.GetRules(callRef(entry))
		if len(rules) == 0 || entry == "obligations" && len(violations(e.compiler, rules, staticRestriction())) > 0 {
			continue
		}
		c.entries = append(c.entries, entry)
		configured = configured && !slices.ContainsFunc(rules, func(r *ast.Rule) bool { return !e.onlyConfigured(r) })
		read, err := readsOf(e.compiler, callRef(entry))
		if err != nil {
			return fmt.Errorf("policy dependencies: %w", err)
		}
		c.reads.join(read)
	}
	if len(c.entries) == 0 {
		c.index = &askIndex{}
		return nil
	}
	var err error
	if configured {
		if c.index, err = newAskIndex(all); err != nil {
			return err
		}
	}
	c.body, err = e.querySet(c.entries, func(entry string) string { return callRef(entry).String() })
	return err
}

// onlyConfigured: the METADATA of the rule says that it only holds for objects
// that data.tollgate.config.asks is about. It is believed of the file that
// decides, which ships: in another, the mark could switch off what it marks.
func (e *Engine) onlyConfigured(r *ast.Rule) bool {
	ships := slices.ContainsFunc(e.compiler.GetRulesWithPrefix(decisionRef()), func(d *ast.Rule) bool { return d.Location.File == r.Location.File })
	return ships && slices.ContainsFunc(r.Annotations, func(a *ast.Annotations) bool { return a.Custom["configured"] == true })
}

// querySet compiles one query whose answer is an object of several references.
func (e *Engine) querySet(names []string, ref func(string) string) (ast.Body, error) {
	var members []string
	for _, name := range names {
		members = append(members, fmt.Sprintf("%q: %s", name, ref(name)))
	}
	body, err := ast.ParseBody("{" + strings.Join(members, ", ") + "} = " + answerVar)
	if err != nil {
		return nil, err
	}
	return e.compiler.QueryCompiler().Compile(body)
}

// Conditional is false when no static condition can hold for the object,
// whoever asks. It is cheap, and safe for concurrent use.
func (e *Engine) Conditional(o *Object) bool {
	return e.conditions.index == nil || e.conditions.index.about(o)
}

// Conditions are what is asked of calls of each object, whatever the call; in
// the order of objs. Principals of one [Engine.Class] have the same. They share
// what they hold: it must not be changed. An object
// whose conditions cannot be found out has Refuse set, and the error (an
// *[AccessError]) says why. When ctx ends there are none: nil and the error of
// ctx. It is safe for concurrent use and uses up to GOMAXPROCS goroutines.
func (e *Engine) Conditions(ctx context.Context, p *Principal, objs []Object) ([]Conditions, error) {
	out := make([]Conditions, len(objs))
	if p == nil {
		err := errors.New("conditions without a principal")
		for i := range out {
			out[i] = Conditions{Refuse: CodeEvaluation, Detail: err.Error()}
		}
		return out, err
	}
	principal := e.keys.principalTerm(p, e.conditions.reads.principal)
	b := &batch{about: "conditions", objs: objs, body: e.conditions.body}
	err := b.run(ctx, e, func(v *evaluation, i int) *fault {
		out[i] = Conditions{}
		if !e.Conditional(&objs[i]) {
			return nil
		}
		f := v.conditions(principal, &objs[i], &out[i])
		if f != nil {
			out[i] = Conditions{Refuse: f.code, Detail: f.detail}
		}
		return f
	})
	if ctx.Err() != nil {
		return nil, err
	}
	return out, err
}

func (v *evaluation) conditions(principal *ast.Term, o *Object, into *Conditions) *fault {
	object, err := v.engine.keys.objectTerm(o, v.engine.conditions.reads.object)
	if err != nil {
		return &fault{code: CodeObject, detail: err.Error()}
	}
	document := v.engine.keys.document(principal, object)
	answer, f := v.run(document)
	if f != nil {
		return f
	}
	members, ok := answer.(ast.Object)
	if !ok {
		entries := strings.Join(v.engine.conditions.entries, ", ")
		return &fault{code: CodeUndefined, detail: "one of data.tollgate.call." + entries + " is undefined"}
	}
	hash := members.Hash()
	if same, ok := v.read[hash]; ok && same.answer.Compare(members) == 0 {
		*into = same.conditions
		return same.fault
	}
	read := readAnswer{answer: members}
	if read.fault = v.readConditions(members, &read.conditions); read.fault != nil {
		v.engine.newEvaluation(v.ctx, v.engine.conditions.body).locate(document, read.fault)
	}
	if v.read == nil {
		v.read = map[int]readAnswer{}
	}
	v.read[hash] = read
	*into = read.conditions
	return read.fault
}

// readAnswer is an answer with what it means: in a batch, most objects of an
// upstream are asked the same.
type readAnswer struct {
	answer     ast.Value
	conditions Conditions
	fault      *fault
}

func (v *evaluation) readConditions(members ast.Object, into *Conditions) *fault {
	for _, entry := range v.engine.conditions.entries {
		value := members.Get(v.engine.keys.member[entry])
		if err := into.read(entry, value); err != nil {
			return wrongType(entry, err)
		}
	}
	return nil
}

func (c *Conditions) read(entry string, t *ast.Term) (err error) {
	switch entry {
	case "constraints":
		c.Constraints, err = readConstraints(t)
	case "scopes":
		c.Scopes, err = readScopes(t)
	default:
		var o *Obligations
		if o, err = readObligations(t); err == nil {
			c.Obligations = *o
		}
	}
	return err
}
