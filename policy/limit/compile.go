// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"

	"tollgate/policy"
)

// Compile checks and compiles the limits. The error is [Mistakes], all of them.
func Compile(rules []Rule) (*Set, error) {
	c, err := newCompiler()
	if err != nil {
		return nil, err
	}
	rules = slices.Clone(rules)
	slices.SortStableFunc(rules, func(a, b Rule) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), cmp.Compare(a.Index, b.Index))
	})
	s := &Set{}
	for _, r := range rules {
		s.limits = append(s.limits, c.limit(r))
	}
	if len(c.mistakes) > 0 {
		return nil, c.mistakes.sorted()
	}
	s.revision = digest(rules)
	return s, nil
}

type compiler struct {
	call, settle *cel.Env
	rule         Rule
	names        map[[2]string]int // role and name -> index of the limit
	ids          map[string]int    // how many limits are alike
	mistakes     Mistakes
}

func newCompiler() (*compiler, error) {
	p := newProvider()
	call, err1 := newEnv(false, cel.DynType, p, p)
	settle, err2 := newEnv(true, cel.DynType, p, p)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return &compiler{call: call, settle: settle, names: map[[2]string]int{}, ids: map[string]int{}}, nil
}

func (c *compiler) report(field string, d diagnosis) {
	c.mistakes = append(c.mistakes, Mistake{c.rule.Role, c.rule.Index, field, d.offset, d.message, d.hint})
}

func (c *compiler) wrong(field, message, hint string) { c.report(field, diagnosis{-1, message, hint}) }

// limit compiles one rule. The result is unusable after a mistake.
func (c *compiler) limit(r Rule) *Limit {
	c.rule = r
	l := &Limit{rule: r, name: r.Name}
	if l.name == "" {
		l.name = fmt.Sprintf("%s limit %d", cmp.Or(r.Role, "everyone"), r.Index+1)
	}
	c.checkName(r)
	c.checkNumbers(r)
	for i, text := range r.For {
		l.patterns = append(l.patterns, c.pattern(fmt.Sprintf("for[%d]", i), text))
	}
	l.match = c.program(c.call, "match", r.Match, wantBool)
	l.require = c.program(c.call, "require", r.Require, wantBool)
	if r.Rate != "" {
		var fault *faultyText
		if l.rate, fault = parseRate(r.Rate); fault != nil {
			c.report("rate", diagnosis(*fault))
		}
	}
	l.per = parsePer(c.call, r.Per, r.Role, func(i int, d diagnosis) { c.report(fmt.Sprintf("per[%d]", i), d) })
	c.money(l)
	l.id = c.identify(l)
	return l
}

func (c *compiler) checkName(r Rule) {
	if r.Name == "" {
		return
	}
	if strings.TrimSpace(r.Name) != r.Name {
		c.wrong("name", fmt.Sprintf("name %q has a space at an end", r.Name), "remove it")
	}
	key := [2]string{r.Role, r.Name}
	if first, ok := c.names[key]; ok {
		c.wrong("name", fmt.Sprintf("the name %q is used by limit %d already", r.Name, first+1), "callers are told the name: give each limit its own")
		return
	}
	c.names[key] = r.Index
}

func (c *compiler) checkNumbers(r Rule) {
	counts := r.Rate != "" || r.Concurrency != 0
	switch {
	case r.Concurrency < 0:
		c.wrong("concurrency", "the number of calls at a time is negative", "use 1 or more, or remove it")
	case r.Timeout < 0:
		c.wrong("timeout", "the timeout is negative", "use a duration such as 30s, or remove it")
	case r.MaxResultBytes < 0:
		c.wrong("max_result_bytes", "the size is negative", "use a number of bytes, or remove it")
	}
	if len(r.Per) > 0 && !counts {
		c.wrong("per", "there is nothing to count", "add rate or concurrency, or remove per")
	}
	if r.Durable && r.Rate == "" {
		c.wrong("durable", "durable is about the count of rate, and there is no rate", "add rate, or remove durable")
	}
	if r.Message != "" && r.Require == "" {
		c.wrong("message", "the message is for calls that require refuses, and there is no require", "add require, or remove message")
	}
	if !counts && r.Require == "" && r.Cost == "" && r.Settle == "" && r.Timeout == 0 && r.MaxResultBytes == 0 {
		c.wrong("", "the limit limits nothing", "add require, rate, concurrency, cost, timeout or max_result_bytes")
	}
}

func (c *compiler) pattern(field, text string) *policy.Pattern {
	p, err := policy.ParsePattern(text)
	var fault *policy.PatternError
	if errors.As(err, &fault) {
		c.wrong(field, fault.Message, fault.Hint)
	} else if err != nil {
		c.wrong(field, err.Error(), "")
	}
	return p
}

// program answers nil for an empty text and for mistakes.
func (c *compiler) program(env *cel.Env, field, text string, want want) *program {
	if text == "" {
		return nil
	}
	p, faults := expression(env, field, text, want)
	for _, f := range faults {
		c.report(field, f)
	}
	return p
}

func (c *compiler) money(l *Limit) {
	r := l.rule
	if r.Settle != "" && r.Cost == "" {
		c.wrong("settle", "settle has no ceiling", "add cost: what is reserved before the call, in USD")
	}
	l.settle = c.program(c.settle, "settle", r.Settle, wantNumber)
	if text := strings.TrimSpace(r.Cost); text != "" {
		fixed, ok, err := literalDollars(text)
		if err != nil {
			c.report("cost", diagnosis{0, err.Error(), "costs are in USD"})
			return
		}
		if ok {
			l.fixed = fixed
			return
		}
	}
	if l.cost = c.program(c.call, "cost", r.Cost, wantNumber); l.cost == nil || l.cost.reads.any() {
		return
	}
	if literal := l.cost.checked.NativeRep().Expr(); literal.AsLiteral() != nil {
		if _, err := dollars(literal.AsLiteral()); err != nil {
			c.report("cost", diagnosis{0, err.Error(), "costs are in USD, 0 or more"})
		}
	}
}

// identify digests what the counters of a limit depend on. Limits that are
// alike in all of it are numbered, so that they do not count into one another.
func (c *compiler) identify(l *Limit) string {
	r := l.rule
	per := slices.Clone(r.Per)
	if len(per) == 0 {
		per = []string{"user"}
	}
	id := digest([]any{r.Role, r.Name, slices.Concat([]string{}, r.For), r.Match, l.rate.calls, l.rate.window, per, r.Concurrency})[:32]
	c.ids[id]++
	if n := c.ids[id]; n > 1 {
		id += fmt.Sprintf("-%d", n)
	}
	return id
}

func digest(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // numbers, strings and lists of them always can be written
		text = fmt.Appendf(nil, "%#v", v)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
