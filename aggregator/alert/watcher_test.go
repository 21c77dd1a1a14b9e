// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	rules "tollgate/policy/alert"
	"tollgate/store/ledger"
	"tollgate/upstream"
)

func down(change ...func(*rules.Rule)) rules.Rule {
	r := rules.Rule{Name: "down", When: `upstream.state == "failed"`, Summary: "{upstream.name} is down"}
	for _, f := range change {
		f(&r)
	}
	return r
}

// TestFor: a condition must hold without a break, an alert is told once, and its end is told once.
func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, []rules.Rule{down(func(r *rules.Rule) { r.For, r.Cooldown = time.Minute, time.Second })}, []Sink{hook("a")})
		b.state(upstream.Ready)
		pass(20 * time.Second)
		want(t, "before", b.phases("down"), "inactive")
		b.state(upstream.Failed)
		pass(50 * time.Second)
		want(t, "early", b.phases("down"), "github pending")
		b.state(upstream.Ready)
		pass(10 * time.Second)
		b.state(upstream.Failed)
		pass(60 * time.Second)
		want(t, "after a break", b.phases("down"), "github pending")
		want(t, "told early", b.statuses(t, "a.example.com"), "")
		pass(10 * time.Second)
		want(t, "in time", b.phases("down"), "github firing")
		pass(time.Hour)
		want(t, "told", b.statuses(t, "a.example.com"), "firing github is down")
		b.state(upstream.Ready)
		pass(10 * time.Second)
		want(t, "afterwards", b.phases("down"), "inactive")
		pass(time.Hour)
		want(t, "told of the end", b.statuses(t, "a.example.com"), "resolved github is down")
		if n := len(b.watcher.entries); n != 0 {
			t.Errorf("%d alerts are remembered that are over", n)
		}
		b.end()
	})
}

// TestCooldown: what goes up and down is told once in a cooldown, and what still fires at its end is told then.
func TestCooldown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, []rules.Rule{down(func(r *rules.Rule) { r.Cooldown = 10 * time.Minute })}, []Sink{hook("a")})
		for range 10 {
			b.state(upstream.Failed)
			pass(10 * time.Second)
			b.state(upstream.Ready)
			pass(10 * time.Second)
		}
		want(t, "told of ten failures", b.statuses(t, "a.example.com"), "firing github is down; resolved github is down")
		b.state(upstream.Failed)
		pass(10 * time.Second)
		if s := b.watcher.States()[0]; s.Phase != Firing || !s.Muted {
			t.Errorf("%+v, want it firing and muted", s)
		}
		pass(10 * time.Minute)
		want(t, "told at the end of the cooldown", b.statuses(t, "a.example.com"), "firing github is down")
		b.end()
	})
}

// TestSubjects: each account has its own alert and key; one that is gone is resolved, one that cannot be read is not.
func TestSubjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rule := rules.Rule{Name: "spent", When: "budget.used_ratio >= 0.9", Summary: "{budget.account}"}
		b := start(t, []rules.Rule{rule}, []Sink{hook("a")})
		b.change(func(s *Snapshot) { s.Available = nil })
		b.spend("alice", 95)
		b.spend("bob", 10)
		b.spend("carol", 91)
		pass(10 * time.Second)
		want(t, "alerts", b.phases("spent"), "month alice firing, month carol firing")
		got := b.take("a.example.com")
		var keys []string
		for _, s := range got {
			if strings.Contains(s.body, `"rule":"spent"`) {
				keys = append(keys, s.body[strings.Index(s.body, `"key":`):][:40])
			}
		}
		if len(keys) != 2 || keys[0] == keys[1] {
			t.Errorf("keys %q, want two that differ", keys)
		}
		b.change(func(s *Snapshot) { s.Budgets, s.BudgetsErr = s.Budgets[:1], errors.New("disk on fire") })
		pass(10 * time.Second)
		want(t, "alerts that cannot be seen", b.phases("spent"), "month alice firing, month carol firing")
		if err := b.watcher.Err(); err == nil || err.Error() != "disk on fire" {
			t.Errorf("Err: %v", err)
		}
		b.fail(errors.New("no snapshot"))
		pass(10 * time.Second)
		want(t, "alerts without a snapshot", b.phases("spent"), "month alice firing, month carol firing")
		b.fail(nil)
		b.change(func(s *Snapshot) { s.BudgetsErr = nil })
		pass(10 * time.Second)
		want(t, "alerts after one is gone", b.phases("spent"), "month alice firing")
		if err := b.watcher.Err(); err != nil {
			t.Errorf("Err: %v", err)
		}
		b.end()
	})
}

