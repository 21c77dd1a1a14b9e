// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	rules "tollgate/policy/alert"
)

// snapshotTime bounds how long a snapshot may take.
const snapshotTime = 10 * time.Second

var errNothing = errors.New("there is no snapshot")

// look evaluates all conditions once and queues what sinks must be told.
func (w *Watcher) look(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, snapshotTime)
	defer cancel()
	snap, err := w.snapshot(limited)
	if ctx.Err() != nil {
		return // the end is no news
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		snap = nil
	case snap == nil:
		err = errNothing
	default:
		err = snap.BudgetsErr
	}
	if err != nil && w.err == nil {
		w.log.Warn("alerts do not see everything", "error", err)
	}
	now := w.now()
	if w.err = err; snap == nil { // nothing is known: what fires goes on
		w.tellAll(now)
		return
	}
	document := rules.Document{Calls: w.calls.Calls(), Now: now, Ledger: rules.Ledger{
		Available: snap.Available == nil, Queued: int64(snap.Ledger.Queued), Overruns: w.overruns.add(now, snap.Ledger.Overruns),
		LastError: snap.Ledger.LastError,
	}}
	if snap.Available != nil && document.Ledger.LastError == "" {
		document.Ledger.LastError = snap.Available.Error()
	}
	w.evaluate(snap, document)
	w.tellAll(now)
}

// evaluate brings every alert up to date. The caller holds mu.
func (w *Watcher) evaluate(snap *Snapshot, document rules.Document) {
	items, whole := map[rules.Subject][]item{}, map[rules.Subject]bool{}
	for _, about := range []rules.Subject{rules.Gateway, rules.OfBudget, rules.OfUpstream} {
		items[about], whole[about] = snap.subjects(about, document.Now)
	}
	seen := map[alertID]bool{}
	for _, c := range w.conditions {
		for i := range items[c.About()] {
			it := &items[c.About()][i]
			d := document
			d.Budget, d.Upstream = it.budget, it.upstream
			id := alertID{c.Name(), c.About(), it.id}
			seen[id] = true
			w.evaluateOne(c, it, id, &d)
		}
	}
	for id, e := range w.entries {
		if !seen[id] && whole[e.Subject.Kind] { // the subject is gone
			e.err = ""
			w.dirty = e.release(document.Now) || w.dirty
		}
	}
}

// evaluateOne brings the alert of one condition about one subject up to date.
func (w *Watcher) evaluateOne(c *rules.Condition, it *item, id alertID, d *rules.Document) {
	e := w.entries[id]
	holds, err := c.Holds(d)
	if e == nil {
		if err == nil && !holds {
			return
		}
		e = newEntry(c, it, id.key(w.node))
		w.entries[id] = e
	}
	if err != nil {
		if e.err == "" {
			w.log.Warn("alert rule cannot be evaluated", "rule", c.Name(), "subject", e.Subject.Name,
				"account", e.Subject.Account, "error", err)
		}
		e.err = err.Error()
		return // no verdict: what fires goes on
	}
	e.err = ""
	if !holds {
		w.dirty = e.release(d.Now) || w.dirty
		return
	}
	e.Summary, e.values = c.Summary(d), c.Values(d)
	level := 0.0
	if c.Reads("budget.warn_ratio") && d.Budget != nil {
		level = d.Budget.Warned()
	}
	w.dirty = e.hold(d.Now, level) || w.dirty
}

// tellAll queues for each sink what it does not know yet, and forgets what is over. The caller holds mu.
func (w *Watcher) tellAll(now time.Time) {
	ids := w.ids()
	for _, s := range w.senders {
		var events []Event
		for _, id := range ids {
			if event, ok := w.entries[id].settle(s, now); ok {
				events = append(events, event)
			}
		}
		w.dirty = w.dirty || len(events) > 0
		s.offer(events)
	}
	for id, e := range w.entries {
		if e.over(now) {
			delete(w.entries, id)
		}
	}
}

// tell queues for each sink what it does not know of one alert. The caller holds mu.
func (w *Watcher) tell(e *entry) {
	for _, s := range w.senders {
		if event, ok := e.settle(s, w.now()); ok {
			s.offer([]Event{event})
		}
	}
}

// ids are those of all alerts in the order in which they are told: by rule, then by subject. The caller holds mu.
func (w *Watcher) ids() []alertID {
	position := make(map[*rules.Condition]int, len(w.conditions))
	for i, c := range w.conditions {
		position[c] = i
	}
	return slices.SortedFunc(maps.Keys(w.entries), func(a, b alertID) int {
		x, y := w.entries[a], w.entries[b]
		if order := position[x.condition] - position[y.condition]; order != 0 {
			return order
		}
		return cmp.Or(strings.Compare(a.rule, b.rule), strings.Compare(a.subject, b.subject))
	})
}

// restore goes on with what was kept. It is called before anything else knows the watcher.
func (w *Watcher) restore() {
	if w.keeper == nil {
		return
	}
	kept, err := w.keeper.Load()
	if err != nil {
		w.log.Warn("the alerts of the last run are lost: some may be told again, and some stay open at their receivers", "error", err)
	}
	for _, k := range kept {
		e := &entry{Kept: k, severity: rules.Warning}
		if e.Sinks == nil {
			e.Sinks = map[string]Told{}
		}
		maps.DeleteFunc(e.Sinks, func(name string, _ Told) bool {
			return !slices.ContainsFunc(w.senders, func(s *sender) bool { return s.sink.Name == name })
		})
		switch {
		case w.adopt(e):
			w.entries[e.id()] = e
		default:
			e.Phase = Inactive
			w.tell(e)
			w.dirty = true
		}
	}
}

// save keeps what changed. Only Run calls it.
func (w *Watcher) save() {
	w.mu.Lock()
	if w.keeper == nil || !w.dirty {
		w.mu.Unlock()
		return
	}
	w.dirty = false
	kept := make([]Kept, 0, len(w.entries))
	for _, id := range w.ids() {
		e := w.entries[id]
		if e.Phase != Inactive || !e.Told.IsZero() {
			k := e.Kept
			k.Sinks = maps.Clone(e.Sinks)
			kept = append(kept, k)
		}
	}
	w.mu.Unlock()
	if err := w.keeper.Save(kept); err != nil {
		w.log.Warn("alerts are not kept for the next run", "error", err)
		w.mu.Lock()
		w.dirty = true
		w.mu.Unlock()
	}
}
