// SPDX-License-Identifier: Apache-2.0

// Package auth says who is calling. A [Principal] comes from a credential and from nothing else: an API key over HTTP,
// the operating system user over stdio, and, where the operator allows it, nobody in particular over loopback.
//
// # Data flow
//
//	HTTP request ─► [HostGuard] ─► route ─► [Authenticator.Request] ─► *[Principal] ─► the gate
//	                  │ 403: host or origin     │ 401 + WWW-Authenticate: credential
//	                  │ not allowed             │ 503: the store cannot judge it
//	stdio process ─► [Stdio] (once) ─────────────────────────────────► *[Principal] ─► the gate
//
// HostGuard stands before everything a listener serves, routes without credentials included; the authenticator stands
// before every route that does something. A client that is refused learns which configuration key or which credential
// to change, never whether another key exists.
//
// # Invariants
//
//   - Identity comes from the credential: headers such as X-Role, bodies, _meta and clientInfo are never read
//     (TestIdentityFromCredential).
//   - The principal is a parameter and is never put into a context value (TestPrincipalIsNoContextValue).
//   - A request with anything wrong about its credential is refused; it never falls back to the anonymous role
//     (TestAnonymous).
//   - Anonymous access needs loopback at both ends of the connection and no sign of a proxy (TestAnonymous).
//   - Nothing a client sent appears unescaped in an answer (TestRefusalIsHarmless).
//
// # Why a Host list and an Origin list (2026-11-24)
//
// A page whose DNS name was pointed at this machine is of the same origin as the gateway in the eyes of the browser, so
// checks that compare Origin with Host, such as [net/http.CrossOriginProtection], pass it. Only a list of the names the
// gateway answers to stops it. The reverse does not hold either: a request with a proper Host may come from any page. So
// both are checked, on all routes alike.
//
// # Why a page on another loopback port is foreign (2026-11-24)
//
// Every program and every user of this machine may serve http://localhost:3000. With the anonymous role on, such a page
// could act as the user of the gateway. A page is of the gateway itself only when host and port are those the request
// was sent to, or those of a configured host; development pages are listed under origins.
//
// # Why tokens in a query string are refused (2026-11-24)
//
// RFC 6750 §2.3 warns of them, the MCP authorization text forbids them: they end up in the logs of every proxy on the
// way. Answering 401 even when a proper header is there as well makes the mistake visible while it is being made.
//
// # Why there is no cache of accepted keys (2026-11-24)
//
// The store keeps keys in memory and judges one in about a microsecond, so a cache would only delay revocation.
package auth
