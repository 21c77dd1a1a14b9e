// SPDX-License-Identifier: Apache-2.0

// Package codetools are the gateway's own tools for models: they find other tools, say how these are called, and run
// programs that call them, so that a model reads neither the definitions of all tools nor what it only passes on.
//
// # Data flow
//
//	catalog.View ──► surface             servers as globals, tools as members, their types and ranking: of one view
//	    │ Present                        what a class is listed: everything, or a few of these tools that describe the rest
//	    ▼
//	gate ─► Answer ─► search, read       text
//	              └─► execute ─► codemode.Engine ─► inner ─► OwnCall.Inner ─► the same gate, the same caller
//	                        ▲                        │ a call that needs a confirmation is parked
//	                        │ answers                ▼
//	                  Keeper.Take ◄── client ◄── questions ◄── suspend: memory of the program, sealed, in Keeper
//
// The tools are entries of the catalog like any other, of the upstream [aggregator.OwnUpstream]: policies, limits, budgets
// and records know them under their names. What a program calls is decided on call by call; a program can do no more than
// its caller.
//
// # Modes
//
// In [Direct] these tools do not exist. In [Search] and [Code] they are all that is listed; other tools are still called by
// their names, and found by search instead of in the list. [Auto] chooses between direct and code by the size of what a class
// sees when it first looks, and holds on to that.
//
// # Invariants
//
//   - What a tool says depends on the view only: a hidden tool is in no search, no type and no error, and calling one ends
//     like calling none (TestHiddenInPrograms).
//   - What a program did is in the reply when it fails, so that a model does not do it twice (TestFailureListsCalls).
//   - A program that waits goes on once, for its own caller, with each confirmed call decided on anew (TestSuspended), also
//     after a restart (TestGoesOnAfterRestart). A confirmation is good for the very call that the user was asked about
//     (TestConfirmedIsWhatIsCalled).
//   - What a program may spend is spent at most, whatever runs at once (TestParallelSpend) and however often it waits
//     (TestBoundsHoldOn).
//   - No program begins another, nor calls a tool of a server under the name of another (TestNoProgramInPrograms,
//     TestOtherServersTool).
//   - What can be called is listed or can be found (TestModeNeedsItsTools), and every answer has an end
//     (TestAnswersAreBounded).
//   - Results reach programs as values: structuredContent, else JSON, else text; media without data (TestUnwrap).
//
// # Why a surface has its own ranking (2026-11-25)
//
// One index of the whole catalog with a filter would be smaller, but the weight of a word in it depends on tools that the
// caller may not see. An index of the view cannot give them away; it is made when a class first searches.
//
// # Why the state of a program is not in requestState (2026-11-25)
//
// The memory of a program is 100 KiB and more, and taking it back twice would run its calls twice. It stays in the state
// directory, sealed, and is taken out once; the client holds its name only.
package codetools
