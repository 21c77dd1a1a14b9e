// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"fmt"
	"slices"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// Check judges the arguments of calls of one tool under some conditions. It never changes: many goroutines may use it.
type Check struct {
	asked   []argument
	whole   *compiled // the narrowed schema without an added reason; nil = cannot be used
	problem string
	strips  bool // reason is the gateway's own argument
}

// Violation says why arguments are refused.
type Violation struct {
	Argument string // "" when no single one is at fault
	Rule     string // the constraint's, "obligation" for the reason, "" for the tool's own schema
	Message  string // for the caller, without any value of the call
}

// NewCheck prepares the check of calls. An error means that a constraint or inputSchema is no usable schema, so that every
// call must be refused. A tool's own schema that is beyond the bounds, or that uses what is not supported, is no error: see
// [Check.Problem].
func NewCheck(inputSchema []byte, c *policy.Conditions) (*Check, error) {
	if c == nil {
		c = &policy.Conditions{}
	}
	schema, err := readInput(inputSchema)
	if err != nil {
		return nil, err
	}
	asked, err := gather(c)
	if err != nil {
		return nil, err
	}
	k := &Check{asked: asked, strips: c.Obligations.Reason && !declares(schema, ReasonArgument)}
	narrowed := apply(schema, slices.DeleteFunc(slices.Clone(asked), func(a argument) bool {
		return k.strips && a.name == ReasonArgument
	}))
	if c.Obligations.Reason {
		a := reasonFor(apply(schema, asked))
		if !k.strips {
			narrowed = apply(narrowed, []argument{a})
		}
		for i, f := range a.fragments {
			if a.fragments[i], err = newFragment(f.raw); err != nil {
				return nil, fmt.Errorf("the schema of a reason: %w", err)
			}
			a.fragments[i].rule = obligation
		}
		k.asked = append(k.asked, a)
	}
	k.useWhole(schema, narrowed)
	return k, nil
}

// useWhole compiles the schema of the tool, and says in problem why that is not possible. What narrowing adds comes on top
// of the bounds for what an upstream sends.
func (k *Check) useWhole(schema, narrowed []byte) {
	_, err := compile(schema, bounds{maxSchemaBytes, maxSchemaDepth, maxSubschemas})
	if err == nil {
		k.whole, err = compile(narrowed, bounds{16 * maxSchemaBytes, 3 * maxSchemaDepth, 8 * maxSubschemas})
	}
	if err != nil {
		k.whole = nil
		k.problem = fmt.Sprintf("the tool's inputSchema is not used for checking: %v", err)
	}
}

// Problem says for operators why only the constraints are checked and not the tool's own schema; "" when both are.
func (k *Check) Problem() string { return k.problem }

// Arguments answers why a call with these arguments must be refused, or nil. The constraints decide first, on the exact
// value of each argument; then the narrowed schema as a whole, unless it has a problem or takes too long. arguments must have
// passed the strict check; none count as {}.
func (k *Check) Arguments(arguments []byte) *Violation {
	members, violation := readArguments(arguments)
	if violation != nil {
		return violation
	}
	for i := range k.asked {
		a := &k.asked[i]
		if v := a.check(members, len(arguments)); v != nil {
			if m := k.alone(a.name, members, len(arguments)); m != nil {
				v.Message = m.sentence(k.constrains)
			}
			return v
		}
	}
	if k.whole == nil {
		return nil
	}
	if k.strips {
		delete(members, ReasonArgument)
	}
	r := k.whole.run(len(arguments))
	m := r.eval(k.whole.root, members, nil)
	if m == nil || r.over() {
		return nil
	}
	v := &Violation{Message: m.sentence(k.constrains)}
	switch {
	case len(m.path) > 0:
		v.Argument = m.path[0]
	case m.kind == missing:
		v.Argument = m.text
	}
	return v
}

func readArguments(arguments []byte) (map[string]any, *Violation) {
	raw, _ := wire.Lookup(arguments)
	if len(raw) == 0 || string(raw) == "null" {
		return map[string]any{}, nil
	}
	v, err := decode(raw)
	members, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, &Violation{Message: "the arguments must be an object"}
	}
	return members, nil
}

// alone answers what the narrowed schema of one argument says of its value: a sentence out of it lists what the tool and
// all constraints leave, and not what one of them does.
func (k *Check) alone(name string, arguments map[string]any, bytes int) *miss {
	value, ok := arguments[name]
	if !ok || k.whole == nil {
		return nil
	}
	for _, keyword := range k.whole.root.keywords {
		properties, ok := keyword.(members)
		n := properties.named[name]
		if !ok || n == nil {
			continue
		}
		r := k.whole.run(bytes, name)
		if m := r.eval(n, value, nil); !r.over() {
			return m
		}
	}
	return nil
}

func (k *Check) constrains(name string) bool {
	return slices.ContainsFunc(k.asked, func(a argument) bool { return a.name == name })
}

// check judges one argument by what is asked of it.
func (a *argument) check(members map[string]any, bytes int) *Violation {
	v, ok := members[a.name]
	if !ok {
		if !a.required {
			return nil
		}
		return &Violation{a.name, a.requiredBy, "argument " + clip(a.name) + " is required"}
	}
	for _, f := range a.fragments {
		r := f.judge.run(bytes, a.name)
		m := r.eval(f.judge.root, v, nil)
		switch {
		case r.over():
			return &Violation{a.name, f.rule, "argument " + clip(a.name) + " takes too long to check: make it shorter or simpler"}
		case m != nil:
			return &Violation{a.name, f.rule, m.sentence(func(string) bool { return false })}
		}
	}
	return nil
}

// Upstream is arguments as the upstream gets them: without a reason that only the gateway asked for. All other bytes stay.
func (k *Check) Upstream(arguments []byte) []byte {
	if !k.strips {
		return arguments
	}
	return wire.Delete(arguments, ReasonArgument)
}
