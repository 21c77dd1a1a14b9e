// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

const (
	// defaultCooldown is that of a rule without one: what goes up and down tells of it so often at most.
	defaultCooldown = 5 * time.Minute
	maxCost         = 10_000 // units of CEL that one evaluation may cost
)

// Rule is one alert as it was written.
type Rule struct {
	Name string // required; an alert is that of a name and a subject
	When string // CEL, true while there is reason for an alert
	// Summary is what people are told: text with the names of variables in braces, as in "{budget.name} has {budget.remaining}
	// left"; "" = name and subject.
	Summary  string
	Index    int           // in the list, from 0
	For      time.Duration // how long When must be true without a break
	Cooldown time.Duration // after an alert, none of the same rule and subject for so long; 0 = 5 minutes
	Severity string        // info, warning, error or critical; "" = warning
}

// Severity says how urgent an alert is.
type Severity string

// The severities, mildest first.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Error    Severity = "error"
	Critical Severity = "critical"
)

// Severities are all of them, mildest first.
func Severities() []Severity { return []Severity{Info, Warning, Error, Critical} }

// ParseSeverity reads a severity; "" is otherwise.
func ParseSeverity(text string, otherwise Severity) (Severity, error) {
	if text == "" {
		return otherwise, nil
	}
	if s := Severity(text); slices.Contains(Severities(), s) {
		return s, nil
	}
	return "", fmt.Errorf("unknown severity %q", text)
}

// AtLeast reports whether s is as urgent as t. What is no severity is milder than all.
func (s Severity) AtLeast(t Severity) bool {
	return slices.Index(Severities(), s) >= slices.Index(Severities(), t)
}

// Subject says what a rule is about, and so how often it is evaluated.
type Subject string

// The subjects.
const (
	Gateway    Subject = "" // once
	OfBudget   Subject = "budget"
	OfUpstream Subject = "upstream"
)

// Condition is one compiled rule. It is immutable and safe for concurrent use.
type Condition struct {
	rule     Rule
	severity Severity
	about    Subject
	reads    map[string]bool // variables, of the summary too
	program  cel.Program
	summary  []piece
}

// Name is the rule's.
func (c *Condition) Name() string { return c.rule.Name }

// When is the expression as it was written.
func (c *Condition) When() string { return c.rule.When }

// Index is the position of the rule in its list, from 0.
func (c *Condition) Index() int { return c.rule.Index }

// For is how long the condition must hold without a break.
func (c *Condition) For() time.Duration { return c.rule.For }

// Cooldown is how long no second alert follows a first one.
func (c *Condition) Cooldown() time.Duration {
	if c.rule.Cooldown == 0 {
		return defaultCooldown
	}
	return c.rule.Cooldown
}

// Severity is the rule's, or the default.
func (c *Condition) Severity() Severity { return c.severity }

// About is what the condition is evaluated for: each account of each budget, each upstream, or once.
func (c *Condition) About() Subject { return c.about }

// Reads reports whether the condition or its summary reads a variable, such as budget.warn_ratio.
func (c *Condition) Reads(variable string) bool { return c.reads[variable] }

// Holds evaluates the condition. The document must have the subject that the condition is about. An error is no panic and no
// verdict: an operation that has no result, such as a division by zero, or too much work.
func (c *Condition) Holds(d *Document) (bool, error) {
	v, _, err := c.program.Eval(d)
	if err != nil {
		return false, err
	}
	holds, ok := v.(types.Bool)
	if !ok {
		return false, errors.New("when is neither true nor false")
	}
	return bool(holds), nil
}

// Values are the variables that the condition and its summary read, for receivers that are programs. Money is in USD.
func (c *Condition) Values(d *Document) map[string]any {
	values := make(map[string]any, len(c.reads))
	for name := range c.reads {
		v, ok := d.value(name)
		if t, isTime := v.(time.Time); !ok || isTime && t.IsZero() {
			continue
		}
		values[name] = v
	}
	return values
}

// Set holds the conditions of one configuration. It is immutable and safe for concurrent use; a nil Set has none.
type Set struct{ conditions []*Condition }

// Conditions are those of the set, in the order of the rules.
func (s *Set) Conditions() []*Condition {
	if s == nil {
		return nil
	}
	return slices.Clone(s.conditions)
}
