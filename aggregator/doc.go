// SPDX-License-Identifier: Apache-2.0

// Package aggregator is the gate: the one function that every MCP request passes, whatever edge it came in on.
//
// # Data flow
//
//	client ─► edge ─► auth ─► [Gate.Speaker] ─► [Gate.View] (list) or [Gate.Call] (everything that reaches an upstream)
//	    1 roles                         those of the credential and of [Bindings], as they are at this moment
//	    2 lookup in the caller's view   memory only; hidden and missing are the same answer
//	    3 terms                         what is asked of every such call: scopes, constraints, obligations, limits; kept
//	    4 Decider.Decide                call rules: the policy of the operator about arguments, time and the rest
//	    5 arguments                     against the schema that the caller was shown (package narrow)
//	    6 limits                        CEL: may it, and what does it claim (package limit)
//	    7 confirmation                  the user is asked, where the rules want it
//	    8 Ledger.Reserve                all claims at once or none, with the intent; the only place that counts
//	    9 Upstreams.Call                the network
//	   10 obligations, era translation  packages redact and bridge
//	   11 Reservation.Settle            the outcome, with a context that outlives the client
//
// A revision is one immutable value: catalog, rules and what was computed from them so far. [Gate.Publish] and
// [Gate.Refresh] swap it atomically; a call loads it once and sees one revision throughout.
//
// Steps 3 to 7 are in verdict.go and confirm.go; [Gate.Explain] runs the same steps and counts nothing. What depends on
// the principal and the object only is decided once for each principal class and kept; constraints narrow the schema that
// the class is shown.
//
// # Ends
//
// A call that is not answered ends in one of four ways and only four: unknown (hidden and missing alike), refused, upstream
// failed, gateway failed. ends.go maps them to MCP. When the outcome of a call that was made cannot be recorded in time,
// the gateway has failed it: the caller is told that the call was made and not what it did, and nobody is sent to repeat it.
//
// # Questions in the middle of a call
//
// An upstream may ask the client before it answers; package bridge says how that crosses the eras, interactive.go runs it.
// All rounds are one call: the reservation is held until the upstream has answered or the client did not come back, except
// between modern peers, where the gate keeps nothing and each round says that the call goes on ([InputRequired]). A client
// of an earlier revision that can be asked is served in its own era where the upstream speaks both, since tools may ask
// there in another way.
//
// # Confirmation
//
// A call that the user has to confirm is asked for by elicitation: a modern client in the result, with a state sealed for
// this caller, tool and arguments that is good once, in this process, for five minutes; a client of an earlier revision
// within its call. Who cannot be asked is refused. Nothing is reserved before the answer.
//
// # Why a later round counts once
//
// 2026-11-25. A call that its modern upstream asks questions in comes as several requests. They are one call for its rates:
// the sealed state of a round makes the next request a part of it. A state can be sent again, though, and its upstream may
// then run the whole call anew. So each state continues a call once; brought back again, or to another process, it begins a
// call that is counted like any other.
//
// # Why tasks carry their redactions
//
// 2026-11-25. What a task says comes later, when the arguments that a rule looked at are gone and the rules may be others.
// The pointers to redact are therefore sealed into the id of the task, and what its tool asks for by then is added.
//
// # Tasks
//
// A modern upstream may answer a tools/call of a client that declared the extension with a task. Its id is replaced by a
// sealed one that names upstream, tool and the upstream's own id, bound to the caller; the gate keeps no table, so ids
// outlive a restart with the same sealing key. tasks/get, tasks/update and tasks/cancel pass the gate like any call, as
// calls of the tool the task came from: hidden by now is unknown. Everything but the id travels as it is. What a task
// costs is settled by its last status, see [Outcome].
//
// # Why refusals have a lane of their own
//
// 2026-11-25. Calls are refused when the queue of the log is full, and refusals are records too: who may call nothing could
// have kept everybody from calling while a disk is slow, since being refused takes no time. Refusals, replays and notes
// therefore fill a quarter of the queue at most, those of one caller half of that. What finds no room waits for a second and
// is then told that the ledger is busy. Requests without a credential leave no record at all.
//
// # Invariants
//
// The numbers are those of the design; each names the test that holds it.
//
//  1. Fail closed: no policy, no ledger => no call (TestFailClosed).
//  2. No answered call without an outcome (TestSettledOnce, TestOutcomeNotRecorded, TestEveryCallEnds), no request without a
//     record (TestEveryRequestIsRecorded); [Accounting] writes them.
//  3. Identity comes from the credential: the principal is a parameter, never a context value (TestIdentityFromCredential in auth).
//  4. Hidden = missing, byte for byte and in time (TestHiddenIsMissing, TestHiddenTakesAsLong); callable = listed
//     (TestCallableIsListed).
//  5. Limits hold exactly at any concurrency, and a refused call uses up nothing (TestExactAdmission, TestLimits).
//     However many requests are turned away, calls are not refused for it (TestFloodsLeaveRoom).
//  6. What a rule redacts reaches nobody it binds (TestRedaction, TestRedactionOfTasks).
//  7. Inbound credentials never travel upstream (TestCredentialsStay in conformance).
//  8. What the upstream sent is what the client gets (TestLossTable in conformance).
//  9. One dead upstream changes nothing for the others (TestHostileUpstreams in conformance).
package aggregator
