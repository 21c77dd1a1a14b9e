// SPDX-License-Identifier: Apache-2.0

// Package aggregator is the gate: the one function that every MCP request passes, whatever edge it came in on.
//
// # Data flow
//
//	client ─► edge ─► auth ─► [Gate.View] (list) or [Gate.Call] (everything that reaches an upstream)
//	    1 lookup in the caller's view   memory only; hidden and missing are the same answer
//	    2 access decision               the view's bitset, filled once per principal class by the Decider
//	    3 limits                        seam, filled by the limits engine
//	    4 Ledger.Reserve                admits the call and writes the intent
//	    5 Upstreams.Call                the network
//	    6 era translation, obligations  package bridge
//	    7 Reservation.Settle            the outcome, with a context that outlives the client
//
// A revision is one immutable value: catalog, decider, toolsets and the decisions made so far. [Gate.Publish] and
// [Gate.Refresh] swap it atomically; a call loads it once and sees one revision throughout.
//
// # Ends
//
// A call that is not answered ends in one of four ways and only four: unknown (hidden and missing alike), refused, upstream
// failed, gateway failed. ends.go maps them to MCP.
//
// # Questions in the middle of a call
//
// An upstream may ask the client before it answers; package bridge says how that crosses the eras, interactive.go runs it.
// All rounds are one call: the reservation is held until the upstream has answered or the client did not come back, except
// between modern peers, where the gate keeps nothing and each round says that the call goes on ([InputRequired]). A client
// of an earlier revision that can be asked is served in its own era where the upstream speaks both, since tools may ask
// there in another way.
//
// # Tasks
//
// A modern upstream may answer a tools/call of a client that declared the extension with a task. Its id is replaced by a
// sealed one that names upstream, tool and the upstream's own id, bound to the caller; the gate keeps no table, so ids
// outlive a restart with the same sealing key. tasks/get, tasks/update and tasks/cancel pass the gate like any call, as
// calls of the tool the task came from: hidden by now is unknown. Everything but the id travels as it is. What a task
// costs is settled by its last status, see [Outcome].
//
// # Invariants
//
// The numbers are those of the design; each names the test that holds it.
//
//  1. Fail closed: no policy, no ledger => no call (TestFailClosed).
//  2. No answered call without an outcome (TestSettledOnce).
//  3. Identity comes from the credential: the principal is a parameter, never a context value (TestIdentityFromCredential in auth).
//  4. Hidden = missing, byte for byte (TestHiddenIsMissing).
//  5. Inbound credentials never travel upstream (TestCredentialsStay in conformance).
//  6. What the upstream sent is what the client gets (TestLossTable in conformance).
//  7. One dead upstream changes nothing for the others (TestHostileUpstreams in conformance).
package aggregator
