// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tollgate/policy"
	"tollgate/policy/limit"
)

// timezone looks the zones of the file up.
func (k *checker) timezone() {
	if zone := k.zone("timezone", k.c.Timezone); zone != nil {
		k.c.zone = zone
	}
	for i := range k.c.Budgets {
		b, at := &k.c.Budgets[i], Path("budgets", i, "zone")
		if !k.has(at) {
			continue
		}
		k.zone(at, b.Zone)
		if _, rolling := parseDuration(b.Period); rolling && !k.failed[budgetPath(i, "period")] {
			k.report(at, CodeConflict, "has no effect with a rolling window, which is as long everywhere", "remove it, or write day, week or month as period")
		}
	}
}

// zone is nil when there is no zone of that name.
func (k *checker) zone(at, name string) *time.Location {
	if k.failed[at] {
		return nil
	}
	zone, err := time.LoadLocation(name)
	switch {
	case name == "Local":
		k.report(at, CodeValue, `"Local" is another zone on each machine`, `write an IANA name, for example "Europe/Berlin"`)
	case err != nil:
		k.report(at, CodeValue, fmt.Sprintf("no time zone is named %q", name), zoneHint(name))
	default:
		return zone
	}
	k.failed[at] = true
	return nil
}

// zoneHint finds the zone of a city, or of a name in the wrong case. Names of zones are listed nowhere that programs could read.
func zoneHint(name string) string {
	city := name[strings.LastIndexByte(name, '/')+1:]
	words := strings.FieldsFunc(city, func(r rune) bool { return r == '_' || unicode.IsSpace(r) })
	for i, w := range words {
		first, n := utf8.DecodeRuneInString(w)
		words[i] = string(unicode.ToUpper(first)) + strings.ToLower(w[n:])
	}
	for _, area := range []string{"Europe", "America", "Asia", "Africa", "Australia", "Pacific", "Atlantic", "Indian"} {
		if guess := area + "/" + strings.Join(words, "_"); len(words) > 0 && len(city) < 64 {
			if _, err := time.LoadLocation(guess); err == nil {
				return fmt.Sprintf("did you mean %q?", guess)
			}
		}
	}
	return `write an IANA name, for example "Europe/Berlin"`
}

// budgets checks all budgets by the rules of package limit, and warns about those that do not do what they say.
func (k *checker) budgets() {
	_, err := limit.CompileBudgets(k.c.BudgetRules())
	mistakes, _ := errors.AsType[limit.BudgetMistakes](err)
	for _, m := range mistakes {
		path, hint := budgetPath(m.Index, m.Field), m.Hint
		if k.failed[budgetPath(m.Index, "")] || m.Field != "" && k.failed[path] {
			continue
		}
		if strings.HasPrefix(m.Field, "for[") {
			hint = k.patternHint(path, hint)
		}
		k.report(path, CodeValue, m.Message, hint)
		k.failed[path] = true
	}
	priced, some := k.priced()
	pairs := 0
	for i := range k.c.Budgets {
		pairs += len(k.c.Budgets[i].For) * len(priced)
	}
	for i := range k.c.Budgets {
		b, at := &k.c.Budgets[i], Path("budgets", i)
		k.patterns(at+".for", b.For)
		switch {
		case !some:
			k.warn(at, CodeReference, "no limit has a cost, so nothing is ever charged", `give calls one, for example {for: "github/*", cost: 0.01} under policy.everyone.limits`)
		case pairs <= maxPairs && !overlap(valid(b.For), priced):
			k.warn(at+".for", CodeReference, "no limit with a cost is about this, so nothing is ever charged", `give these calls one, for example {for: "github/*", cost: 0.01} under policy.everyone.limits`)
		}
		if k.usable(at+".limit") && b.Limit == 0 {
			k.warn(at+".limit", CodeRange, "every call that costs something is refused", "to refuse calls whatever they cost, use deny")
		}
		for j, share := range b.Warn {
			if share > 1 {
				k.warn(joinIndex(at+".warn", j), CodeRange, "more than all is never spent, unless the limit is lowered", "write 100% or less")
			}
		}
	}
}

// priced are the patterns of all limits with a cost, and whether there are some. No patterns then mean everything.
func (k *checker) priced() (patterns []*policy.Pattern, some bool) {
	everything := false
	for _, r := range k.c.LimitRules() {
		if r.Cost != "" {
			some, everything = true, everything || len(r.For) == 0
			patterns = append(patterns, valid(r.For)...)
		}
	}
	if everything {
		return nil, true
	}
	return patterns, some
}

// valid are those of some patterns that are valid.
func valid(texts []string) []*policy.Pattern {
	var patterns []*policy.Pattern
	for _, text := range texts {
		if p, err := policy.ParsePattern(text); err == nil {
			patterns = append(patterns, p)
		}
	}
	return patterns
}

// maxPairs bounds how many patterns are compared with one another; in a file with more, all are taken to have something in
// common.
const maxPairs = 1_000_000

// overlap reports whether something may be matched by both lists, of which an empty one matches everything.
func overlap(a, b []*policy.Pattern) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	return slices.ContainsFunc(a, func(p *policy.Pattern) bool { return slices.ContainsFunc(b, p.Overlaps) })
}
