// SPDX-License-Identifier: Apache-2.0

// Package upstream connects the gateway to MCP servers: children over their standard streams, servers in this process, and
// servers at a URL, each in the era it speaks. It keeps the connections alive, knows what each server offers, and moves
// requests and answers as the bytes they are.
//
// A [Set] has one conn per configured upstream:
//
//	set := upstream.NewSet(&upstream.Options{OnCatalog: rebuild})
//	set.Apply([]upstream.Config{{Name: "files", Command: "mcp-files"}, {Name: "jira", URL: "https://jira.example/mcp"}})
//	defer set.Close(ctx)
//	err := set.Settled(ctx)                                     // everybody connected, or has failed to once
//	for _, snap := range set.Snapshots() { ... }                // what they offer
//	reply, err := set.Call(ctx, "files", &upstream.Request{Method: "tools/call", Params: params})
//
// # Data flow
//
//	Set.Call ─► conn.call    a slot (admission), a session (claim), the circuit (breaker), one more try after a lost session
//	            claim        the shared session (health), or on a legacy upstream one of the owner's (leases, leased)
//	            session.do   the era's _meta, a result that is an object
//	            link         one transport: stdio.go, http.go, sse.go; bytes, ids, limits, the order of the wire
//
//	conn.run ─► dialer       which era and transport (era.go, handshake.go)
//	            catalog      the four lists, checked item by item (snapshot.go, list.go, item.go)
//	            serve        refreshes: list_changed, age, failures, an open circuit (refresh.go)
//	            restore      subscriptions (subscribe.go, listen.go)
//	            pause        200 ms to 30 s with jitter, then from the top
//
//	httpConn.do ─► authorizer.sign     the token of the gateway itself; refreshed before it is past its time
//	               authorizer.renew    after a 401 or insufficient_scope: one refresh or login for all who wait, then once more
//	                 discover          resource and authorization server, from metadata that fits (oauth_discover.go)
//	                 client, login     registration, the person's browser, the callback (oauth_client.go, oauth_login.go)
//	                 keep              sealed by the TokenStore, by issuer and bound to the upstream's URL (oauth_keep.go)
//
// # States
//
// An upstream is [Connecting] until it is [Ready] or [Failed]. When its connection ends it is connecting again for as long as
// the next attempt is due within a second, and failed otherwise. Its last snapshot stays through all of this. A call that
// finds it connecting waits, at most for its own timeout or the start timeout; one that finds it failed with no attempt due
// is told the last failure at once. A connected upstream with something wrong is [Degraded], and Status.Failure names it.
//
// # Sessions
//
// A modern upstream has one session: each request says what its client can do. A legacy one has a shared session, which declares
// everything that makes servers list their tools, and is asked nothing between calls; and sessions of owners, opened when a call
// needs one. Such a session belongs to one [Request.Owner] and one flavour: the elicitation, sampling and roots its client
// declared, word for word. Where all calls of a session share one stream, a session with something declared runs one call at a
// time, so that what the server asks belongs to that call; the owner's next call gets another one, up to
// [Config.MaxInteractive], or waits. What comes outside of the exchange itself, such as the roots/list of a server that was just
// initialized, goes to the call that has the session; between calls it is answered with -32601. While a call waits for its
// caller to answer, its clock stands still and its slot serves others.
//
// # Invariants
//
//   - Two owners never share a session of a legacy upstream, except that [Config.Sessions] lets those with nothing to declare use
//     the shared one (TestOwnersNeverShareASession).
//   - A question reaches the peer of the call it belongs to, or nobody (TestQuestionsReachTheirCalls, TestQuestionBetweenCalls).
//   - Sessions of owners that fail leave the shared one and its calls alone, and it leaves them alone (TestSessionCannotBeOpened,
//     TestSharedSessionDies).
//   - One upstream never delays another: no lock is held while waiting for one, and each has its own goroutines
//     (TestOneBadUpstreamHarmsNoOther).
//   - A request is sent twice only when the first certainly was not executed or it is ReadOnly, and never three times
//     (TestRepeatAfterCrash, TestLostSession).
//   - An answer without a result is an error, never an empty success (TestAnswerWithoutResult).
//   - Nothing an upstream lists can panic, grow without bound or spoil the other items (TestPages, TestItems, FuzzItem).
//   - At most one refresh per second and upstream, whatever it sends, and the last change is never missed (TestStorm).
//   - Whoever stays subscribed to a resource misses no update while others come and go, over HTTP too, where one stream replaces
//     another (TestReplacedStreamIsHeardOut, TestNoUpdateIsLostBetweenStreams, TestCutStreamsAreToldOfUnderChurn).
//   - An [Error] names the upstream and what it did, never a URL, a header or a token.
//   - A token goes to the URL it was got for and nowhere else, and is in no error, status or log (TestLogin,
//     TestTokenStaysWithItsURL, TestNoLogin).
//   - Any number of refused requests lead to one refresh or login, and no server opens more than a few pages an hour
//     (TestRefreshOnce, TestStepUp, TestPacing).
//   - What an upstream names as its authorization server is dialed at allowed addresses only, wherever names and redirects
//     lead (TestReach, TestDialGuard).
//   - After [Set.Close] no goroutine, child or descriptor is left (TestMain).
//
// # Why own clients for every transport
//
// 2026-11-24. The design had go-sdk's ClientSession for legacy servers over HTTP. Its typed path loses or reorders
// notifications, cannot tie a server's request to the call it belongs to, reads JSON and error bodies without a limit, kills a
// session on any 4xx and on a standalone stream that an idle timeout closed, and rounds numbers in progress and _meta. Own
// code keeps the bytes and their order, and serves both eras with one link interface. The price is about two thousand lines
// that follow the specification by ourselves; go-sdk servers are the far end in the tests. What would change this: a client in
// the SDK that hands over raw messages with their stream.
//
// # Why a session survives a call that was given up
//
// 2026-11-24. A server may go on with a call that was cancelled or timed out, and may then ask something during the next one.
// Closing the session would be safe, but it is what a browser or a shopping cart lives in, and people cancel calls all the time.
// So the session must answer a ping before another call may have it: it has then read the cancellation, and is not stuck. What
// would change this: servers seen to ask on behalf of calls that were cancelled.
//
// # Why an attempt to open a session has a circuit of its own
//
// 2026-11-24. A program that cannot run twice, because of a port or a lock, fails every session but the first. Counted with the
// calls, these failures would keep the calls from the one session that works.
//
// # Why the login is our own and not go-sdk's handler
//
// 2026-11-24. go-sdk v1.8.0 has an authorization code handler that follows the specification. It registers anew for every login
// and keeps nothing, so that a restart costs a login; its refresh sends no resource parameter, and concurrent refusals are not
// one login; it accepts any PKCE method, goes on guessing after metadata that does not fit, and its errors quote what the
// authorization server sent. So its types, its parser of challenges and its client registration are used, and the flow, which is
// what has to hold for years of refreshes, is here. What would change this: a handler whose state can be saved and restored.
//
// # Why the resource must be named exactly
//
// 2026-11-24. Some clients accept metadata about a parent of the upstream's URL. A token for the parent is good for its other
// children, so that one tenant of a host could collect tokens for all. Servers that name their host have to be fixed; nothing
// but a slash at the end is overlooked.
//
// # Why silence on the probe costs a restart
//
// 2026-11-24. A legacy child that does not answer server/discover may be waiting for initialize, broken by the unknown method,
// or still starting. A fresh child that is initialized without a probe is right in the first two cases. For the third,
// initialize waits as long as the start timeout allows, and an upstream that refuses it is asked server/discover once more.
//
// # Why a stream on a pipe is closed before the next is opened
//
// 2026-11-24. The filter of subscriptions/listen cannot be changed, so another subscription takes another stream. Over HTTP it
// is opened before the old one is closed, and nothing is missed. On a pipe go-sdk v1.8.0 ends all streams of the connection
// when one is cancelled, so there the old one goes first, and what was subscribed counts as changed. What would change this: a
// go-sdk that keeps streams of one connection apart.
package upstream
