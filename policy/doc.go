// SPDX-License-Identifier: Apache-2.0

// Package policy decides what exists for whom. It evaluates the Rego policy
// data.tollgate.access for a principal and an object, in lists and calls alike.
// What it hides is, for the caller, the same as missing.
//
// # Data flow
//
//	files, roles, data ─► Load ─► Engine ─► Access(principal, objects) ─► answers
//	                       │         ├────► Class(principal)           ─► key for keeping answers
//	                       │         └────► Explain(principal, object) ─► role, pattern, sentence
//	                       └► Diagnostics and RoleErrors: all of them, none loaded
//
// [Load] flattens the includes of roles, turns their patterns into
// data.tollgate.config, compiles the files against the schema of the input
// document ([InputSchema]) and proves what access may depend on. An [Engine] is
// immutable. The gateway calls [Engine.Access] once for each class and catalog
// revision and keeps the answers as a bit set; no request waits for Rego twice.
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
// Deny wins over allow, whichever of the principal's roles either comes from. A
// role that is not configured gives nothing.
//
// # Invariants
//
//   - No clear yes is a no: undefined, an error, a builtin that fails, 50 ms and
//     a wrong type hide the object, each with its own code in [AccessError]
//     (TestNoDecisionHides).
//   - Access depends on input.principal, input.object and loaded data only; a
//     file that says otherwise does not load (TestDiagnostics).
//   - Principals of one class get the same answers, because the policy is shown
//     nothing but the members in the class (TestOnlyTheClassDecides).
//   - Roles mean what a naive reading of them means
//     (TestRolesMeanWhatTheySay).
//   - A policy reaches neither network, environment, clock nor chance.
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
// 2026-11-24. A deny in package tollgate.acces or a rule named denny would load
// in silence and hide nothing. Unknown packages under tollgate, access rules that
// no decision uses, and a second file with an allow (which would let the first
// one's denials be skipped) stop the load.
package policy
