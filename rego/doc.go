// SPDX-License-Identifier: Apache-2.0

// Package rego holds the policies that ship with Tollgate, embedded as text.
//
// access.rego is package tollgate.access: it decides whether an object exists
// for a principal, from the roles in the configuration. call.rego is package
// tollgate.call: what is asked of calls (constraints, scopes, obligations), from
// the configuration too, and whether a call may go on. README.md beside them is
// the guide for authors who add files of their own.
//
// # Data flow
//
// The command adds the operator's files to [Modules] and hands all of them to
// policy.Load. Nothing here evaluates Rego: the tests beside the policies
// and the examples in README.md are run by the tests of package policy, the only
// package that imports OPA.
//
// # Invariants
//
//   - What ships loads without a diagnostic and alone shows nothing to anyone, and
//     refuses no call of what is shown.
//   - Every rule that ships is covered by a test in this folder.
//   - The files work with the plain opa command as well.
package rego
