// SPDX-License-Identifier: Apache-2.0

// Package narrow makes of the constraints in a policy what a caller sees and what a call must satisfy. A constraint is a JSON
// Schema fragment on one top-level argument of a tool. The same declaration serves twice: it is written into the schema that
// is listed, so that a model knows what it may do, and every call is checked against it.
//
// # Data flow
//
//	policy.Conditions ─┬─► Definition ─► the tool as it is listed, and the hash of its schema
//	inputSchema ───────┤       Schema
//	                   └─► NewCheck ─► Check.Arguments (each call) ─► nil, or a Violation to tell the caller
//	                                   Check.Upstream ─► the arguments without a reason that only the gateway asked for
//	configuration ─► CheckFragment ─► a FragmentError with a pointer and a hint
//
// Schema splices bytes: what does not change stays as the upstream wrote it. An argument's own keywords are tightened where
// that says exactly the same (enum, const, type, bounds, items and properties within the same rules); everything else becomes
// an element of allOf. Where other parts of the schema refer to what changes, a copy of it as it was is kept among the
// definitions and they refer to that. A schema whose root cannot take neighbours is moved to a definition as a whole.
//
// Check.Arguments asks twice. First each fragment judges the exact value of its argument: that is the authority, and it needs
// nothing of the upstream. Then the narrowed schema as a whole judges, which also catches what the tool itself would refuse.
// Where an upstream's schema cannot be used, [Check.Problem] says why, and the fragments decide alone.
//
// # Invariants
//
//   - Sound: whatever the narrowed schema accepts satisfies every fragment and has every required argument, and the original
//     accepts it. Complete: whatever the original accepts and the fragments allow is accepted. TestNarrowedIsExact holds both
//     against three implementations of JSON Schema. The one exception is wanted: a constraint on an argument that a closed
//     schema does not name admits it.
//   - Numbers are compared exactly, whatever their length: 1e2 is 100, and 9007199254740993 is not 9007199254740992.
//   - Nothing is ever fetched. References lead into the same text, in fragments and upstreams' schemas alike.
//   - Every evaluation has a budget that grows with the size of the arguments alone, so no schema makes a call slow: TestBombs.
//     A fragment without an answer refuses. A tool's own schema without an answer decides nothing: an upstream must not be
//     able to make its tool uncallable by a caller's arguments, and it checks them itself.
//   - A violation names arguments and what is allowed, never a value of the call. Names are quoted and cut.
//   - Equal input gives equal bytes, and narrowing again with the same conditions changes nothing of what fits.
//   - Nothing here keeps state: every function and a Check may be used by many goroutines.
//
// # Why fragments imply types
//
// 2026-11-25. Keywords of JSON Schema say nothing of values of other types, so {"maximum": 100} admits the text "1000", and
// where a tool's schema leaves the type open, or the tool reads numbers out of texts, the bound is none. Nobody who writes
// maximum: 100 means that. So a fragment whose keywords all look at one type gets that type, in what is listed and in what is
// checked, and so do the schemas of its members and items ([CheckFragment] says when). It only ever allows less. Rejected: a
// warning, which leaves the hole to those who do not read it; and types under not, if, anyOf and oneOf, where a stricter part
// can make the whole allow more, or where several types are what is meant.
//
// # Why an own evaluator
//
// 2026-11-25. The library that was planned for this (google/jsonschema-go v0.4.3) cannot be the authority: it takes
// json.Number for a string, rounds the numbers of schemas and of enum to float64, so that 9007199254740992 passes for
// 9007199254740993, finds that 0.3 is no multiple of 0.1, reads keywords in any case, and overflows the stack, which ends the
// process, when a $ref leads to itself. It has no budget either, and its errors quote the value. santhosh-tekuri/jsonschema is
// exact, but unbounded too. What is needed is small, since nothing is fetched and identities, anchors and dynamic references
// are left out. It passes the 1,834 cases of the JSON Schema Test Suite that do without these (TestSuite), and both libraries
// are second opinions in the tests. What would change this: a library with exact numbers and a budget.
//
// # Why fragments have fewer keywords than schemas
//
// 2026-11-25. Every fourth tool of testdata/tools.json declares draft-07. Clients that check such a schema pass over prefixItems,
// minContains, unevaluatedProperties and the like, so what they see would be wider than what holds. Refusing these words when
// the configuration is read is better than a constraint that some see and some do not. For the same reason unknown keywords,
// formats alone and keywords for other types are mistakes: they look like constraints and are none.
//
// # Why references get copies
//
// 2026-11-25. Generators write "#/properties/from" for the type of the argument to, so narrowing from would narrow to as well,
// and recursive tools refer to "#". The option to say everything in an allOf at the root leaves references alone, but many
// clients show models nothing of it. It remains for schemas with anchors, whose references cannot all be known; there a part
// that refers to the root is narrowed with it.
package narrow
