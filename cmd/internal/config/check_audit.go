// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net/url"

	"tollgate/aggregator"
	receivers "tollgate/aggregator/alert"
	"tollgate/policy/alert"
)

// audit checks how calls are recorded by the rules of package aggregator.
func (k *checker) audit() {
	_, err := aggregator.NewRecording(k.c.RecordingOptions())
	mistakes, _ := errors.AsType[aggregator.RecordingErrors](err)
	for _, m := range mistakes {
		element := "audit"
		if m.Rule >= 0 {
			element = Path("audit", "rules", m.Rule)
		}
		at := joinKey(element, m.Field)
		if m.Index >= 0 {
			at = joinIndex(at, m.Index)
		}
		if m.Rule >= 0 && m.Index < 0 && k.failedBelow(element) {
			continue // it may come of what the decoder left out
		}
		hint := m.Hint
		if m.Field == "for" || m.Field == "read_only" {
			hint = k.patternHint(at, hint)
		}
		k.report(at, CodeValue, m.Message, hint)
		k.failed[at] = true
	}
	a := &k.c.Audit
	k.patterns("audit.read_only", a.ReadOnly)
	for i, text := range a.ReadOnly {
		if kind := cutPattern(text).kind; kind != "tool" && kind != "" && !k.failed[joinIndex("audit.read_only", i)] {
			k.warn(joinIndex("audit.read_only", i), CodeReference, fmt.Sprintf("a %s has no readOnlyHint: only tools do", kind), "name tools, or remove it")
		}
	}
	for i := range a.Rules {
		k.patterns(Path("audit", "rules", i, "for"), a.Rules[i].For)
	}
	if at := "audit.checkpoints.webhook"; k.usable(at) && (k.resolver != nil || !HasReference(a.Checkpoints.Webhook.Written())) {
		k.secureURL(at, a.Checkpoints.Webhook.Reveal())
	}
}

// alerts checks conditions by the rules of package alert, and that receivers have what their type needs.
func (k *checker) alerts() {
	_, err := alert.Compile(k.c.AlertRules())
	mistakes, _ := errors.AsType[alert.Mistakes](err)
	for _, m := range mistakes {
		if element := Path("alerts", "rules", m.Index); !k.failed[element] {
			k.reportInside(joinKey(element, m.Field), m.Offset, m.Message, m.Hint)
		}
	}
	names := map[string]int{}
	for i := range k.c.Alerts.Sinks {
		s, at := &k.c.Alerts.Sinks[i], Path("alerts", "sinks", i)
		k.sink(s, at)
		if first, used := names[s.Name]; used && k.usable(at+".name") {
			k.report(at+".name", CodeConflict, fmt.Sprintf("%q is already used at line %d", s.Name, k.node(Path("alerts", "sinks", first, "name")).Line), "give each sink a name of its own")
		} else if !used {
			names[s.Name] = i
		}
	}
	for i := range k.c.Alerts.Rules {
		k.reaches(&k.c.Alerts.Rules[i], Path("alerts", "rules", i))
	}
}

// sink checks one receiver by the rules of package alert of the aggregator. What references stand for is not known to who only
// edits a file.
func (k *checker) sink(s *Sink, at string) {
	if k.failed[at] || !k.usable(at+".type") {
		return
	}
	to := s.receiver()
	secrets := map[string]Secret{"url": s.URL, "secret": s.Secret, "routing_key": s.RoutingKey}
	for _, m := range to.Check() {
		if k.resolver == nil && HasReference(secrets[m.Field].Written()) {
			continue
		}
		k.report(joinKey(at, m.Field), CodeValue, m.Message, m.Hint)
	}
	if s.Type == receivers.Webhook && !k.has(at+".secret") {
		k.warn(at, CodeUnsafe, "alerts are sent without a signature", "set secret, so that the receiver can tell them from others")
	}
	if u, err := url.Parse(to.URL); err == nil && u.Scheme == "http" && u.Host != "" && !isLoopback(u.Hostname()) {
		k.warn(at+".url", CodeUnsafe, "alerts are sent without TLS", "use https if the receiver can")
	}
}

// reaches warns about a rule that nobody is told of.
func (k *checker) reaches(r *AlertRule, at string) {
	severity, err := alert.ParseSeverity(r.Severity, alert.Warning)
	if err != nil || k.failedBelow("alerts.sinks") {
		return
	}
	for i := range k.c.Alerts.Sinks {
		if least, err := alert.ParseSeverity(k.c.Alerts.Sinks[i].MinSeverity, alert.Info); err != nil || severity.AtLeast(least) {
			return
		}
	}
	if len(k.c.Alerts.Sinks) == 0 {
		k.warn(at, CodeReference, "nobody is told: there are no sinks", "name receivers under alerts.sinks")
		return
	}
	k.warn(at, CodeReference, fmt.Sprintf("nobody is told: every sink asks for more than %s", severity), "raise severity, or lower min_severity of a sink")
}
