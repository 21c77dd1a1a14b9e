// SPDX-License-Identifier: Apache-2.0

// Package alert tells people and programs what goes wrong. Every few seconds it evaluates the rules of package alert of policy
// over a snapshot of budgets, calls, upstreams and ledger, remembers what fires, and tells sinks: webhooks, Slack, PagerDuty
// and Alertmanager. No call waits for any of it.
//
// # Data flow
//
//	calls ─► Counter.Note ─┐
//	Source.Snapshot ───────┴► Watcher.look ─► entry: inactive ─► pending ─► firing ─► inactive
//	                              │            For ───────────────┘           │
//	                              │            muted while the cooldown goes on
//	                              └► for each sink: what should it know, what was it told? ─► sender.offer
//	sender: queue of 1024 messages ─► goroutine ─► one POST of at most 10 s ─► again after 1 s to 1 min ─► given up after 15 min
//
// A sink is told the difference between what is so and what it was told, not each change: so a reload, a new sink, a severity
// that changed and a restart need nothing of their own. [Options.State] keeps what was told.
//
// # For operators: rules
//
//	alerts:
//	  rules:
//	    - name: team budgets
//	      when: budget.used_ratio >= 0.9 && budget.name.startsWith("team-")
//	      severity: error
//	      summary: "{budget.name} {budget.account} has {budget.remaining} left until {budget.period_end}"
//	    - {name: error rate, when: calls.total >= 20 && calls.error_rate > 0.1, for: 5m}
//	    - {name: upstream down, when: upstream.failing_for_s > 120, severity: critical, summary: "{upstream.name} is down"}
//	    - {name: ledger, when: "!ledger.available", severity: critical, summary: "calls are refused: {ledger.last_error}"}
//	  sinks:
//	    - {name: chat, type: slack, url: "${file:/run/secrets/slack}"}
//	    - {name: on-call, type: pagerduty, routing_key: "${env:PAGERDUTY_KEY}", min_severity: error}
//
// What rules may read is in package alert of policy. A rule fires for each account and each upstream on its own. for says how
// long the condition must hold without a break; after an alert, the same one is not told again for cooldown, even when it ends
// and comes back; if it still fires then, it is told then. The end is always told.
//
// With a sink and without any rule, alerts are raised for the thresholds in warn of budgets (rule "budget threshold": each next
// threshold is told again) and for calls that cost more than was reserved (rule "cost overrun"). A rule of the same name takes
// the place of either; when: "false" switches it off. A rule that reads budget.warn_ratio is told again at each next threshold.
//
// # For operators: webhooks
//
// A webhook gets one POST of a JSON object for each event: version, id, key, status (firing or resolved), rule, severity,
// summary, subject, values, node, since and time. key is that of the alert: a firing and its resolved have the same one, and so
// has a second firing with a higher threshold. id is that of the event: the same id twice is the same event sent twice, after
// an answer that did not arrive. Any answer of 200 to 299 within 10 seconds takes the event. 429 and 503 may say Retry-After;
// other answers of 400 to 499 and redirects end the event, everything else is tried again for 15 minutes.
//
// With a secret, the header says who sent the event and when:
//
//	Tollgate-Signature: t=1795611600,v1=8efcab06...
//
// To verify it: take t and v1 out of the header; refuse when t is more than 5 minutes away from now; compute HMAC-SHA256 with
// the secret over t, a dot, and the body as it came, before anything parses it; compare its hex with v1 in constant time. In
// Python:
//
//	parts = dict(p.split("=", 1) for p in request.headers["Tollgate-Signature"].split(","))
//	mac = hmac.new(secret, parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
//	ok = abs(time.time() - int(parts["t"])) < 300 and hmac.compare_digest(mac, parts["v1"])
//
// # Invariants
//
//   - Nothing waits for a sink: neither a call, nor an evaluation, nor another sink (TestSinksAreIndependent). A queue that is
//     full loses its oldest message, and says so (TestQueueIsBounded).
//   - An alert is told once, and so is its end, across reloads and restarts (TestFor, TestReload, TestRestart); what goes up and
//     down is told once in a cooldown (TestCooldown).
//   - What cannot be read or evaluated resolves nothing (TestSubjects, TestBroken).
//   - Secrets are in requests and nowhere else, whatever a receiver answers (TestSecretsAreNeverShown), and no redirect carries
//     them on (TestPermanent, TestTransport).
//   - An Alertmanager hears of what fires before it forgets it (TestResend).
//   - No text of a caller mentions a channel or poses as a link (TestPayloads, TestLongPayloads).
//   - The end takes seconds and leaves no goroutine (TestEnd).
//   - The counter of calls loses none (TestCounterIsExact, TestCounterWindow).
//
// # Why sinks are brought level
//
// 2026-11-25. The first idea was to send an event at each transition. Then each of reload, restart, a sink that is added, a
// severity that is raised, a threshold and the refresh of an Alertmanager needed its own path, and each forgot one of the
// others. Comparing what a sink was told with what is so is one path for all. A message counts as told when it is queued: one
// that is given up after 15 minutes is counted and logged, and not told again.
//
// # Why the queue loses its oldest message
//
// 2026-11-25. After an hour without a receiver, how it was an hour ago matters less than how it is. Waiting for room would let
// one receiver stop all alerts; refusing the newest would keep ends from being told.
//
// # Why no redirect is followed
//
// 2026-11-25. The address of a sink is often a secret, and so is what is sent. Where it goes is for operators to say.
package alert
