// SPDX-License-Identifier: Apache-2.0

// Package fuel rewrites a WebAssembly module so that it asks its host, every few thousand steps, whether it may go on. It
// turns bytes into bytes, knows no runtime and keeps nothing.
//
// # Data flow
//
//	module ─► sections, read strictly ─► every function body walked ─► module + a counter, three functions, more code
//
// The counter is a mutable global, exported under [Export]. Every function entry and every loop header takes one from it.
// When nothing is left, the module calls the function it already imports for the purpose ([Host]); an answer other than zero
// traps, zero refills the counter. While the host is asked the counter is zero or less, which tells such a question from one
// that the module asks on its own account.
//
// memory.fill and memory.copy become calls of functions that work in pieces and take from the counter by length.
//
// # Invariants
//
//   - A rewritten module computes what it did before (TestSameResults, FuzzInstrument).
//   - What the module could not do without a loop or a call takes bounded time between two questions (TestPolls,
//     TestBulkIsMetered).
//   - No input makes the parser panic, or take more than linear time and memory; what it does not know it refuses
//     (FuzzParse).
//   - A module that a runtime accepts is still accepted afterwards (FuzzParse, TestVendored).
//
// # Why rewriting
//
// 2026-11-25. Code that a WebAssembly compiler made cannot be pre-empted by Go's scheduler: one loop without a call holds up
// the next garbage collection, and with it the whole process. The runtime's own check at every back edge makes scripts four
// to six times slower. A counter costs nothing that can be measured, and covers native loops that an interrupt handler inside
// of an interpreter never sees.
//
// # Why bulk instructions are taken apart
//
// 2026-11-25. One memory.fill over 48 MiB takes milliseconds and counts as no step at all: a script that fills a typed array
// in a loop would spend seconds between two questions.
package fuel
