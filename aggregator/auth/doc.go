// SPDX-License-Identifier: Apache-2.0

// Package auth says who is calling. A [Principal] comes from a credential and from nothing else: over HTTP an API key, an
// access token, a client certificate or the word of a trusted proxy, over stdio the operating system user, and, where the
// operator allows it, nobody in particular over loopback.
//
// # Data flow
//
//	HTTP request ─► [HostGuard] ─► route ─► [Authenticator.Request] ─► *[Principal] ─► the gate ─► [Principal.As]
//	                  │ 403: host or origin     │ 401 + WWW-Authenticate: credential          (act for a person)
//	                  │ not allowed             │ 403: genuine, but its contents cannot be used
//	                  │                         │ 503 + Retry-After: nobody can judge it now
//	stdio process ─► [Stdio] (once) ─────────────────────────────────► *[Principal] ─► the gate
//
// Request looks for exactly one credential, in this order, and tries no other once it found one:
//
//	Authorization: Bearer ─┬─ two dots ─► access token ─► memory of verdicts ─► [Issuer] ─► key ─► signature ─► claims
//	                       └─ otherwise ► API key      ─► [Keys]
//	connection from [Proxy].From       ─► the headers that Proxy names, or a refusal
//	client certificate                 ─► memory of verdicts ─► chain ─► revocation lists ─► [CertSubject]
//	loopback at both ends              ─► the anonymous role
//
// HostGuard stands before everything a listener serves, routes without credentials included; the authenticator stands
// before every route that does something. [Authenticator.ServeMetadata] needs no credential: it is how a client finds out
// where to get one. A client that is refused learns which configuration key or which credential to change, never whether
// another key exists.
//
// An authenticator never changes. After a change of the configuration a new one takes its place, with the signing keys of
// the old one ([Options].Previous), so that a reload asks no authorization server for anything.
//
// # Invariants
//
//   - Identity comes from the credential: headers such as X-Role, bodies, _meta and clientInfo are never read
//     (TestIdentityFromCredential, TestTokenIdentity). The one exception are the headers of a proxy, on a connection from
//     its address and without an Authorization header (TestTrustedProxy).
//   - The principal is a parameter and is never put into a context value (TestPrincipalIsNoContextValue).
//   - A request with anything wrong about its credential is refused; it never falls back to another credential or to the
//     anonymous role (TestAnonymous, TestOneCredential).
//   - Anonymous access needs loopback at both ends of the connection and no sign of a proxy (TestAnonymous).
//   - A token is accepted only with a public key that its own issuer publishes, of the kind its algorithm is for
//     (TestTokenAttacks, TestKeyFitsAlgorithm, TestSubjectsOfIssuers), and never after that key is known to be withdrawn
//     (TestRotation, TestRotationDropsRemembered).
//   - However many tokens name unknown keys, an issuer is asked once a minute (TestUnknownKeyFlood).
//   - No text in a token is taken apart into names of groups or roles, scopes apart (TestTexts, TestGroups).
//   - Two callers have the same [Principal.Key] only if everything that tells them apart agrees (TestKeyIsUnambiguous).
//   - A person that somebody acts for has no role of the program that acts, and cannot act for others (TestAs).
//   - Nothing a client sent appears unescaped in an answer (TestRefusalIsHarmless, TestTokenAttacks).
//   - Nothing goes on after Close of the last authenticator (TestReload).
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
// The store keeps keys in memory and judges one in about a microsecond, so a cache would only delay revocation. Access
// tokens are another matter: a signature costs fifty times the rest of a call, and their revocation is their expiry.
//
// # Why an own refresh of signing keys (2026-11-25)
//
// keyfunc chooses the key and jwkset reads it. Their client for HTTP is not used: it waits for its limiter inside the
// request, so that a flood of made-up keys makes callers with good tokens wait; it reads bodies of any size; it follows
// redirects anywhere; and it never says how old its keys are, which the limit of 24 hours without the server needs. Sets
// are read key by key because jwkset, given a whole one, also takes private and symmetric keys. What would change this: a
// client with these bounds and a clock.
//
// # Why the claims are spans of the token (2026-11-25)
//
// jwt.MapClaims takes the last of two equal names and turns numbers into float64. Here a token in which a name is there
// twice is refused, at any depth, and JSON pointers are followed in the very bytes that were signed.
//
// # Why some genuine tokens are a 403 (2026-11-25)
//
// A token with five thousand groups, or with a note that the groups did not fit, is valid; to read it as "no groups"
// would drop the groups that a policy denies by, and a 401 would send the client to log in again, for a token that says
// the same. The 403 carries no challenge and says what to change at the authorization server.
//
// # Why the URL of a toolset is a resource of its own (2026-11-25)
//
// RFC 9728 §3.3 makes a client compare the resource in the metadata with the URL it calls, and go-sdk does so byte for
// byte; the token it then asks for has that URL as its audience. So the metadata of /mcp/dev name /mcp/dev, and such a
// token opens that toolset alone. A prefix match would accept what was never asked for.
//
// # Why a proxy speaks for everything on its connections (2026-11-25)
//
// A request from a proxy without a user is refused even when the proxy has a certificate of its own or stands on this
// machine: both are the proxy's, and would let strangers act as it. Certificates in headers are not read at all; who
// terminates TLS in front of the gateway names the user.
//
// # Why stale revocation lists stop everybody (2026-11-25)
//
// With a list that is out of date, or none of the certificate's authority, nobody can tell who is revoked. Going on would
// make revocation a matter of luck, so the answer is 503, with an error in the log that says which list it is.
package auth
