// SPDX-License-Identifier: Apache-2.0

// Package alert says when: alert rules in CEL over budgets, calls, upstreams and the ledger. It compiles them, evaluates them
// over a document, and words what they found. It knows no time and tells nobody: package alert of the aggregator asks it every
// few seconds, remembers what fires, and sends.
//
// # Data flow
//
//	[]Rule ─► Compile ─► Set ─► Condition.Holds(document)   true, false, or an error
//	             │                       .Summary(document) one line for people
//	             │                       .Values(document)  what the rule read, for programs
//	             └► Mistakes: all of them, each with rule, field, byte offset, sentence and hint
//
// # Writing rules
//
// A condition sees these variables. Money is in USD, shares are from 0 to 1 (0.8 is 80 %), calls and overruns are those of
// the last 5 minutes.
//
//	budget    name account limit settled reserved remaining used_ratio warn_ratio period_end
//	calls     total answered failed refused error_rate refusal_rate
//	upstream  name state failing_for_s restarts tools
//	ledger    available queued overruns last_error
//	now
//
// budget.warn_ratio is the highest share of warn that the budget has reached, 0 when it reached none. budget.used_ratio counts
// what is spent and what calls under way have reserved. calls.error_rate is the share of failed calls among those that were
// let through; calls.refusal_rate that of refused calls among all. upstream.state is connecting, ready, degraded, failed or
// disabled, and failing_for_s counts the seconds since it became failed.
//
// A rule that reads budget is evaluated for each account of each budget, one that reads upstream for each upstream, any other
// once; a rule is never about both. Beside CEL's operators there are its standard functions: text has contains, startsWith,
// endsWith, matches and size, times have getHours and the like. There are no lists to search, so there is no exists and no has.
//
//	budget.used_ratio >= 0.8 && budget.name.startsWith("team-")
//	budget.remaining < 5 && budget.period_end - now > duration("24h")
//	calls.total >= 20 && calls.error_rate > 0.1
//	upstream.state in ["failed", "degraded"]
//	!ledger.available || ledger.queued > 5000
//
// A summary is plain text with names of variables in braces: "{budget.name} has {budget.remaining} left until
// {budget.period_end}". Money is written exactly, shares as percentages, {{ is a brace. It may read the subject of the
// condition and what is always there.
//
// # Invariants
//
//   - What cannot be evaluated is an error that names its reason, never a panic and never a verdict (TestHolds, FuzzCompile).
//   - A mistake says where it is: the offset is inside of the field's text (TestDiagnostics, FuzzCompile).
//   - A rule that could never become true for a misspelt state or a percentage is a mistake (TestDiagnostics).
//   - Money in a summary is exact, and 100% is written only when all of it is used (TestSummary).
//
// # Why a variable has a dot in its name
//
// 2026-11-25. budget.used_ratio is one variable of CEL, not a member of an object. So an unknown member is found at load, the
// variables that a rule reads are known without following objects, and nothing has to be built for an evaluation. The price is
// that budget alone is no value, which nobody needs.
//
// # Why summaries are not CEL
//
// 2026-11-25. "budget " + budget.name + " has " + string(budget.remaining) is hard to read, prints 4.999999999 and is one
// more place for a type error. Text with names in braces says the same, and knows how money and shares are written.
package alert
