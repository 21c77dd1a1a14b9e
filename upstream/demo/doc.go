// SPDX-License-Identifier: Apache-2.0

// Package demo holds the two MCP servers that a gateway without a configuration serves: a library of documents that can
// be searched and read, and a database of orders with reads, writes and one destructive tool. They run in this process
// and do what they say: search ranks, orders change, a deleted order is gone.
//
// # Data flow
//
// [Library] and [Orders] each start a go-sdk server on one end of a pipe and return the other end, which
// upstream.Config.InProcess takes. The gateway speaks to them like to any other server.
//
// # Invariants
//
// Nothing is written to disk. Every connection to Library shows the same documents; every connection to Orders gets a
// fresh database with the same five orders. Closing the pipe ends the server.
package demo
