// SPDX-License-Identifier: Apache-2.0

// Package conformance tests the gateway as a whole: the official MCP suite, real clients and servers, bytes that must
// survive, upstreams that misbehave, and the rules this code base keeps.
//
// # Data flow
//
// Package harness builds the program and the fixtures once per test run and starts them on loopback ports; the tests here
// drive them from outside, as users do. npm/ pins the real clients, servers and the suite with a lock file; house/ holds the
// rules for the code itself.
//
// # Invariants
//
// Nothing here reaches beyond this machine. A test that needs Node is skipped, with the reason, where npm/node_modules is
// missing; with CI=true that is a failure. The ratchet files under testdata only grow.
//
// # Rough edges
//
// What the gateway does not serve, as the suite sees it, is listed in testdata/suite-*.json with its reason. Streams of
// earlier revisions are not resumed towards clients (no event ids): a client that lost one asks again. The tasks scenarios
// of the suite have no upstream that could serve them; the tests of aggregator/edge cover tasks with a scripted one.
package conformance
