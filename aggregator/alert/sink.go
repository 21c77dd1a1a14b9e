// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	rules "tollgate/policy/alert"
)

// The types of sinks.
const (
	Webhook      = "webhook"
	Slack        = "slack"
	PagerDuty    = "pagerduty"
	Alertmanager = "alertmanager"
)

// Types are all types of sinks.
func Types() []string { return []string{Webhook, Slack, PagerDuty, Alertmanager} }

// Sink is somebody who is told of alerts. It holds secrets and prints without them.
type Sink struct {
	Name string // required
	Type string // one of Types
	// URL is where events are posted. pagerduty has a default. The path of /api/v2/alerts is added for alertmanager.
	URL string
	// Secret signs the events of a webhook, and is the bearer token of an alertmanager. Optional.
	Secret string
	// RoutingKey is the integration key of a pagerduty service.
	RoutingKey  string
	MinSeverity rules.Severity // milder alerts are not sent; "" = all
}

// Format implements [fmt.Formatter]: no verb shows a secret.
func (s Sink) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "alert sink %q (%s)", s.Name, s.Type) }

// MarshalText implements [encoding.TextMarshaler], for logs and JSON.
func (s Sink) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%v", s), nil }

// SinkMistake is one mistake in a sink. Field is name, type, url, secret, routing_key or min_severity. No text holds a secret.
type SinkMistake struct{ Field, Message, Hint string }

func (m SinkMistake) Error() string {
	if m.Hint == "" {
		return m.Field + ": " + m.Message
	}
	return m.Field + ": " + m.Message + "\n\thint: " + m.Hint
}

// Check answers all mistakes of the sink.
func (s Sink) Check() []SinkMistake {
	var found []SinkMistake
	add := func(field, message, hint string) { found = append(found, SinkMistake{field, message, hint}) }
	if s.Name == "" {
		add("name", "the sink has no name", "give it one: it is shown where its state is")
	}
	if !slices.Contains(Types(), s.Type) {
		add("type", fmt.Sprintf("unknown type %q", s.Type), "use "+strings.Join(Types(), ", "))
		return found
	}
	if s.MinSeverity != "" {
		if _, err := rules.ParseSeverity(string(s.MinSeverity), ""); err != nil {
			add("min_severity", err.Error(), "use info, warning, error or critical")
		}
	}
	if message, hint := s.checkURL(); message != "" {
		add("url", message, hint)
	}
	switch {
	case s.Type == PagerDuty && s.RoutingKey == "":
		add("routing_key", "pagerduty needs a routing key", "it is the integration key of a service with Events API v2")
	case s.Type != PagerDuty && s.RoutingKey != "":
		add("routing_key", s.Type+" has no routing key", "remove it")
	}
	if s.Secret != "" && s.Type != Webhook && s.Type != Alertmanager {
		add("secret", s.Type+" has no secret", "remove it: a slack URL and a routing key are secrets by themselves")
	}
	return found
}

func (s Sink) checkURL() (message, hint string) {
	if s.URL == "" {
		if s.Type == PagerDuty {
			return "", ""
		}
		return s.Type + " needs a URL", "write where events are posted"
	}
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http":
		return "this is no http or https URL", "write it as in https://alerts.example.com/hook"
	case u.Fragment != "":
		return "the URL has a fragment, which is never sent", "remove # and what follows"
	case u.Scheme == "http" && s.sendsSecret() && !loopback(u.Hostname()):
		return "a secret would be sent in the clear", "use https"
	}
	return "", ""
}

// sendsSecret reports whether a request holds a secret. A webhook's is only signed with.
func (s Sink) sendsSecret() bool {
	return s.Type == Slack || s.Type == PagerDuty || s.Type == Alertmanager && s.Secret != ""
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// sameAddress reports whether two sinks of one name tell the same receiver.
func (s Sink) sameAddress(o Sink) bool {
	return s.Name == o.Name && s.Type == o.Type && s.URL == o.URL && s.RoutingKey == o.RoutingKey
}

// secrets are the texts that may not be shown.
func (s Sink) secrets() []string {
	all := []string{s.Secret, s.RoutingKey}
	if u, err := url.Parse(s.URL); err == nil {
		password, _ := u.User.Password()
		all = append(all, password, u.RawQuery)
		all = append(all, strings.Split(u.EscapedPath(), "/")...)
		for _, values := range u.Query() {
			all = append(all, values...)
		}
	}
	return slices.DeleteFunc(all, func(t string) bool { return len(t) < 4 })
}
