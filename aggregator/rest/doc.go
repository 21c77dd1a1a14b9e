// SPDX-License-Identifier: Apache-2.0

// Package rest is the HTTP API beside MCP: it calls tools for programs that speak no MCP, and says what calls cost.
//
// # Data flow
//
//	POST /v1/mcp/tool/execute ─► [Server.ServeHTTP] ─ authenticate ─ check the bytes ─ request.go: which tool, which arguments
//	    ─► Gate.Speaker (the body's user, role and team) ─► View.Meant (the name as people write it) ─► Gate.Call
//	    ─► refusal.go (a problem) or answer.go (what the tool said)
//	GET /v1/mcp/tools ─► Gate.View
//	GET /v1/analytics, /v1/budgets ─► reads.go: whose numbers ─► [Ledger]
//	GET /v1/audit ─► reads.go ─► [Audit] ─► what the caller may know of a record
//
// A call takes the same way as one over MCP: [aggregator.Gate.Call], by a client of the modern protocol revision that cannot
// be asked anything. What it is told of is openapi.json, which is served and which every answer of the tests is held
// against.
//
// # Ends
//
// An answer of the tool is 200, whatever it says: a result that says it failed, and an error of the upstream's own, have
// success false, the error "Tool Error" and what it cost. It was executed, and a status that HTTP clients repeat by
// themselves would have it executed again. All else is an error with error, message and decision_id, as problem details
// (RFC 9457) for who names application/problem+json in Accept:
//
//	400 the body or the query       401 the credential           402 Budget Exceeded      403 Access Denied and other refusals
//	409 the idempotency key         429 Rate Limit Exceeded      500 the gateway          502 Upstream Failed
//	503 Ledger Unavailable          504 Upstream Timeout         408, 413, 415 the body
//
// One 502 more is Outcome Not Recorded: the tool was executed, and the ledger could not record in time how that ended. It
// comes without Retry-After, since what it says is not to repeat the call unseen; 503 does, since nothing was done.
//
// # Who reads what
//
// Everybody reads the numbers, budgets and records of its own calls. Whose else is for [Options.MayRead] to say: those of
// some teams, within the caller's organization, or all. Only who may read all is shown what operators know: the whole
// records, with the rules that refused a call.
//
// # Invariants
//
//   - A hidden tool is answered like a missing one, byte for byte (TestHiddenIsMissing). Neither the numbers nor the records
//     of a caller tell which it was (TestUsageHidesTools, TestAuditHidesTools).
//   - Who a body says it is from counts only for a credential that may act for others (TestIdentityInBody).
//   - Arguments and results are copied byte for byte (TestNumbersStay, TestContents).
//   - Every answer is in the document, and the document has no other paths (TestDocumentHasRoutes, and all tests that ask).
//   - No one reads the numbers of others by default (TestWhoReadsWhat, TestAuditOfOwn).
//
// # Why misspelt members are refused
//
// 2026-11-25. The object that names a tool takes no member that it does not know: "argumnets" would be a call without
// arguments. Tool calls as models write them, and what stands beside a tool call, may have more members, since chat
// messages do. Query parameters are refused too: a misspelt filter selects everything.
//
// # Why a text that is a number stays one
//
// 2026-11-25. data is the JSON in a tool's only text when that is an object or an array. Were "42" read as a number, the id
// "0042" would be a text and "4242" none.
//
// # Why unknown names are left out of queries
//
// 2026-11-25. The log knows what a hidden tool is called, so that operators can see what was tried. A caller that asks the
// log for its own records of a tool would learn from the answer that there is such a tool. For who may not read everything,
// records of unknown names are therefore about nothing, and counts of refusals are left out of numbers about tools.
package rest
