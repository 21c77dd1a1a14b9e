// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/policy"
)

func month() BudgetPeriod { return BudgetPeriod{Unit: "month"} }

func budgets(t testing.TB, rules ...BudgetRule) *Budgets {
	t.Helper()
	for i := range rules {
		rules[i].Index = i
	}
	s, err := CompileBudgets(rules)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBudgetsHold: a budget is about the calls that its selectors and its patterns
// name, and about no others.
func TestBudgetsHold(t *testing.T) {
	s := budgets(t,
		BudgetRule{Name: "all", Period: month()},
		BudgetRule{Name: "org", Period: month(), Org: "acme"},
		BudgetRule{Name: "team", Period: month(), Team: "growth", For: []string{"db/*", "web/*"}},
		BudgetRule{Name: "user", Period: month(), User: "ada", Org: "acme"},
		BudgetRule{Name: "key", Period: month(), Key: "k1"},
		BudgetRule{Name: "tool", Period: month(), For: []string{"db/query[readOnlyHint]"}},
	)
	names := func(list []*Budget) string {
		var out []string
		for _, b := range list {
			out = append(out, b.Name())
		}
		return strings.Join(out, " ")
	}
	for _, tt := range []struct {
		change func(p *policy.Principal, o *policy.Object)
		want   string
	}{
		{func(*policy.Principal, *policy.Object) {}, "all org team user key tool"},
		{func(p *policy.Principal, _ *policy.Object) { p.Org = "other" }, "all team key tool"},
		{func(p *policy.Principal, _ *policy.Object) { p.Team = "" }, "all org user key tool"},
		{func(p *policy.Principal, _ *policy.Object) { p.Subject = "bob" }, "all org team key tool"},
		{func(p *policy.Principal, _ *policy.Object) { p.KeyID = "" }, "all org team user tool"},
		{func(p *policy.Principal, _ *policy.Object) { p.Roles = nil }, "all org team user key tool"},
		{func(_ *policy.Principal, o *policy.Object) { o.OriginalName = "count" }, "all org team user key"},
		{func(_ *policy.Principal, o *policy.Object) { o.Annotations = nil }, "all org team user key"},
		{func(_ *policy.Principal, o *policy.Object) { o.Upstream = "web" }, "all org team user key"},
		{func(_ *policy.Principal, o *policy.Object) { o.Kind = "prompt" }, "all org user key"},
	} {
		p, o := ada(), tool("query")
		tt.change(p, o)
		if got := names(s.For(p, o)); got != tt.want {
			t.Errorf("%+v, %+v: %s, want %s", p, o, got, tt.want)
		}
		about := slices.DeleteFunc(s.About(o), func(b *Budget) bool { return !b.Holds(p) })
		if got := names(about); got != tt.want {
			t.Errorf("in two steps: %s, want %s", got, tt.want)
		}
	}
	var none *Budgets
	if none.For(ada(), tool("query")) != nil || none.About(tool("query")) != nil || none.All() != nil || none.Revision() != "" {
		t.Error("no budgets hold for something")
	}
}

// TestBudgetMistakes compiles one budget with everything wrong in each place.
func TestBudgetMistakes(t *testing.T) {
	_, err := CompileBudgets([]BudgetRule{
		{Index: 0},
		{Index: 1, Name: "a b", Period: BudgetPeriod{Unit: "monht"}, For: []string{"github", "*"}, Per: []string{"usr", "role", "team", "team", "args.x"}},
		{Index: 2, Name: "x", Period: BudgetPeriod{Unit: "day", Window: time.Hour}, Per: []string{"all", "user"}, Limit: -1},
		{Index: 3, Name: "x", Period: BudgetPeriod{Window: time.Millisecond}, Warn: []float64{0.5, 0, -1, math.NaN(), math.Inf(1), 1.5}},
		{Index: 4, Name: strings.Repeat("x", 65), Period: BudgetPeriod{Window: maxBudgetWindow + 1}},
		{Index: 5, Name: "é", Period: BudgetPeriod{Unit: "decade"}},
	})
	want := strings.TrimSpace(`
budgets[0].name: the budget has no name
	hint: callers are told it, and commands take it: give each budget one
budgets[0].period: the budget has no period
	hint: use day, week or month, or a rolling window such as 24h
budgets[1].name: "a b" is no name of a budget
	hint: use letters, digits, "-", "_" and ".", at most 64 characters
budgets[1].for[0]: pattern "github": want <kind>:<upstream>/<name>
	hint: use "github/*" for every tool of an upstream, or "upstream:github" for everything it offers
budgets[1].per[0]: "usr" has no account
	hint: did you mean "user"?
budgets[1].per[1]: a budget is not counted by role: a caller may have several
	hint: write one budget for each team or org
budgets[1].per[3]: "team" is there already
	hint: remove it
budgets[1].per[4]: "args.x" has no account
	hint: an account belongs to org, team, user, key, tool, upstream, all
budgets[1].period: "monht" is no period
	hint: did you mean "month"?
budgets[2].per[0]: "all" counts all calls together and stands alone
	hint: remove it, or the others
budgets[2].limit: the limit is negative
	hint: use 0 or more USD
budgets[2].period: a day of the calendar has no window
	hint: use one of the two
budgets[3].name: the name "x" is used by budget 3 already
	hint: give each budget its own
budgets[3].period: the window is shorter than a second
	hint: use a window of at least 1s
budgets[3].warn[1]: a warning is due at a share of the limit that is more than 0
	hint: write it like 0.8
budgets[3].warn[2]: a warning is due at a share of the limit that is more than 0
	hint: write it like 0.8
budgets[3].warn[3]: a warning is due at a share of the limit that is more than 0
	hint: write it like 0.8
budgets[3].warn[4]: a warning is due at a share of the limit that is more than 0
	hint: write it like 0.8
budgets[4].name: "` + strings.Repeat("x", 65) + `" is no name of a budget
	hint: use letters, digits, "-", "_" and ".", at most 64 characters
budgets[4].period: the window is longer than ten years
	hint: use a shorter one, such as 365d
budgets[5].name: "é" is no name of a budget
	hint: use letters, digits, "-", "_" and ".", at most 64 characters
budgets[5].period: "decade" is no period
	hint: use day, week or month, or a rolling window such as 24h`)
	mistakes, ok := errors.AsType[BudgetMistakes](err)
	if !ok {
		t.Fatalf("%v is no BudgetMistakes", err)
	}
	if diff := cmp.Diff(want, mistakes.Error()); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
}

// TestBudgetIDsSurvive: what was spent goes on to count across a reload that
// leaves alone what a budget counts.
func TestBudgetIDsSurvive(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	base := BudgetRule{Name: "b", Period: month(), Team: "growth", For: []string{"db/*", "web/*"}, Per: []string{"team", "tool"}, Limit: 5}
	other := BudgetRule{Name: "other", Period: month()}
	id := func(r BudgetRule) string { return budgets(t, other, r).All()[1].ID() }
	first := id(base)
	if len(first) != 32 || first == budgets(t, other).All()[0].ID() {
		t.Errorf("id %q", first)
	}
	for name, change := range map[string]func(*BudgetRule){
		"limit": func(r *BudgetRule) { r.Limit = 9 }, "warn": func(r *BudgetRule) { r.Warn = []float64{0.5} },
		"order of patterns": func(r *BudgetRule) { r.For = []string{"web/*", "db/*", "db/*"} },
		"order of per":      func(r *BudgetRule) { r.Per = []string{"tool", "team"} },
		"implied per":       func(r *BudgetRule) { r.Per = []string{"org", "team", "upstream", "tool"} },
		"UTC":               func(r *BudgetRule) { r.Period.Zone = time.UTC },
	} {
		r := base
		if change(&r); id(r) != first {
			t.Errorf("another %s, and another id", name)
		}
	}
	seen := map[string]string{first: "none"}
	for name, change := range map[string]func(*BudgetRule){
		"name": func(r *BudgetRule) { r.Name = "c" }, "unit": func(r *BudgetRule) { r.Period.Unit = "week" },
		"zone": func(r *BudgetRule) { r.Period.Zone = berlin }, "window": func(r *BudgetRule) { r.Period = BudgetPeriod{Window: time.Hour} },
		"org": func(r *BudgetRule) { r.Org = "growth" }, "team": func(r *BudgetRule) { r.Team = "" },
		"user": func(r *BudgetRule) { r.User = "growth" }, "key": func(r *BudgetRule) { r.Key = "growth" },
		"for": func(r *BudgetRule) { r.For = []string{"db/*"} }, "per": func(r *BudgetRule) { r.Per = nil },
	} {
		r := base
		change(&r)
		if twin, taken := seen[id(r)]; taken {
			t.Errorf("changes of %s and of %s have one id", name, twin)
		}
		seen[id(r)] = name
	}
	rolling := BudgetRule{Name: "r", Period: BudgetPeriod{Window: time.Hour}}
	zoned := rolling
	if zoned.Period.Zone = berlin; id(zoned) != id(rolling) || budgets(t, zoned).All()[0].Period().Zone != nil {
		t.Error("a rolling window has a zone")
	}
}

func TestBudgetsRevision(t *testing.T) {
	revision := func(r BudgetRule) string { return budgets(t, r).Revision() }
	base := BudgetRule{Name: "b", Period: month(), Limit: 5}
	first := revision(base)
	for name, change := range map[string]func(*BudgetRule){
		"limit": func(r *BudgetRule) { r.Limit = 6 }, "warn": func(r *BudgetRule) { r.Warn = []float64{0.5} }, "name": func(r *BudgetRule) { r.Name = "c" },
	} {
		r := base
		if change(&r); revision(r) == first {
			t.Errorf("another %s, and the same revision", name)
		}
	}
	if revision(base) != first || len(first) != 64 {
		t.Errorf("revision %q", first)
	}
}

func TestBudgetIsAsWritten(t *testing.T) {
	b := budgets(t, BudgetRule{
		Name: "b", Team: "growth", User: "ada", For: []string{"db/*"}, Per: []string{"user", "tool"}, Limit: 12.5 * nano,
		Period: BudgetPeriod{Window: 48 * time.Hour}, Warn: []float64{0.8, 0.5, 0.8},
	}).All()[0]
	if b.Describe() != "$12.5 per 48 hours per user and tool of team growth, user ada for db/*" {
		t.Errorf("described as %q", b.Describe())
	}
	if !slices.Equal(b.Warn(), []float64{0.5, 0.8}) || b.Limit() != 12.5*nano || b.Single() || !slices.Equal(b.Per(), []string{"user", "tool"}) {
		t.Errorf("%+v", b)
	}
	b.Rule().For[0], b.Per()[0], b.Warn()[0] = "*", "org", 9
	if r := b.Rule(); r.For[0] != "db/*" || r.Per[0] != "user" || r.Warn[0] != 0.5 {
		t.Error("a budget was changed through what it gave away")
	}
	total := budgets(t, BudgetRule{Name: "t", Per: []string{"all"}, Limit: 100 * nano, Period: month()}).All()[0]
	if total.Describe() != "$100 per month (UTC) in total" || !total.Single() || total.Per() != nil {
		t.Errorf("described as %q", total.Describe())
	}
}

// TestDurable: only the rate of a limit survives, and not what runs at the moment.
func TestDurable(t *testing.T) {
	rule := policy.LimitRule{Rate: "5/day", Concurrency: 2, Durable: true}
	a, refusal := evaluate(t, call(`{}`), rule, policy.LimitRule{Rate: "5/day"})
	if refusal != nil || len(a.Claims) != 3 {
		t.Fatalf("%+v, %+v", a, refusal)
	}
	if !a.Claims[0].Durable || a.Claims[1].Durable || a.Claims[2].Durable {
		t.Errorf("claims %+v", a.Claims)
	}
	brief := rule
	brief.Durable = false
	if compile(t, rule).limits[0].id != compile(t, brief).limits[0].id {
		t.Error("what was counted is lost when a limit becomes durable")
	}
	if got := compile(t, rule).limits[0].Describe(); got != "5 per day per user, also across a crash; 2 at a time per user" {
		t.Errorf("described as %q", got)
	}
}

func BenchmarkBudgets(b *testing.B) {
	var rules []BudgetRule
	for _, name := range []string{"org", "team", "user", "tool"} {
		rules = append(rules, BudgetRule{Name: name, Period: month(), For: []string{"db/*"}, Per: []string{name}})
	}
	about, in := budgets(b, rules...).About(tool("query")), call(`{}`).Input
	b.ReportAllocs()
	for b.Loop() {
		for _, one := range about {
			if !one.Holds(in.Principal) || one.Account(in) == "" {
				b.Fatal("no account")
			}
		}
	}
}
