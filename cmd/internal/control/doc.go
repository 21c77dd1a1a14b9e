// SPDX-License-Identifier: Apache-2.0

// Package control is what operator commands ask of a gateway: keys, catalogs, calls, reloads, logins at upstreams, and a
// pipe for a stdio client.
//
// # Data flow
//
//	tollgate key|catalog|call|doctor|upstream ─► [Client] ─► HTTP ─┬─► control socket of the running gateway ─► [Handler]
//	                                                      └─► a gateway made in this process ─────────► [Handler]
//	tollgate stdio ─► [Client.Stdio] ─► upgraded connection ─► [Operations.Stdio]
//
// A command does not know whether a gateway was running: both ways end in the same handler.
//
// # Invariants
//
// The socket is private to the operating system user; whoever reaches it may do everything an operator may. Nothing of it
// is served on the network listener.
package control
