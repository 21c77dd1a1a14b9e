// SPDX-License-Identifier: Apache-2.0

// Package wording says in plain words what CEL finds wrong with an expression, for the packages whose expressions operators
// write: limits and alerts.
//
// # Data flow
//
//	CEL's message and its line and column ─► the package of the expression: names that do not exist, which only it knows
//	    ─► [Issue] or [Syntax] (what is wrong), [Offset] (where) ─► the package's own Mistake, with its place
//
// It works on texts alone and does not import CEL: what it needs of CEL are the words of its messages. A message that it does
// not know stays as it is.
//
// # Invariants
//
//   - Every message that CEL's checker has for these packages' expressions is known (TestDiagnostics in packages limit and
//     alert, whose archives say what is made of them).
//   - An offset is within the text, or -1 (TestOffset, FuzzOffset).
package wording
