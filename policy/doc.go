// SPDX-License-Identifier: Apache-2.0

// Package policy decides what exists for whom, and on what terms it may be
// called. It evaluates the Rego policy data.tollgate.access for a principal and
// an object, in lists and calls alike: what it hides is, for the caller, the same
// as missing. The policy data.tollgate.call takes away from what is shown: it
// bounds arguments, obliges the gateway, and refuses single calls.
//
// # Data flow
//
//	files, roles, data ─► Load ─► Engine ─► Access(principal, objects)     ─► answers
//	                       │         ├────► Conditions(principal, objects) ─► constraints, obligations, scopes
//	                       │         ├────► Class(principal)               ─► key for keeping both
//	                       │         ├────► Decide(input)                  ─► allow, reasons; once for each call
//	                       │         └────► Explain, ExplainConditions, ...  ─► who or what decided, and where
//	                       └► Diagnostics and RoleErrors: all of them, none loaded
//
// [Load] flattens the includes of roles, turns their patterns and what they ask
// into data.tollgate.config, compiles the files against the schema of the input
// document ([InputSchema]) and proves what each decision may depend on. An
// [Engine] is immutable. The gateway calls [Engine.Access] and
// [Engine.Conditions] once for each class and catalog revision and keeps the
// answers; no request waits for them twice. [Engine.Decide] runs for each call,
// and evaluates nothing unless a rule depends on the call ([Engine.Dynamic]).
//
// The document that rules read is [Input]; [Input.JSON] is what an audit stores.
// Where there is no call, it holds version, action, principal and object only.
//
// # Patterns
//
// A pattern is <kind>:<upstream>/<original name or uri>. In the upstream and in
// the name, * is any run of characters and ? one character; the upstream's *
// does not cross the slash, the name's does. Shorthands:
//
//	github/*          tool:github/*
//	prompt:*          prompt:*/*
//	upstream:github   *:github/*, every kind
//	*                 *:*/*, everything
//
// A pattern may end in conditions, all of which must hold; ! is the opposite:
//
//	github/*[readOnlyHint]           tools that say they only read
//	*[!destructiveHint]              what says it does not destroy
//	db/*[readOnlyHint,!tag=pii]      tags are the operator's
//
// A hint that is missing, or no boolean, counts as MCP has it: readOnlyHint
// false, destructiveHint true, idempotentHint false, openWorldHint true. Brackets
// at the end of a URI are conditions only if they read like a list of them.
//
// Deny wins over allow, whichever of the principal's roles either comes from. A
// role that is not configured gives nothing. What roles ask (constraints and
// obligations) adds up over all roles of the principal.
//
// # Invariants
//
//   - No clear yes is a no: undefined, an error, a builtin that fails, 50 ms and
//     a wrong type hide the object, each with its own code in [AccessError]
//     (TestNoDecisionHides), refuse the call ([Decision.Code],
//     TestNoDecisionRefuses), or refuse every call ([Conditions.Refuse],
//     TestConditionsRefuse).
//   - Access, constraints and scopes depend on input.principal, input.object and
//     loaded data only; a file that says otherwise does not load
//     (TestDiagnostics).
//   - Rules about calls only subtract (TestCallsOnlySubtract): they never show an
//     object, and more of them never allow more.
//   - Principals of one class get the same answers and conditions, because the
//     policy is shown nothing but the members in the class
//     (TestOnlyTheClassDecides, TestClassCoversConditions).
//   - What rules read and what an audit stores is one document
//     (TestDocumentIsOne), and its time is the clock of the rules, so that the
//     same document is decided alike later.
//   - Roles mean what a naive reading of them means
//     (TestRolesMeanWhatTheySay), and patterns the same in Go and in Rego
//     (TestMatchIsThePolicys).
//   - No value that a caller or an upstream sends ends the process
//     (TestHugeNumbers, TestPanicIsNoAnswer).
//   - A policy reaches neither network, environment nor chance, and a clock only
//     in rules about calls.
//
// # Why the roles are indexed in Go and decided in Rego
//
// 2026-11-24. Load resolves the includes and files every pattern under the key
// the policy has at hand: those without a wildcard under the object's id, the
// others, joined to one expression for each role, under their upstream or "*".
// In prototypes (10,000 objects, 1 to 10 roles, 2 shared vCPU) a table for each
// role, walked by a function, took 33 to 243 µs for one object; this shape 13 to
// 22. The decision itself stays in Rego, with no shorter way around it, so that
// files of the operator add to it and the answer to "why" is the policy's own.
// What it costs grows with the principal's roles and the patterns about the
// object's upstream, not with all roles and patterns. BenchmarkAccess measures.
//
// # Why topdown and not the rego package
//
// 2026-11-24. opa/v1/rego builds a result set, a context and a cache of base
// documents for every evaluation, 4 of 17 µs. [Engine] compiles the query once
// and runs it with its own read-only cache of base documents, a cancel that is
// polled instead of a goroutine with a timer, and a cache of expressions that
// holds more than OPA's 100. Rejected: partial evaluation (gigabytes on
// policies driven by data), one query over a list of objects ("with" costs more
// than the rule), and WebAssembly, which stays possible.
//
// # Why dependencies are analysed twice
//
// 2026-11-24. The class must hold every member that the policy may read.
// dependencies.Base follows aliases, but misses the replacement values of a
// "with" on an assignment; a plain walk over the reachable rules finds those,
// but takes p := input.principal for a read of all members. The union is
// complete and still narrow. Should both miss a member, the policy sees it as
// undefined rather than another principal's answer as its own.
//
// # Why rules that never apply are errors
//
// 2026-11-25. A deny in package tolgate.access or a rule named denny would load
// in silence and hide nothing. So these stop the load: packages that are named
// almost like those of decisions, packages and rules that no decision reaches (a
// package counts as reached when one of its rules is, so that a library may hold
// more than is used), rules of another kind than the policy that ships has under
// their name, and a second file with an allow or a decision, which would let the
// first one's denials be skipped. Helpers of tests belong in files of tests,
// which are not loaded. Rejected: notes, which nobody reads where a policy comes
// from a bundle.
//
// # Why elements are read twice
//
// 2026-11-25. {"redakt": ["/a"]} refuses every call that it is about, at a time
// when its author is asleep. What a head spells out is therefore read when the
// policy loads, with the code that reads the answers of evaluation
// (TestDiagnostics). The rest shows at run time only: evaluation is then repeated
// with a trace to say in [Conditions.Detail] and [Decision.Detail] which rule gave
// it (TestConditionsRefuse). Answers that make sense are evaluated once.
//
// # Why constraints are static
//
// 2026-11-25. A constraint narrows the schema that a caller is shown and is
// checked at the call, and both must say the same. So constraints, and scopes,
// which are told before a call as well, may not read the arguments, the session
// or the time: that is a load error, and such a rule belongs in deny. Rejected:
// evaluating constraints at the call too, which would refuse calls that the
// schema just shown allows.
//
// # Why obligations are kept only when all of them are static
//
// 2026-11-25. Obligations add up: text is kept in a redacted result only if every
// rule that redacts says so, and the smallest cap counts. A sum of a kept and a
// fresh part would do, but every reader of it would have to know both. So the
// analysis of [Load] decides once: if no obligation depends on the call they are
// part of [Conditions], else all of them are found at the call and replace those.
//
// # Why large arguments refuse
//
// 2026-11-25. Policies are shown at most [MaxArguments] bytes of arguments, which
// bounds the time of a decision and the size of an audit record. A rule that reads
// arguments cannot decide without them, and leaving them out in silence would let
// a caller get past a deny by sending more. So such a call is refused with its own
// code, unless a rule reads input.arguments_truncated and so knows about it.
//
// # Why rules are taken out of a loaded policy
//
// 2026-11-25. A rule whose body is guarded by a part of data.tollgate.config that
// nobody configured (patterns with conditions) can never hold. Load compiles the
// policy without it: it then costs nothing for 10,000 objects, and the annotations
// that it would read are not built. The checks see the files as they are.
package policy
