// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"tollgate/policy/internal/wording"
)

const (
	maxExpression = 4096 // characters
	maxNodes      = 1000
	maxName       = 100 // bytes
)

// newEnv declares the variables. There are no macros: nothing of what a rule reads is a list, and without loops the work of an
// expression is bounded by its length.
func newEnv() (*cel.Env, error) {
	opts := []cel.EnvOption{
		cel.StdLib(), cel.ClearMacros(), cel.CrossTypeNumericComparisons(true), cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpression), cel.ExpressionNodeLimit(maxNodes),
	}
	for name, k := range variables() {
		opts = append(opts, cel.Variable(name, k.typ()))
	}
	return cel.NewCustomEnv(opts...)
}

// Compile checks and compiles rules. The error is [Mistakes], all of them.
func Compile(rules []Rule) (*Set, error) {
	env, err := newEnv()
	if err != nil {
		return nil, err
	}
	c := &compiler{env: env, names: map[string]int{}}
	s := &Set{}
	for _, r := range rules {
		s.conditions = append(s.conditions, c.condition(r))
	}
	if len(c.mistakes) > 0 {
		return nil, c.mistakes.sorted()
	}
	return s, nil
}

type compiler struct {
	env      *cel.Env
	rule     Rule
	names    map[string]int // name -> index of its rule
	mistakes Mistakes
}

func (c *compiler) report(field string, all ...diagnosis) {
	for _, d := range all {
		c.mistakes = append(c.mistakes, Mistake{c.rule.Index, field, d.offset, d.message, d.hint})
	}
}

// condition compiles one rule. The result is unusable after a mistake.
func (c *compiler) condition(r Rule) *Condition {
	c.rule = r
	c.checkName(r)
	c.checkTime("for", r.For, "5m")
	c.checkTime("cooldown", r.Cooldown, "1h")
	out := &Condition{rule: r, reads: map[string]bool{}}
	severity, err := ParseSeverity(r.Severity, Warning)
	if err != nil {
		var words []string
		for _, s := range Severities() {
			words = append(words, string(s))
		}
		hint := wording.DidYouMean(r.Severity, words)
		if hint == "" {
			hint = "use info, warning, error or critical"
		}
		c.report("severity", diagnosis{-1, err.Error(), hint})
	}
	out.severity = severity
	c.expression(out)
	c.summary(out)
	return out
}

func (c *compiler) checkName(r Rule) {
	switch first, used := c.names[r.Name]; {
	case r.Name == "":
		c.report("name", diagnosis{-1, "the rule has no name", "give it one: receivers tell alerts apart by it"})
	case used:
		c.report("name", diagnosis{-1, fmt.Sprintf("the name %q is used by rule %d already", r.Name, first+1),
			"receivers tell alerts apart by it: give each rule its own"})
	case strings.TrimSpace(r.Name) != r.Name || strings.ContainsFunc(r.Name, unicode.IsControl):
		c.report("name", diagnosis{-1,
			fmt.Sprintf("name %q has a space at an end, or a character that cannot be seen", r.Name), "remove it"})
	case len(r.Name) > maxName:
		c.report("name", diagnosis{-1, fmt.Sprintf("the name has %d bytes, at most %d", len(r.Name), maxName), "say more in summary"})
	}
	if _, used := c.names[r.Name]; !used {
		c.names[r.Name] = r.Index
	}
}

func (c *compiler) checkTime(field string, d time.Duration, example string) {
	if d < 0 {
		c.report(field, diagnosis{-1, "the time is negative", "use a duration such as " + example + ", or remove it"})
	}
}

// expression compiles when and finds out what it is about.
func (c *compiler) expression(out *Condition) {
	if strings.TrimSpace(out.rule.When) == "" {
		c.report("when", diagnosis{-1, "the rule has no condition", "write an expression, such as budget.used_ratio >= 0.8"})
		return
	}
	d := &diagnoser{env: c.env, source: out.rule.When}
	parsed, issues := c.env.Parse(out.rule.When)
	if issues.Err() != nil {
		c.report("when", d.issues(issues)...)
		return
	}
	d.parsed = parsed.NativeRep()
	checked, issues := c.env.Check(parsed)
	if issues.Err() != nil {
		c.report("when", d.issues(issues)...)
		return
	}
	if t := checked.OutputType(); t.Kind() != types.BoolKind {
		c.report("when", diagnosis{0, "when must be true or false, this is " + wording.Type(cel.FormatCELType(t)),
			"compare it with something, as in budget.used_ratio >= 0.8"})
		return
	}
	d.parsed = checked.NativeRep()
	reads := d.reads()
	for _, r := range reads {
		out.reads[r.name] = true
		switch about := subjectOf(r.name); {
		case about == Gateway || about == out.about:
		case out.about == Gateway:
			out.about = about
		default:
			c.report("when", diagnosis{r.offset, fmt.Sprintf("a rule is about each %s or about each %s, not both", out.about, about),
				"write two rules"})
			return
		}
	}
	if found := d.literals(); len(found) > 0 {
		c.report("when", found...)
		return
	}
	var err error
	if out.program, err = c.env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost)); err != nil {
		c.report("when", diagnosis{-1, err.Error(), ""})
	}
}

// subjectOf is the subject that a variable belongs to.
func subjectOf(variable string) Subject {
	root, _, _ := strings.Cut(variable, ".")
	if s := Subject(root); s == OfBudget || s == OfUpstream {
		return s
	}
	return Gateway
}

// summary parses the summary. It may read what when is about, and what is always there.
func (c *compiler) summary(out *Condition) {
	if out.rule.Summary == "" {
		out.summary = defaultSummary(out.rule.Name, out.about)
	} else {
		var found []diagnosis
		if out.summary, found = parseSummary(out.rule.Summary); len(found) > 0 {
			c.report("summary", found...)
			return
		}
	}
	for _, p := range out.summary {
		if p.variable == "" {
			continue
		}
		out.reads[p.variable] = true
		failed := slices.ContainsFunc(c.mistakes, func(m Mistake) bool { return m.Index == out.rule.Index && m.Field == "when" })
		if about := subjectOf(p.variable); about != Gateway && about != out.about && !failed {
			c.report("summary", diagnosis{strings.Index(out.rule.Summary, p.variable),
				fmt.Sprintf("the summary reads %s, and when reads no variable of %s", p.variable, about),
				fmt.Sprintf("a rule is evaluated for each %s only when its condition reads one", about)})
		}
	}
}
