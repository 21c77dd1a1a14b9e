// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	rules "tollgate/policy/alert"
)

// What an event says.
const (
	StatusFiring   = "firing"
	StatusResolved = "resolved"
)

// Event is what sinks are told of one alert.
type Event struct {
	Key      string // of the alert: the same for all events about one rule and subject, also after a restart
	Status   string
	Rule     string
	Severity rules.Severity
	Summary  string
	Subject  Subject
	Values   map[string]any // what the rule reads; nil after a restart
	Since    time.Time      // the alert fires since then
	At       time.Time      // of this event
}

// ID is different for each event, and the same each time that an event is sent.
func (e *Event) ID() string { return fmt.Sprintf("%s-%s-%x", e.Key, e.Status, e.At.UnixNano()) }

// Subject is what an alert is about.
type Subject struct {
	Kind    rules.Subject `json:"kind,omitempty"`    // budget, upstream, or "" for the gateway
	Name    string        `json:"name,omitempty"`    // of the budget or upstream
	Account string        `json:"account,omitempty"` // of the budget
}

func subjectOf(about rules.Subject, it *item) Subject {
	switch {
	case it.budget != nil:
		return Subject{about, it.budget.Name, it.budget.Account}
	case it.upstream != nil:
		return Subject{about, it.upstream.Name, ""}
	}
	return Subject{}
}

// alertID names the alert of a rule about a subject within this process.
type alertID struct {
	rule    string
	about   rules.Subject
	subject string // the id of an item
}

// key names the alert everywhere: a receiver may hear of several gateways.
func (id alertID) key(node string) string {
	sum := sha256.Sum256([]byte(node + "\x00" + id.rule + "\x00" + string(id.about) + "\x00" + id.subject))
	return hex.EncodeToString(sum[:16])
}
