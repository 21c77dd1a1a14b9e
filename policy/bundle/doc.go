// SPDX-License-Identifier: Apache-2.0

// Package bundle reads policies from OPA bundles and keeps up with a server
// that publishes them. It loads nothing: a [Bundle] is texts and data for
// policy.Load.
//
// # Data flow
//
//	file ──────────────────────► Read ─► Bundle ─► AddTo ─► policy.Options
//	URL ─► Fetcher ─► Read ─► Options.OnBundle ─┬► accepted: State, Options.Copy
//	        ▲  │ 304, same bytes                └► refused: tried again at the next poll
//	        └──┘ every minute, later when it fails
//
// [Read] takes the gzipped tar archive that "opa build" and "opa sign" write.
// With a [Verification] the archive must carry a signature (.signatures.json)
// over each of its files; without one any bundle is taken, signed or not.
//
// A [Fetcher] asks one URL with If-None-Match. [Fetcher.Start] gets the first
// bundle, from the server or else from the verified copy of an earlier run;
// [Fetcher.Run] polls until its context ends. Which bundle is in force is the
// caller's to know: a bundle that cannot be fetched, verified or loaded changes
// nothing but [State].
//
// # Invariants
//
//   - With a key, what was not signed is not read: a file that is changed,
//     added or missing refuses the bundle (TestSignedBundles, TestTampering).
//   - Reading takes bounded memory, whatever is sent (TestSizeIsBounded), and
//     writes nothing: names in the archive are never paths of this machine.
//   - The gateway's own data.tollgate cannot come from a bundle; rules of
//     package tollgate.access and tollgate.call can (TestRefusedContents).
//   - Nothing that looks like policy is passed over: files that OPA does not read,
//     and the first of two equal names in JSON, are mistakes with a place
//     (TestNothingIsPassedOver).
//   - Secrets (headers, the query of the URL) are in no error, log or state
//     (TestErrorsHoldNoSecrets).
//   - A bundle is fetched by https, or http on this machine, from one host
//     (TestRedirects).
//   - The copy holds only what was verified and accepted, and is verified again
//     when it is used (TestCopy).
//
// # Why the archive is read here and handed to OPA file by file
//
// 2026-11-25. opa/v1/bundle bounds each file and not their sum, reads whatever
// names come, and takes the first of several mistakes. Reading the archive first
// bounds all of it, refuses WebAssembly, plans and deltas by name, and leaves to
// OPA what must be its own: signatures, digests, roots.
//
// # Why a refused bundle is fetched again
//
// 2026-11-25. A bundle that does not load here may do so after the operator
// changes the configuration beside it. Its ETag is therefore not remembered, and
// each poll offers it again, at the pace of failures.
package bundle
