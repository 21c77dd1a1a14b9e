// SPDX-License-Identifier: Apache-2.0

// Package replay decides calls of the past again, under candidate rules, and says for whom they would have ended otherwise.
//
// # Data flow
//
//	audit log ─► [Decisions] ─► texts ─► [Run] ─► batches ─► workers: decode, [Recorded], [Judge.Compare] ─► in order ─► [Report]
//	a call that is decided now (shadow mode) ─► [Decided] ─────────────────► [Judge.Compare] ─► a record, where it differs
//	one decision (policy explain ID) ─► [Recorded] ────────────────────────► [Judge.Compare]
//
// A [Case] is a decision with its verdict, a [Judge] holds it against other rules. What differs is defined in one place,
// [Judge.Compare], and what the other rules say comes from aggregator.Weigher, which takes the steps of the gate: access,
// conditions, scopes, call rules, constraints, with the input document that was recorded.
//
// # What is decided again, and what is not
//
// The caller is taken as recorded, with the roles that its credential and bindings gave it at that moment: other roles: of
// the candidate have an effect, other bindings: have none. Limits and budgets are left out. A call that one of them refused,
// or that waited for its user's confirmation, passed the policy and is counted apart ([Report.Otherwise]), with how often
// the candidate would have refused it before it came to that; the same holds for a name that its toolset does not have. A
// refusal of a name that did not exist, or of a request that named nothing, was no decision ([Report.NotDecided]). An answer
// that was given again for an idempotency key is no new decision either, and later requests about a task are held against
// access and scopes alone, as in the gate. Of a resource that the address template of a server made, the conditions of the
// template are left out: the record does not name it.
//
// # Missing arguments
//
// A record may lack arguments: some, where they were redacted, or all, where it has their digest. A verdict that may depend
// on one of those is [Undecidable] and names them. Whether it depends on them is found out by evaluation: call rules that
// are never evaluated as far as a missing place do not depend on it (policy.Engine.DecideWithout), nor do constraints on
// other arguments. What refuses for certain refuses, whatever is missing elsewhere. The digest of empty arguments is known
// ([EmptyDigest]), so those are not missing.
//
// The gate also holds arguments that are constrained against the tool's own schema, and looks for names that differ in case
// only. Where arguments are missing that is left out, and so it is when the tool has another definition by now; [Answer.Partly]
// says so. A call that the tool's own schema refused, and that the candidate may or may not let through, is undecidable.
//
// # Invariants
//
//   - A judge says what a gate with the candidate's rules says (TestJudgeIsTheGate), and the rules that were in force change
//     nothing (TestSameRules).
//   - The changes of a run are those of a naive comparison, one call after the other (TestReplayIsBruteForce).
//   - An answer that is not undecidable is right whatever stood in the missing places (TestJudgeIsTheGate, and
//     TestDecideWithoutIsCertain in package policy).
//   - Every decision is counted once (TestReport), and a run needs no more memory for more records: batches are bounded, and
//     so are groups, reasons and examples (TestGroupsAreBounded).
//   - A run ends when its context, its records or Each do, and leaves nothing running (TestRunEnds).
//
// # Why verdicts are compared with the record (2026-11-25)
//
// The other choice is to decide each call under the rules in force now and compare the two. It would hide what has changed
// since, and with it half of what a week's log can say: whether the candidate agrees with what happened. Who wants only the
// difference between two policies replays both.
//
// # Why standings are kept (2026-11-25)
//
// Access and conditions depend on the class of the caller and on the object, of which a log has few. Kept, they leave the
// call rules to be evaluated for each record, and nothing at all where no rule depends on the call.
package replay
