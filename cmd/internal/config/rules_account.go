// SPDX-License-Identifier: Apache-2.0

package config

import (
	"time"

	"tollgate/aggregator"
	receivers "tollgate/aggregator/alert"
	"tollgate/policy/alert"
	"tollgate/policy/limit"
)

// Zone is the time zone of the days of costs, and of the periods of budgets without a zone of their own. It is never nil.
func (c *Config) Zone() *time.Location {
	if c.zone == nil {
		return time.UTC
	}
	return c.zone
}

// BudgetRules are all budgets. Positions are at "budgets[i].<field>", see [Config.BudgetDiagnostic].
func (c *Config) BudgetRules() []limit.BudgetRule {
	var rules []limit.BudgetRule
	for i := range c.Budgets {
		b := &c.Budgets[i]
		r := limit.BudgetRule{
			Index: i, Name: b.Name, Org: b.Org, Team: b.Team, User: b.User, Key: b.Key, For: b.For, Per: b.Per, Limit: int64(b.Limit),
			Period: c.period(b),
		}
		for _, share := range b.Warn {
			r.Warn = append(r.Warn, float64(share))
		}
		rules = append(rules, r)
	}
	return rules
}

func (c *Config) period(b *Budget) limit.BudgetPeriod {
	if window, ok := parseDuration(b.Period); ok {
		return limit.BudgetPeriod{Window: window}
	}
	p := limit.BudgetPeriod{Unit: b.Period, Zone: c.Zone()}
	if zone, err := time.LoadLocation(b.Zone); err == nil && b.Zone != "" { // else reported by the check of the file
		p.Zone = zone
	}
	return p
}

// RecordingOptions say how calls are recorded. Positions are at "audit.<field>" and "audit.rules[i].<field>".
func (c *Config) RecordingOptions() *aggregator.RecordingOptions {
	a := &c.Audit
	o := &aggregator.RecordingOptions{Durability: a.Durability, Arguments: a.Arguments, ReadOnly: a.ReadOnly}
	for _, r := range a.Rules {
		o.Rules = append(o.Rules, aggregator.RecordingRule{For: r.For, Durability: r.Durability, Arguments: r.Arguments, Redact: r.Redact})
	}
	return o
}

// AlertRules are the conditions of alerts. Positions are at "alerts.rules[i].<field>".
func (c *Config) AlertRules() []alert.Rule {
	var rules []alert.Rule
	for i, r := range c.Alerts.Rules {
		rules = append(rules, alert.Rule{
			Index: i, Name: r.Name, When: string(r.When), For: r.For, Cooldown: r.Cooldown, Severity: r.Severity, Summary: r.Summary,
		})
	}
	return rules
}

// AlertSinks are the receivers of alerts, with every reference replaced.
func (c *Config) AlertSinks() []receivers.Sink {
	var sinks []receivers.Sink
	for i := range c.Alerts.Sinks {
		sinks = append(sinks, c.Alerts.Sinks[i].receiver())
	}
	return sinks
}

func (s *Sink) receiver() receivers.Sink {
	return receivers.Sink{
		Name: s.Name, Type: s.Type, URL: s.URL.Reveal(), Secret: s.Secret.Reveal(), RoutingKey: s.RoutingKey.Reveal(),
		MinSeverity: alert.Severity(s.MinSeverity),
	}
}

// BudgetDiagnostic places a mistake of package limit in the file.
func (c *Config) BudgetDiagnostic(m limit.BudgetMistake) Diagnostic {
	return c.diagnostic(budgetPath(m.Index, m.Field), m.Message, m.Hint)
}

// AlertDiagnostic places a mistake of package alert in the file, at the start of the text that it is in.
func (c *Config) AlertDiagnostic(m alert.Mistake) Diagnostic {
	return c.diagnostic(joinKey(Path("alerts", "rules", m.Index), m.Field), m.Message, m.Hint)
}

func (c *Config) diagnostic(path, message, hint string) Diagnostic {
	d := Diagnostic{File: c.file, Code: CodeValue, Path: path, Message: message, Hint: hint, Width: 1}
	d.Line, d.Col = c.At(path)
	return d
}

// budgetPath is where a field of a budget is; for[0] is one.
func budgetPath(index int, field string) string {
	at := Path("budgets", index)
	if field == "" {
		return at
	}
	return at + "." + field
}
