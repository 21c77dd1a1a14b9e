// SPDX-License-Identifier: Apache-2.0

// Package harness builds and starts what the conformance tests need: the program itself, fixture servers, real clients
// and servers from npm.
//
// # Data flow
//
// [Bin.Tollgate], [Bin.EverythingServer] and [Bin.Driver] build once per test process. [Start] runs the gateway on a port of its own with a
// state directory of its own and stops it with the test. [Node] and [Package] find Node 24 and the pinned npm packages,
// or skip.
package harness
