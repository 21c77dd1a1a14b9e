// SPDX-License-Identifier: Apache-2.0

// Package codemode executes programs that a model wrote. A program is TypeScript; it calls tools as functions of servers, and
// only what it returns and writes to the console comes back. It runs in QuickJS, which runs in WebAssembly, in a sandbox of
// its own. The package knows neither MCP nor policy: [Program].Call is the only way out of a sandbox, and decides.
//
// # Data flow
//
//	quickjs.wasm ─► fuel.Instrument ─► compiled once ─► prelude.js ─► image of the memory       (newBuild)
//	source ─► script.Compile ─► instance with the image ─► setup, evaluate, run                 (sandbox)
//	     ┌──────────────────────────────────────────────────────────────────────────────┐
//	     └► jobs until the guest waits ─► queued calls out ─► answers and timers back in ─┘     (loop)
//	─► value, failure, or only parked calls left: [Suspension] ─► Encode … DecodeSuspension ─► [Engine.Resume]
//
// The guest reaches the host through one function that takes a string: a letter, then what belongs to it (receive). The host
// reaches the guest through five functions of the prelude. The goroutine that called [Engine.Run] runs the guest, its host
// functions and the loop; other goroutines only make calls. When there is only one call to make, that goroutine makes it too.
//
// # Time
//
// A script holds a turn while it computes; there are fewer turns than processors. Every poll (package fuel) checks the CPU and
// wall limits and the context, and gives the turn to a script that waits for one. CPU time is the time with a turn, so it
// includes what a busy machine takes away, and excludes what the script waits for.
//
// A script that must stop gets an exception that it cannot catch, which knows the place; if it sits in a native loop, it is
// broken off some milliseconds later. Where a limit is a call of the script's, the place is that call.
//
// # Invariants
//
//   - A sandbox ends: by its value, or one of its limits (TestHostile, TestNativeLoops, TestTurns).
//   - No script changes what another one sees (TestRealm), nor finds a way beside its calls (TestForged).
//   - Never more calls at once than allowed (TestConcurrent), and none beyond the limit is made (TestCallLimit).
//   - A collection of garbage is never held up by a script (TestCollector).
//   - Nothing of an execution outlives it: calls nobody waited for are cancelled, and Run returns after they have (TestDetached,
//     TestCancel); nothing of an engine outlives Close (TestClose, TestMain).
//   - What a script gets and what the caller gets is JSON, also when it was cut (TestTruncateProperty, TestQuoteLargeProperty).
//   - A suspended script goes on in any engine of the same build as if it had only waited (TestSuspend), and with the limits
//     it had left (TestSuspendBudget).
//
// # Why a snapshot
//
// 2026-11-25. Starting QuickJS and the prelude takes milliseconds; copying 340 KiB takes a tenth of one. The same mechanism
// suspends scripts: a script that waits for an approval is its memory, and needs no replay that would have to be
// deterministic. Only pages that differ from the image are kept.
//
// # Why linear memory is mapped
//
// 2026-11-25. On Linux the memory of a sandbox is reserved as a whole and takes what the script touches: a third of its size,
// and nothing is copied when it grows. On the heap the same memory is cleared before it is used, which touches all of it, and
// makes the collector run every few scripts. Other systems use the heap.
//
// # Why limits on amounts stop the script
//
// 2026-11-25. An exception that the script can catch would let it go on after its last call without knowing what the others
// would have answered. A failure tells the model once, with the calls that were made. Results, answers and the console are
// cut instead, since there is something to show.
//
// # Why calls of a burst beyond the limit are not made at all
//
// 2026-11-25. Calls go out when the guest waits. A script that makes 200 calls at once with a limit of 100 is stopped before,
// so it has no effect that nobody planned.
package codemode
