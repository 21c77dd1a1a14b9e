// SPDX-License-Identifier: Apache-2.0

// Package declare writes TypeScript declarations of tools from their JSON Schemas: what a model reads before it writes a
// script.
//
// # Data flow
//
//	names of servers ─► Names ─► globals        names of tools ─► Members ─► members
//	Tool{Input, Output, …} ─► maker (keywords ─► type, references ─► named types) ─► method ─► One, Full, Compact
//
// The full form has descriptions and everything that a type cannot say (default, bounds, format) in comments. The compact form
// has one line per tool, with the types and the first sentence. Output types come from the output schema; most tools have
// none, and give unknown.
//
// # Invariants
//
//   - What satisfies the schema satisfies the type, or the type is looser: 291 real tools against another generator and tsc,
//     in both forms (TestDeclarations and TestDeclarationsOfOddSchemas in conformance).
//   - Order is that of the schema, and equal input gives equal text.
//   - Different names stay different, identifiers stay themselves, whatever the order: TestNamesAreInjective. Names are for
//     reading and writing scripts only; calls are authorised by the tool that the host finds behind them.
//   - Text of an upstream cannot leave its comment or string, and has nothing invisible in it: FuzzOne.
//   - No schema becomes large or slow, and nothing is fetched: TestBombs. What is cut becomes unknown.
//
// # Why objects are shown closed
//
// 2026-11-25. JSON Schema leaves objects open unless additionalProperties is false, and most tools do not say. An index
// signature on every object costs tokens and invites invented arguments, which servers drop or refuse. So only a schema that
// allows more explicitly shows it. An object without any declared property is open: it is what such schemas mean.
//
// # Why not through a table of types
//
// 2026-11-25. Generators usually make a tree of types first and print it. Here the text is made at once, with the strength of
// its outermost operator beside it, since nothing looks at types again; 113 tools take 4 ms in full and 3 ms compact. Named
// types are only made for what refers to itself, or is long and used more than once: a name that is used once costs tokens.
package declare
