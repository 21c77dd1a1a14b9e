// SPDX-License-Identifier: Apache-2.0

// Command driver is the client below the gateway in the client scenarios of the official suite: the suite's server is the
// upstream, the gateway is the client under test, and the driver makes it do what the scenario is about.
//
//	driver URL             drive the gateway at URL through MCP_CONFORMANCE_SCENARIO
//	driver -config URL     print a configuration of the gateway for the scenario, with URL as its only upstream
//	driver -browse URL     follow redirects from URL, as a browser in which nobody has to click
//
// # Data flow
//
// The suite sets MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_PROTOCOL_VERSION and, for some scenarios,
// MCP_CONFORMANCE_CONTEXT (a JSON object) for the command it runs; the driver finds them in its environment.
package main