// TestBuiltin: thresholds and overruns are told of without rules, each next threshold again, as long as there are sinks.
func TestBuiltin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, nil, []Sink{hook("a")})
		b.change(func(s *Snapshot) { s.Ledger = ledger.Stats{} })
		b.spend("alice", 49)
		pass(10 * time.Second)
		want(t, "below", b.statuses(t, "a.example.com"), "")
		b.spend("alice", 50)
		pass(time.Minute)
		want(t, "half", b.statuses(t, "a.example.com"), "firing budget month alice reached 50%: 50% used, $50.00 of $100.00 left, period ends never")
		b.spend("alice", 85)
		pass(time.Minute)
		want(t, "more", b.statuses(t, "a.example.com"), "firing budget month alice reached 80%: 85% used, $15.00 of $100.00 left, period ends never")
		b.spend("alice", 60)
		pass(time.Minute)
		b.spend("alice", 81)
		pass(time.Minute)
		want(t, "up and down", b.statuses(t, "a.example.com"), "")
		b.spend("alice", 0)
		b.change(func(s *Snapshot) { s.Ledger.Overruns = 3 })
		pass(10 * time.Second)
		got := b.statuses(t, "a.example.com")
		if !strings.Contains(got, "resolved budget month alice") || !strings.Contains(got, "firing 3 calls of the last 5 minutes cost more") {
			t.Errorf("a new period and overruns: %q", got)
		}
		pass(window)
		if got := b.statuses(t, "a.example.com"); !strings.HasPrefix(got, "resolved 3 calls") {
			t.Errorf("overruns after 5 minutes: %q", got)
		}
		if err := b.watcher.Apply(compile(t, rules.Rule{Name: "budget threshold", When: "false"}), []Sink{hook("a")}); err != nil {
			t.Fatal(err)
		}
		b.spend("alice", 90)
		pass(10 * time.Second)
		want(t, "replaced by a rule", b.statuses(t, "a.example.com"), "")
		if err := b.watcher.Apply(nil, nil); err != nil || len(b.watcher.States()) != 0 {
			t.Errorf("%v, %v; want no rules without sinks", err, b.watcher.States())
		}
		b.end()
	})
}

// TestBroken: a rule that cannot be evaluated is shown with its reason, does not resolve what fires, and changes no other rule.
func TestBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, []rules.Rule{{Name: "odd", When: "100 / upstream.tools > 1"}, down()}, []Sink{hook("a")})
		b.state(upstream.Failed)
		pass(10 * time.Second)
		want(t, "whole", b.phases("odd"), "github firing")
		b.change(func(s *Snapshot) { s.Upstreams = []upstream.Status{{Name: "github", State: upstream.Failed}} })
		pass(20 * time.Second)
		want(t, "broken", b.phases("odd")+", "+b.phases("down"), "github broken, github firing")
		if s := b.watcher.States()[0]; !strings.Contains(s.Error, "division by zero") {
			t.Errorf("%+v", s)
		}
		want(t, "told", b.statuses(t, "a.example.com"), "firing odd: upstream github; firing github is down")
		if n := strings.Count(b.log.String(), "cannot be evaluated"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		b.change(func(s *Snapshot) { s.Upstreams = nil })
		pass(10 * time.Second)
		want(t, "gone", b.phases("odd"), "inactive")
		b.end()
	})
}

// TestReload: alerts of rules that stay go on, those of others are resolved, and sinks learn what they did not know.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := rules.Rule{Name: "slow", When: `upstream.tools == 3`, For: time.Minute}
		gone := rules.Rule{Name: "gone", When: `upstream.tools > 0`, Summary: "gone"}
		a := hook("a")
		b := start(t, []rules.Rule{down(), slow, gone}, []Sink{a})
		b.state(upstream.Failed)
		pass(50 * time.Second)
		since := b.watcher.States()[0].Since
		want(t, "told", b.statuses(t, "a.example.com"), "firing github is down; firing gone")

		a.MinSeverity, a.Secret = rules.Warning, "rotated"
		slow.Summary = "slow now"
		if err := b.watcher.Apply(compile(t, slow, down()), []Sink{hook("new"), a}); err != nil {
			t.Fatal(err)
		}
		pass(0)
		want(t, "told of what is gone", b.statuses(t, "a.example.com"), "resolved gone")
		pass(20 * time.Second)
		want(t, "pending went on", b.phases("slow"), "github firing")
		want(t, "told after the reload", b.statuses(t, "a.example.com"), "firing slow now")
		want(t, "told a new sink", b.statuses(t, "new.example.com"), "firing github is down; firing slow now")
		if s := b.watcher.States()[1]; s.Since != since {
			t.Errorf("firing since %v, before the reload since %v", s.Since, since)
		}

		moved := a
		moved.URL = "https://moved.example.com/"
		if err := b.watcher.Apply(compile(t, down()), []Sink{moved}); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		want(t, "told the sink that moved", b.statuses(t, "moved.example.com"), "firing github is down")

		other := down(func(r *rules.Rule) { r.When = `upstream.failing_for_s > 3600` })
		if err := b.watcher.Apply(compile(t, other), []Sink{moved}); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		want(t, "told of another condition", b.statuses(t, "moved.example.com"), "resolved github is down")
		b.end()
		if err := b.watcher.Apply(nil, nil); err == nil {
			t.Error("Apply works after the end")
		}
	})
}

