// SPDX-License-Identifier: Apache-2.0

// Command tollgate is one MCP endpoint in front of many MCP servers.
//
// # Data flow
//
//	tollgate.yaml ─► plan ─► gateway (store, policy, upstreams, gate, edge) ─► listeners: HTTP, control socket, stdio
//	operator commands ─► control client ─► the running gateway, or one made for the command
//
// Each command has a file of its own; wire.go is the one place that knows every package, main.go the only os.Exit.
// `tollgate --help` lists the commands, and each says its exit codes.
//
// # Invariants
//
// Standard output of stdio and connect is the protocol and nothing else; logs go to standard error. One process owns a
// state directory; every other one attaches to it. A configuration with a mistake starts nothing and replaces nothing.
package main
