// SPDX-License-Identifier: Apache-2.0

// Package author holds the tools of those who write policies: running tests,
// formatting, and evaluating a query. Checking is policy.Load's work, which the
// gateway does as well.
//
// # Data flow
//
//	files ─┐                   ┌► Test ─► TestReport: tests, failed expressions, Coverage
//	       ├► parse ─► compile ┤
//	data ──┘                   └► Eval ─► Evaluation: values or undefined, trace, Coverage
//	one file ─────────────────────► Format ─► text
//
// Files are texts by name, as in policy.Options, with tests (names ending in
// _test.rego) among them. Data is the whole document under data: callers that
// want the shipped policy to know roles put data.tollgate.config into it.
// Mistakes in files are [policy.Diagnostics].
//
// # Invariants
//
//   - What passes here can load there: the builtins are those of the gateway,
//     and the input document has its schema (TestSameBuiltinsAsTheGateway,
//     TestMistakesHaveTheirPlace).
//   - A test that passes here passes with "opa test" (OPA's own runner is used),
//     unless a builtin of it fails, which is an error here as in the gateway
//     (TestFailedBuiltinIsAnError).
//   - Formatting does not change what a file means, which OPA's formatter alone
//     does not promise (TestFormatKeepsTheMeaning).
//   - Undefined is never reported as false or null (TestEval).
//   - Results have one order, whatever order they were found in.
//
// # Why failing tests run twice
//
// 2026-11-25. OPA's runner either measures coverage or keeps a trace. All tests
// run for coverage; those that fail, usually none, run once more for the trace
// that says which expression failed.
package author
