// SPDX-License-Identifier: Apache-2.0

// Package upstreamtest is an MCP server for tests whose answers are given as bytes: what no SDK would send can be sent.
//
// # Data flow
//
// [Server.InProcess] is an upstream.Config.InProcess: it answers requests that arrive on one pipe from Results, or lets
// Handle answer. [Server.Notify] writes to every open pipe.
package upstreamtest
