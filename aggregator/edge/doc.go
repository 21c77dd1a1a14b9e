// SPDX-License-Identifier: Apache-2.0

// Package edge speaks MCP to clients: both protocol generations, over streamable HTTP and over stdio, behind one URL or
// one pipe.
//
// # Data flow
//
//	HTTP  POST ─► [Server.ServeHTTP] ─ authenticate ─ check the bytes ─┬─ modern: headers, _meta, then serve
//	      GET  ─► the session's notification stream (legacy)          └─ legacy: session, then serve
//	stdio line ─► [Server.ServeStdio] ─ check the bytes ─ era of this message ─ serve
//	serve ─► Gate.View (lists) | Gate.Call | Gate.Subscribe ─► stream: notifications first, one answer last
//	catalog and resource changes ─► hub ─► listeners whose own view changed
//
// One function, serve, answers a request of either era; a stream is where the answer goes. The HTTP stream is a JSON
// body that turns into server-sent events at the first notification.
//
// # Invariants
//
// Every request gets exactly one answer or, once cancelled, none. A message written before the answer is never overtaken
// by it. A session belongs to the credential that opened it. A client is told of a list change only when the list it may
// see changed.
//
// # Extensions
//
// server/discover declares the extensions of the modern upstreams the caller sees, as far as they work through the gateway
// (bridge.CarriesExtension); initialize declares none. A client that subscribes to tasks (taskIds) is told by the
// acknowledgement that it gets none and goes on polling, as the extension allows: the stream an upstream is listened to by
// is shared by all callers and carries lists and resources only. An app that calls tools of its server by their own names
// does not find them where the upstream is shown under a prefix.
//
// # Why own handlers for the earlier protocol revisions too (2026-11-24)
//
// The design planned to serve clients of earlier revisions by go-sdk's stateful handler behind a raw middleware. That
// handler takes params apart into typed structs before any middleware sees them: unknown params fields, numbers above
// 2^53 in _meta and progress tokens are gone, and progress and log notifications can only be sent through its typed
// structs. It also answers integer ids through float64. Keeping bytes whole would have meant capturing the body beside
// it, which leaves little of the handler in use. The session layer here is a map, a timer and one stream, and it shares
// everything else with the modern handler. Rejected: the SDK behind a body-capturing middleware. What would change our
// mind: a raw message API in the SDK.
package edge
