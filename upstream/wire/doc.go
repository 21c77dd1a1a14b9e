// SPDX-License-Identifier: Apache-2.0

// Package wire is the MCP wire format as the gateway sees it: messages as raw bytes, read through spans and edited by
// splicing. It knows JSON-RPC envelopes, protocol revisions, the reserved members of _meta, the HTTP headers that repeat
// parts of the body, and the canonical form for digests. It imports nothing of Tollgate, so every package may use it, and
// it is the only JSON scanner on the path of a call.
//
// # Data flow
//
// Bytes from a client go through [Parse], bytes from an upstream through [ParseReply]. Both make one pass: they check the
// text and note where the members of the envelope are. From then on everything is a span of the received bytes:
//
//	e, err := wire.Parse(body)                             // strict; err is an *Error that can be sent as it is
//	name, ok := wire.MirrorName(e.Method, e.Params)        // or Lookup and String
//	params := wire.Set(wire.StripMeta(e.Params), "name", wire.AppendString(nil, original))
//	line := wire.AppendRequest(nil, id, e.Method, params)  // wire.OneLine for line-based transports
//
// [Set] and [Delete] replace the bytes they are asked to and copy the rest. Large integers, unknown members, the order of
// members, escapes and white space survive. [Members], [Elements] and [Lookup] trust their input: give them only bytes that
// passed a check, or parts of such bytes. On other bytes they answer something, but neither panic nor loop.
//
// # Invariants
//
//   - A text that passes [Check] reads the same in every JSON parser (FuzzCheck compares with two others). [CheckReply]
//     asks less of upstreams, and [CheckUnique] is between the two, for definitions that are hashed and approved.
//   - Names are compared after unescaping and exactly: "n\u0061me" is name, "Name" is not.
//   - No check takes more than n log n time in the length of the text, and none recurses deeper than [MaxDepth].
//   - Nothing here modifies the bytes it is given, keeps state or starts goroutines: every function may be called
//     concurrently as long as nobody writes to its arguments.
//
// # Why an own scanner
//
// 2026-11-24. A parser that decodes and encodes again loses what its types do not know, rounds numbers and sorts members,
// and costs twenty times the pass made here. encoding/json also takes the last of two equal names, ignores the case of names
// and repairs invalid UTF-8, each of which lets a policy and an upstream see different calls. jsontext would be strict
// enough, but only behind a decoder that copies tokens. What would change this: a standard validator with spans and
// uniqueness in one pass.
//
// # Why large objects are sorted instead of hashed
//
// 2026-11-24. To find equal names, objects of up to 16 members are compared pairwise and larger ones sorted at their end.
// That is exact, needs no seed, has no bad case an attacker could aim at, and does not allocate for ordinary messages. A hash
// table would be faster beyond some hundred members, which calls do not have.
//
// # Why replies may repeat names
//
// 2026-11-24. Servers in the field send schemas and results with repeated names and lone surrogate escapes. The gateway does
// not decide on what is inside of a result, so it relays them. It does decide on envelopes and on definitions, so there
// names are unique.
package wire
