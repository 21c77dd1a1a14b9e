// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"

	"tollgate/policy"
	"tollgate/policy/internal/wording"
)

// Tool is a tool as its upstream defines it.
type Tool struct {
	Object      *policy.Object
	InputSchema []byte
}

// CheckTools compares the arguments that limits read with the schemas of the
// tools they are about: names that a tool does not have, and types that an
// expression cannot work on. An argument that an expression asks for with has()
// may be missing from some of its tools, but not from all. What a schema leaves
// open is not a mistake. One mistake stands for all tools that share it.
func (s *Set) CheckTools(tools []Tool) Mistakes {
	if s == nil {
		return nil
	}
	c := &toolCheck{found: map[Mistake]*affected{}}
	for _, l := range s.limits {
		if slices.ContainsFunc(l.programs(), func(p *program) bool { return p.reads.any() }) {
			c.limit(l, tools)
		}
	}
	return c.mistakes()
}

// toolCheck collects what is said of many tools.
type toolCheck struct {
	types *schemaTypes
	envs  [2]*cel.Env // without and with result; made when first needed
	found map[Mistake]*affected
	order []Mistake // of found
}

// affected are the tools that share a mistake.
type affected struct {
	first string
	count int
}

// limit checks one limit. Tools whose schemas say the same of what it reads are
// type-checked once.
func (c *toolCheck) limit(l *Limit, tools []Tool) {
	matched := 0
	missing := map[Mistake]int{} // of guarded arguments: how many tools have none
	names := map[Mistake]string{}
	typed := map[string][]Mistake{}
	for i := range tools {
		t := &tools[i]
		if t.Object == nil || !l.matches(t.Object) {
			continue
		}
		matched++
		for _, p := range l.programs() {
			for _, name := range absent(p, t.InputSchema) {
				if !p.reads.guarded[name] {
					c.add(l.noArgument(p, name, t.InputSchema), t)
					continue
				}
				m := l.noArgument(p, name, nil)
				missing[m]++
				names[m] = name
			}
		}
		shape := l.outline(t.InputSchema)
		found, ok := typed[shape]
		if !ok {
			found = c.typeCheck(l, t.InputSchema)
			typed[shape] = found
		}
		for _, m := range found {
			c.add(m, t)
		}
	}
	for m, n := range missing {
		if n == matched {
			m.Hint = l.near(names[m], tools)
			c.add(m, nil)
		}
	}
}

// near looks for a misspelt argument in every tool of the limit.
func (l *Limit) near(name string, tools []Tool) string {
	for i := range tools {
		if t := &tools[i]; t.Object != nil && l.matches(t.Object) {
			if hint := wording.DidYouMean(name, schema(t.InputSchema).properties()); hint != "" {
				return hint
			}
		}
	}
	return "an argument that is never there needs no limit"
}

// absent are the arguments that p reads and a tool does not have.
func absent(p *program, s schema) []string {
	if !p.reads.any() || !s.closed() {
		return nil
	}
	return slices.DeleteFunc(p.reads.names(), s.has)
}

func (l *Limit) noArgument(p *program, name string, s schema) Mistake {
	m := l.mistake(p, p.reads.keys[name], fmt.Sprintf("has no argument %q", name))
	m.Hint = wording.DidYouMean(name, s.properties())
	if m.Hint == "" {
		m.Hint = fmt.Sprintf("if only some tools have it, ask first: has(args.%s) && ...", name)
	}
	return m
}

func (l *Limit) mistake(p *program, id int64, message string) Mistake {
	d := &diagnoser{source: p.text}
	at := p.checked.NativeRep().SourceInfo().GetStartLocation(id)
	return Mistake{l.rule.Role, l.rule.Index, p.field, wording.PastDot(p.text, d.offset(at)), message, ""}
}

// outline is the same for schemas that say the same of what the limit reads.
func (l *Limit) outline(s schema) string {
	var b strings.Builder
	for _, p := range l.programs() {
		for _, name := range p.reads.names() {
			s.member(name).outline(&b, 0)
			b.WriteByte(';')
		}
	}
	return b.String()
}

func (c *toolCheck) typeCheck(l *Limit, s schema) []Mistake {
	var out []Mistake
	for _, p := range l.programs() {
		if !p.reads.any() || p.reads.escapes {
			continue
		}
		for _, d := range c.expression(p, s) {
			out = append(out, Mistake{l.rule.Role, l.rule.Index, p.field, d.offset, d.message, d.hint})
		}
	}
	return out
}

// expression checks p's text with the types of a schema.
func (c *toolCheck) expression(p *program, s schema) []diagnosis {
	settle := p.field == "settle"
	env, err := c.env(settle)
	if err != nil {
		return []diagnosis{{-1, err.Error(), ""}}
	}
	c.types.reset(s)
	parsed, issues := env.Parse(p.text)
	if issues.Err() != nil {
		return nil // it did parse when it was compiled
	}
	selectArguments(parsed.NativeRep().Expr())
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		d := &diagnoser{env: env, source: p.text, parsed: parsed.NativeRep(), settle: settle}
		return d.issues(issues)
	}
	if t := checked.OutputType(); !p.want.accepts(t) {
		return []diagnosis{wrongType(p.field, p.want, t)}
	}
	return nil
}

func (c *toolCheck) env(settle bool) (*cel.Env, error) {
	if c.types == nil {
		c.types = &schemaTypes{provider: newProvider()}
	}
	i := 0
	if settle {
		i = 1
	}
	var err error
	if c.envs[i] == nil {
		c.envs[i], err = newEnv(settle, cel.ObjectType(typeArguments), c.types, c.types)
	}
	return c.envs[i], err
}

// add counts a tool for a mistake; nil = all of them.
func (c *toolCheck) add(m Mistake, t *Tool) {
	a := c.found[m]
	if a == nil {
		a = &affected{}
		c.found[m] = a
		c.order = append(c.order, m)
	}
	if t == nil {
		return
	}
	if a.count++; a.count == 1 {
		a.first = cmp.Or(t.Object.Name, t.Object.OriginalName)
	}
}

func (c *toolCheck) mistakes() Mistakes {
	var out Mistakes
	for _, m := range c.order {
		a := c.found[m]
		subject := fmt.Sprintf("tool %q", a.first)
		if a.count > 1 {
			subject += fmt.Sprintf(" (and %d more)", a.count-1)
		}
		argument, names := strings.CutPrefix(m.Message, "has no ")
		switch {
		case names && a.count == 0:
			m.Message = "no tool of this limit has " + argument
		case names:
			m.Message = subject + " " + m.Message
		default:
			m.Message = "for " + subject + ": " + m.Message
		}
		out = append(out, m)
	}
	return out.sorted()
}
