// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"maps"
	"time"

	rules "tollgate/policy/alert"
)

// Phase is where an alert stands.
type Phase string

// The phases.
const (
	Inactive Phase = "inactive" // the condition does not hold
	Pending  Phase = "pending"  // it holds, not for long enough
	Firing   Phase = "firing"
	Broken   Phase = "broken" // it cannot be evaluated, see Error; only in what [Watcher.States] answers
)

// State is one alert as operators see it: of a rule about a subject. A rule of which nothing is known has one that is inactive.
type State struct {
	Rule     string         `json:"rule"`
	Severity rules.Severity `json:"severity"`
	Subject  Subject        `json:"subject,omitzero"`
	Key      string         `json:"key,omitempty"`
	Phase    Phase          `json:"phase"`
	Since    time.Time      `json:"since,omitzero"`  // of the phase
	Told     time.Time      `json:"told,omitzero"`   // when sinks were last told that it fires
	Muted    bool           `json:"muted,omitempty"` // it fires and sinks are not told: the cooldown of the last time goes on
	Summary  string         `json:"summary,omitempty"`
	Error    string         `json:"error,omitempty"`
}

// Kept is one alert as it outlives a restart.
type Kept struct {
	Rule    string          `json:"rule"`
	When    string          `json:"when"`
	Key     string          `json:"key"`
	ID      string          `json:"id,omitempty"` // of the subject
	Subject Subject         `json:"subject,omitzero"`
	Phase   Phase           `json:"phase"`
	Since   time.Time       `json:"since"`
	Fired   time.Time       `json:"fired,omitzero"` // when it began to fire, the last time
	Told    time.Time       `json:"told,omitzero"`
	Muted   bool            `json:"muted,omitempty"`
	Level   float64         `json:"level,omitempty"`
	Summary string          `json:"summary,omitempty"`
	Sinks   map[string]Told `json:"sinks,omitempty"`
}

// Told is the last that a sink was told of an alert that fires.
type Told struct {
	Severity rules.Severity `json:"severity"`
	Level    float64        `json:"level,omitempty"`
	At       time.Time      `json:"at"`
}

// Keeper keeps alerts across restarts, so that what was told is neither told again nor left open.
type Keeper interface {
	Load() ([]Kept, error)
	// Save replaces what was kept.
	Save([]Kept) error
}

// entry is one alert that is not simply inactive.
type entry struct {
	Kept
	condition *rules.Condition
	severity  rules.Severity
	values    map[string]any
	err       string // why the last evaluation failed; "" when it did not
}

func newEntry(c *rules.Condition, it *item, key string) *entry {
	return &entry{condition: c, severity: c.Severity(), Kept: Kept{
		Rule: c.Name(), When: c.When(), Key: key, ID: it.id, Subject: subjectOf(c.About(), it), Phase: Inactive, Sinks: map[string]Told{},
	}}
}

func (e *entry) id() alertID { return alertID{e.Rule, e.Subject.Kind, e.ID} }

// hold notes that the condition holds. It reports whether the alert changed in a way that outlives a restart.
func (e *entry) hold(now time.Time, level float64) bool {
	before := e.Phase
	switch {
	case e.Phase == Inactive && e.condition.For() > 0:
		e.Phase, e.Since, e.Level = Pending, now, 0
	case e.Phase == Inactive, e.Phase == Pending && now.Sub(e.Since) >= e.condition.For():
		e.Phase, e.Since, e.Fired, e.Level, e.Muted = Firing, now, now, 0, true
	}
	if e.Since.After(now) {
		e.Since = now // the clock was set back
	}
	if e.Phase != Firing {
		return before != e.Phase
	}
	rose := level > e.Level
	e.Level = max(e.Level, level)
	if e.Muted && !e.cooling(now) {
		e.Muted, e.Told = false, now
		return true
	}
	return rose || before != e.Phase
}

// cooling reports whether the cooldown since the alert was told goes on.
func (e *entry) cooling(now time.Time) bool {
	since := now.Sub(e.Told)
	return !e.Told.IsZero() && since >= 0 && since < e.condition.Cooldown()
}

// release notes that the condition does not hold.
func (e *entry) release(now time.Time) bool {
	if e.Phase == Inactive {
		return false
	}
	e.Phase, e.Since, e.Muted = Inactive, now, false
	return true
}

// over reports whether nothing about the alert is worth remembering.
func (e *entry) over(now time.Time) bool {
	return e.Phase == Inactive && e.err == "" && len(e.Sinks) == 0 && !e.cooling(now)
}

// event is what a sink is told of the alert.
func (e *entry) event(status string, now time.Time) Event {
	return Event{Key: e.Key, Status: status, Rule: e.Rule, Severity: e.severity, Summary: e.Summary, Subject: e.Subject,
		Values: maps.Clone(e.values), Since: e.Fired, At: now}
}

// settle finds out what a sink must be told so that it knows what is so, and notes that it was.
func (e *entry) settle(s *sender, now time.Time) (Event, bool) {
	name := s.sink.Name
	last, knows := e.Sinks[name]
	wanted := e.Phase == Firing && !e.Muted && e.severity.AtLeast(s.minimum)
	switch {
	case !wanted && !knows:
		return Event{}, false
	case !wanted:
		delete(e.Sinks, name)
		return e.event(StatusResolved, now), true
	case knows && last.Severity == e.severity && last.Level >= e.Level && !s.due(last.At, now):
		return Event{}, false
	}
	e.Sinks[name] = Told{e.severity, e.Level, now}
	return e.event(StatusFiring, now), true
}

// due reports whether a sink forgets an alert unless it is told again. One that is busy is not told more.
func (s *sender) due(last, now time.Time) bool {
	return s.sink.Type == Alertmanager && now.Sub(last) >= resendEvery && s.idle()
}

func (e *entry) state() State {
	out := State{Rule: e.Rule, Severity: e.severity, Subject: e.Subject, Key: e.Key, Phase: e.Phase, Since: e.Since, Told: e.Told,
		Muted: e.Muted, Summary: e.Summary, Error: e.err}
	if e.err != "" {
		out.Phase = Broken
	}
	return out
}
