// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"slices"
	"time"

	rules "tollgate/policy/alert"
)

// builtin are the rules that hold without being written, as soon as there is somebody to tell. A rule of the same name takes
// the place of one.
func builtin() []rules.Rule {
	return []rules.Rule{
		{
			Name: "budget threshold", When: "budget.warn_ratio > 0.0", Cooldown: time.Hour, Severity: string(rules.Warning),
			Summary: "budget {budget.name} {budget.account} reached {budget.warn_ratio}: {budget.used_ratio} used, " +
				"{budget.remaining} of {budget.limit} left, period ends {budget.period_end}",
		},
		{
			Name: "cost overrun", When: "ledger.overruns > 0", Cooldown: time.Hour, Severity: string(rules.Warning), Index: 1,
			Summary: "{ledger.overruns} calls of the last 5 minutes cost more than was reserved for them: raise their cost",
		},
	}
}

// conditionsOf are those of a set, and the builtin ones whose names it leaves free when there are sinks.
func conditionsOf(set *rules.Set, sinks []Sink) ([]*rules.Condition, error) {
	all := set.Conditions()
	if len(sinks) == 0 {
		return all, nil
	}
	own, err := rules.Compile(builtin())
	if err != nil {
		return nil, err
	}
	for _, c := range own.Conditions() {
		if !slices.ContainsFunc(all, func(o *rules.Condition) bool { return o.Name() == c.Name() }) {
			all = append(all, c)
		}
	}
	return all, nil
}
