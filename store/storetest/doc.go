// SPDX-License-Identifier: Apache-2.0

// Package storetest is what every engine of the ledger must pass. An engine that does can stand in for any other.
//
// # Data flow
//
//	test of the engine ─► [Run] ─► open ─► the engine, empty, on the clock of [Options] ─► calls of package ledger's interface
//	                                  └─► again for the same [Options.Dir]: what the engine kept
//
// # Invariants
//
// The names of the subtests say what is asked. All that a subtest does goes through the interface, so nothing in
// it knows whether the engine is one process on one file or many on a server. At its end, Check must find nothing.
//
// # Why the suite is a package (2026-11-25)
//
// The tests of the first engine could be copied for the second one, and then they would grow apart: what is promised is
// what both are asked. Rejected: a test that lists all engines, which would have to import those of others.
package storetest
