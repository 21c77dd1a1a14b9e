// SPDX-License-Identifier: Apache-2.0

// Package redact takes out of what upstreams send what an obligation says a caller may not get. It knows where in results,
// errors and notifications of MCP data stands, applies JSON pointers to it, and withholds what pointers cannot be applied
// to. It edits bytes by splicing and decides nothing: which rule holds for a call is the policy's part.
//
// # Data flow
//
//	policy.Obligations ─► Compile ─► Rule, kept as long as the obligations are
//
//	upstream ─► Rule.Result         ─► result cap ─► client
//	         ─► Rule.Error          ─►
//	         ─► Rule.Notification   ─►
//
// A result is taken apart along its layout, the members that the protocol knows at each place. Each part is one of:
//
//   - the protocol's own, such as isError, resultType, ttlMs, taskId, status, a uri or the questions of an input_required
//     result: stays as long as it is what it should be, see below;
//   - data, such as structuredContent, members the protocol does not know, the data of a log message or of an error: the
//     pointers are applied;
//   - text, such as that of a text block, a resource, a statusMessage, an error's message: JSON in it is data, and anything
//     else is withheld;
//   - bytes, links and what no layout knows: withheld, with a note of what it was.
//
// All pointers are followed at once, in one pass over the data (matcher). The places, in full:
//
//	tools/call           content[], structuredContent; with resultType "task" statusMessage too
//	prompts/get          messages[].content, description
//	resources/read       contents[].text, contents[].blob
//	completion/complete  completion.values[]; what is withheld is left out
//	tasks/get            result (as of tools/call), error, statusMessage
//	notifications        progress: message; message: data; tasks: as tasks/get
//	errors               message, data
//	everywhere           _meta: tollgate/ goes, io.modelcontextprotocol/ is data, others go or, with keep_text, are data;
//	                     unknown members
//
// # Pointers
//
// A pointer is one of RFC 6901, with two segments more: * is any one member or element, ** any number of levels, none
// included. "" is everything. A name that is a number is also an index of an array. A pointer begins at the root of each
// document: of structuredContent, of the JSON in a text, of an unknown member of a result. Servers show the same value in
// documents of different shapes, for instance as an element of {"result": [...]} in structuredContent and by itself in a
// text block, so /**/email is safer than /result/*/email.
//
// Names are compared exactly, after unescaping. Values are taken out, names are not: a secret that is the name of a member
// needs a pointer to the object around it. Strings in data that are no JSON stay unless a pointer names them.
//
// # What the protocol's own members may hold
//
// Such a member stays unread, so it must have its very type: a number, a boolean, or a string that is a word (role, level,
// logger, status), a date, a media type, an address without quotes and braces that is no data: URI, base64, or, for a taskId,
// a progressToken and a nextCursor, up to 4 KB that do not begin like JSON. A member with another value is treated like one
// the protocol does not know: as data, or as text when it is a string. Of audience only words stay. Of the protocol's
// members of _meta the name, title and version of serverInfo, a related-task and a subscriptionId stay. A requestState is
// the exception: the upstream must get it back as it was, and clients see it encrypted only. What addresses, ids and words
// say is not looked into.
//
// # Documents in strings
//
// Servers encode twice. A string in data that is the JSON text of an object or array is a document too, and so on for three
// levels; deeper ones are withheld. In such a document pointers begin anew, and the ones that led to the string go on. Not
// looked into are: base64, Markdown fences and other prose around JSON, XML, YAML. Text of that kind is withheld with the
// rest of the text, and passes in data and where the operator chose keep_text.
//
// Even then, and in data, a string is withheld that begins with { or [ and is not one valid document: it was cut off, goes
// on with more, has NaN in it, or is of a looser dialect. White space and invisible characters of any kind, plain values and
// punctuation before it do not count. So "{name} came" is withheld. What begins with a bracket is prose when every bracket in
// it opens a tag of words, as in "[info] done", "[a](b)" or "[ ] to do", and it has no brace: nothing in it has a name or an
// index in any dialect. "[1] see there", "[NaN, x]" and "[info] {...}" are withheld.
//
// # Invariants
//
//  1. No value that a pointer names leaves in data, however its text is escaped or nested (TestNothingEscapes), wherever in a
//     message it stands (TestNoSlotLeaks), and however broken the text around it is (TestNoSpellingLeaks, FuzzText).
//  2. Every byte of a result stays that is neither such a value nor withheld, in the order it had (TestNothingEscapes). Of a
//     text that changed only the encoding of the one string is ours.
//  3. What comes out is valid JSON with the members that the protocol requires, whatever came in, and a second pass changes
//     nothing (FuzzResult).
//  4. Fail closed: what cannot be read without doubt is withheld as a whole (TestWithheldAsAWhole, TestDoubtfulText).
//  5. A Rule is not changed after Compile, and nothing writes to the bytes it is given (FuzzResult).
//
// # Why a string takes the place of a value
//
// 2026-11-25. A member that is gone looks like one the server did not have, and a model reasons about that; null does too.
// "[redacted]" says what happened and survives every client. The rejected option was a value of the same type, such as 0 or
// "": it is a false statement. The price is that a redacted result may not fit the tool's outputSchema, so package
// policy/narrow drops that from the definition of a tool whose results are redacted. Only structuredContent as a whole,
// which earlier revisions want to be an object, becomes {"redacted":"[redacted]"}.
//
// # Why text that is no JSON is withheld
//
// 2026-11-25. Most servers repeat structuredContent in a text block, many as prose or a table. Pointers mean nothing there,
// and a search for the redacted values in the text would miss every other spelling of them. keep_text is for tools whose
// text the operator knows.
//
// # Why every reading of a doubtful document counts
//
// 2026-11-25. Text with repeated names or lone surrogates reads differently in different parsers. In structuredContent,
// which real servers send so, each member of a name is treated alike, and whichever one a client takes, it is edited. In
// text such a document is withheld, and with keep_text edited like that. For the same reason members of the protocol are
// known by their names whatever the case: some parsers ignore it.
//
// # Why segments such as "a*" and empty ones are errors
//
// 2026-11-25. RFC 6901 allows both. Here they are nearly always a glob, or a slash too many, and a pointer that quietly
// matches nothing leaks. A name like that is matched by *.
//
// # Why an own walk over the bytes
//
// 2026-11-25. [tollgate/upstream/wire.Members] copies every name and skips a value before the caller goes into it, so each
// level reads the text once more. The walk here reads names in place and everything once: on 100 KB with nothing to redact
// it costs one and a half times the check before it, instead of three and a half times. It goes over checked text only; the
// check is wire's.
package redact
