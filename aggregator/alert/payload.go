// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	rules "tollgate/policy/alert"
)

const (
	pagerDutyURL     = "https://events.pagerduty.com/v2/enqueue"
	alertmanagerPath = "/api/v2/alerts"
	// resendEvery is how often an alertmanager is told what still fires; expireAfter is when it takes an alert for resolved
	// that it did not hear of again, so that those of a gateway that is gone do not stay.
	resendEvery = 2 * time.Minute
	expireAfter = 10 * time.Minute

	slackLines   = 20   // alerts in one message
	slackSummary = 400  // bytes of one
	slackText    = 2900 // bytes of all; a section takes 3000 characters
	pagerSummary = 1024 // characters
	signatureKey = "Tollgate-Signature"
)

// batches reports whether a sink is told of all events of a moment at once. Others are told of one at a time.
func (s Sink) batches() bool { return s.Type == Slack || s.Type == Alertmanager }

// request writes events as the sink wants them. now is the time of this attempt.
func (s Sink) request(events []Event, node string, now time.Time) (address string, body []byte, header http.Header, err error) {
	header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"tollgate"}}
	address = s.URL
	var message any
	switch s.Type {
	case Slack:
		message = slackMessage(events, node)
	case PagerDuty:
		if address == "" {
			address = pagerDutyURL
		}
		message = pagerDutyEvent(&events[0], s.RoutingKey, node)
	case Alertmanager:
		address = alertmanagerURL(s.URL)
		if s.Secret != "" {
			header.Set("Authorization", "Bearer "+s.Secret)
		}
		message = alertmanagerAlerts(events, node, now)
	default:
		message = webhookEvent(&events[0], node)
	}
	if body, err = json.Marshal(message); err != nil {
		return "", nil, nil, fmt.Errorf("write the event: %w", err)
	}
	if s.Type == Webhook && s.Secret != "" {
		header.Set(signatureKey, Sign([]byte(s.Secret), now, body))
	}
	return address, body, header, nil
}

// Sign makes the value of Tollgate-Signature for a body that is sent at a time.
func Sign(secret []byte, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// webhookBody is what a webhook receives.
type webhookBody struct {
	Version  int            `json:"version"`
	ID       string         `json:"id"`
	Key      string         `json:"key"`
	Status   string         `json:"status"`
	Rule     string         `json:"rule"`
	Severity rules.Severity `json:"severity"`
	Summary  string         `json:"summary"`
	Subject  Subject        `json:"subject,omitzero"`
	Values   map[string]any `json:"values,omitempty"`
	Node     string         `json:"node"`
	Since    time.Time      `json:"since"`
	Time     time.Time      `json:"time"`
}

func webhookEvent(e *Event, node string) any {
	return webhookBody{1, e.ID(), e.Key, e.Status, e.Rule, e.Severity, e.Summary, e.Subject, e.Values, node, e.Since.UTC(), e.At.UTC()}
}

// slackMessage writes all events as the lines of one message.
func slackMessage(events []Event, node string) any {
	var text strings.Builder
	for i := range events {
		line := slackLine(&events[i])
		if i == slackLines || text.Len()+len(line) > slackText {
			fmt.Fprintf(&text, "and %d more", len(events)-i)
			break
		}
		text.WriteString(line + "\n")
	}
	message := strings.TrimSuffix(text.String(), "\n")
	section := map[string]any{"type": "mrkdwn", "text": message, "verbatim": true}
	from := map[string]any{"type": "plain_text", "text": "tollgate " + truncate(node, 100)}
	return map[string]any{
		"text": message, "unfurl_links": false,
		"blocks": []any{
			map[string]any{"type": "section", "text": section},
			map[string]any{"type": "context", "elements": []any{from}},
		},
	}
}

func slackLine(e *Event) string {
	if e.Status == StatusResolved {
		return "*Resolved* " + escapeSlack(e.Summary)
	}
	return fmt.Sprintf("*Firing* (%s) %s", e.Severity, escapeSlack(e.Summary))
}

// escapeSlack lets no text mention a channel or pose as a link: the three characters that Slack gives a meaning.
func escapeSlack(s string) string {
	if len(s) > slackSummary {
		s = strings.ToValidUTF8(s[:slackSummary], "") + "…"
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func pagerDutyEvent(e *Event, routingKey, node string) any {
	event := map[string]any{"routing_key": routingKey, "dedup_key": e.Key, "event_action": "trigger", "client": "tollgate"}
	if e.Status == StatusResolved {
		event["event_action"] = "resolve"
	}
	details := map[string]any{"rule": e.Rule, "since": e.Since.UTC().Format(time.RFC3339)}
	if e.Subject != (Subject{}) {
		details["subject"] = e.Subject
	}
	if len(e.Values) > 0 {
		details["values"] = e.Values
	}
	event["payload"] = map[string]any{
		"summary": truncate(e.Summary, pagerSummary), "severity": e.Severity, "source": node,
		"timestamp": e.At.UTC().Format(time.RFC3339Nano),
		"group":     e.Rule, "custom_details": details,
	}
	return event
}

type alertmanagerAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// alertmanagerAlerts writes events as alerts. Labels are what an alertmanager tells alerts apart by: nothing in them changes
// while an alert fires.
func alertmanagerAlerts(events []Event, node string, now time.Time) any {
	alerts := make([]alertmanagerAlert, len(events))
	for i := range events {
		e := &events[i]
		labels := map[string]string{"alertname": e.Rule, "severity": string(e.Severity), "instance": node}
		if e.Subject.Kind != rules.Gateway {
			labels[string(e.Subject.Kind)] = e.Subject.Name
		}
		if e.Subject.Account != "" {
			labels["account"] = e.Subject.Account
		}
		alerts[i] = alertmanagerAlert{labels, map[string]string{"summary": e.Summary}, e.Since.UTC(), now.Add(expireAfter).UTC()}
		if e.Status == StatusResolved {
			alerts[i].EndsAt = e.At.UTC()
		}
	}
	return alerts
}

// alertmanagerURL adds the path of the API to the address of an alertmanager, behind the path that it may be served at.
func alertmanagerURL(base string) string {
	u, err := url.Parse(base)
	if err != nil || strings.HasSuffix(u.Path, alertmanagerPath) {
		return base
	}
	return u.JoinPath(alertmanagerPath).String()
}

// truncate shortens a text to a number of characters.
func truncate(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