// TestSeverities: milder alerts do not reach a sink, and a severity that changes opens and closes there.
func TestSeverities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pager := Sink{Name: "p", Type: Webhook, URL: "https://p.example.com/", MinSeverity: rules.Error}
		sinks := []Sink{hook("a"), pager}
		as := func(severity string) *rules.Set {
			return compile(t, down(func(r *rules.Rule) { r.Severity = severity }))
		}
		b := start(t, []rules.Rule{down()}, sinks)
		b.state(upstream.Failed)
		pass(10 * time.Second)
		want(t, "warning", b.statuses(t, "a.example.com")+"|"+b.statuses(t, "p.example.com"), "firing github is down|")
		for _, step := range []struct{ severity, want string }{
			{"critical", "firing github is down|firing github is down"},
			{"critical", "|"},
			{"info", "firing github is down|resolved github is down"},
		} {
			if err := b.watcher.Apply(as(step.severity), sinks); err != nil {
				t.Fatal(err)
			}
			pass(10 * time.Second)
			want(t, step.severity, b.statuses(t, "a.example.com")+"|"+b.statuses(t, "p.example.com"), step.want)
		}
		b.end()
	})
}

// TestResend: an alertmanager hears of what fires before it forgets it, and no more after the end.
func TestResend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := Sink{Name: "am", Type: Alertmanager, URL: "https://am.example.com/prefix/"}
		b := start(t, []rules.Rule{down()}, []Sink{sink})
		b.state(upstream.Failed)
		pass(30 * time.Minute)
		got := b.take("am.example.com")
		if len(got) < 10 || len(got) > 16 {
			t.Fatalf("told %d times in 30 minutes", len(got))
		}
		for i, s := range got {
			ends := alertmanagerTimes(t, s.body)
			if i+1 < len(got) && !ends.After(got[i+1].at) {
				t.Errorf("the alert ends at %v and is told again at %v", ends, got[i+1].at)
			}
			want(t, "address", s.url, "https://am.example.com/prefix/api/v2/alerts")
		}
		b.fail(errors.New("no snapshot"))
		pass(10 * time.Minute)
		if got := b.take("am.example.com"); len(got) < 4 {
			t.Errorf("told %d times in 10 minutes without a snapshot", len(got))
		}
		b.fail(nil)
		b.answer("am.example.com", always(http.StatusBadGateway))
		pass(10 * time.Minute)
		if status := b.watcher.Sinks()[0]; status.Queued != 1 || status.LastError == "" {
			t.Errorf("%+v, want one message that is tried again", status)
		}
		b.answer("am.example.com", nil)
		pass(2 * time.Minute)
		b.take("am.example.com")
		b.state(upstream.Ready)
		pass(time.Hour)
		got = b.take("am.example.com")
		if len(got) != 1 || alertmanagerTimes(t, got[0].body).After(got[0].at) {
			t.Errorf("told %d times of the end: %v", len(got), got)
		}
		b.end()
	})
}

// TestRestart: a watcher goes on with what the one before kept.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "alerts.json")
		gone := rules.Rule{Name: "gone", When: `upstream.tools > 0`, Summary: "gone"}
		kept := func(o *Options) { o.State = File(path) }
		b := start(t, []rules.Rule{down(), gone}, []Sink{hook("a")}, kept)
		b.state(upstream.Failed)
		pass(20 * time.Second)
		want(t, "told", b.statuses(t, "a.example.com"), "firing github is down; firing gone")
		b.end()

		b = start(t, []rules.Rule{down()}, []Sink{hook("a")}, kept)
		b.state(upstream.Failed)
		want(t, "kept", b.phases("down"), "github firing")
		pass(time.Minute)
		want(t, "told by the second", b.statuses(t, "a.example.com"), "resolved gone")
		b.state(upstream.Ready)
		pass(10 * time.Second)
		want(t, "told of the end", b.statuses(t, "a.example.com"), "resolved github is down")
		b.end()

		if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		b = start(t, []rules.Rule{down()}, []Sink{hook("a")}, kept)
		b.state(upstream.Failed)
		pass(10 * time.Second)
		want(t, "told after the file was damaged", b.statuses(t, "a.example.com"), "firing github is down")
		if !strings.Contains(b.log.String(), "damaged") {
			t.Errorf("the log does not say so: %s", b.log)
		}
		b.end()
		if loaded, err := File(path).Load(); err != nil || len(loaded) != 1 {
			t.Errorf("%v, %v; want one alert", loaded, err)
		}
	})
}

// TestNew: what is wired wrongly is said at once.
func TestNew(t *testing.T) {
	if _, err := New(nil); err == nil {
		t.Error("no error without a snapshot")
	}
	w := &world{}
	_, err := New(&Options{Snapshot: w.snapshot, Sinks: []Sink{{Name: "x", Type: "fax"}, hook("a"), hook("a")}})
	if err == nil || !strings.Contains(err.Error(), `sinks[0].type: unknown type "fax"`) || !strings.Contains(err.Error(), `sinks[2].name: the name "a" is used already`) {
		t.Errorf("%v", err)
	}
	if _, err := New(&Options{Snapshot: w.snapshot, State: File(filepath.Join(t.TempDir(), "absent", "x"))}); err != nil {
		t.Errorf("a state that is not there: %v", err)
	}
}
