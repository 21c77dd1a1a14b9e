// SPDX-License-Identifier: Apache-2.0

// Package config reads tollgate.yaml.
//
// [Load] and [Parse] turn the file into a [Config], or into [Diagnostics] that list every mistake at once, each with
// file, line, column, the dotted path of the value and a hint that says what to write instead.
//
// # Data flow
//
//	bytes ─► document ─► decoder ─► checks ─► *Config
//	         (syntax.go) (decode.go) (check*.go)
//
// The document step parses YAML into nodes and refuses what the shape never needs: a second document, duplicate keys, merge
// keys, tags, aliases that expand without end. The decoder fills the structs of config*.go by reflection; their tags are the
// only description of the shape, and schema.json is generated from the same tags. The checks look at the values
// together: names used twice, listeners that would be open to the network, roles that do not exist. Each step goes on after a
// mistake, so a reader fixes the file in one round.
//
// What is written in the languages of others is judged by their owners, and only the positions are added here:
//
//	roles, patterns, scopes        policy.CheckRules
//	limits and their CEL           policy/limit.Compile, with places inside of their texts, also over several lines
//	constraints[].arguments        policy/narrow.CheckFragment, with places inside of the schema
//	obligations[].redact           aggregator/redact.CheckPointer
//	budgets                        policy/limit.CompileBudgets
//	audit                          aggregator.NewRecording
//	alerts.rules                   policy/alert.Compile, with places inside of their texts
//	alerts.sinks                   aggregator/alert.Sink.Check
//
// rules*.go turn the structs into the types that these packages take.
//
// # References
//
// Strings under upstreams[].url, args, env and headers, under policy.bundle.url and headers, in audit.checkpoints.webhook and
// under alerts.sinks[].url, secret and routing_key may hold ${env:NAME}, ${env:NAME:-default}, ${file:path} and
// ${keyring:service/user}; $${ is a literal "${". They are replaced once, while the file is read; the result is never read
// again for references. A reference that yields nothing is a mistake with a position, never a literal and never the empty
// string. The text as written and the value live side by side in [Secret], which prints as "***" whatever the verb, so a
// Config may be logged.
//
// # Paths
//
// A relative path in the file is relative to the directory of the file. References to files and the file itself may be
// reached through symbolic links only while these stay inside that directory, which is how Kubernetes mounts volumes.
//
// # Invariants
//
//  1. A Config that Load returned has been checked completely; nothing downstream needs to check it again.
//  2. No diagnostic shows the value of a header, of a variable, of an argument or of a URL of an upstream, of a bundle or of
//     a receiver, nor a secret or key of a receiver, nor the resolved value of any reference. Source lines are cut where
//     such a value starts.
//  3. Positions lie inside the file: lines count from 1, columns count characters from 1.
//  4. A Config never changes after Load returned it. Reloading makes another one.
//
// # Why the tags of the structs are the schema (2026-11-24)
//
// The rejected option was to validate against schema.json and map instance paths back to positions. A general validator
// says "does not match pattern" or "no subschema of oneOf matched"; a reader wants `unknown transport "htp"`. With the
// tags there is one description, and a test holds that the published schema and the decoder accept the same files.
//
// # Why merge keys and tags are refused (2026-11-24)
//
// A merged key has two positions and "which one wins" has had three answers in the history of YAML. Plain aliases
// cover what people use merge keys for in this file.
//
// # Why a pattern that names no upstream is only a warning (2026-11-24)
//
// Roles outlive upstreams: removing one for an afternoon must not stop the gateway. But a typing mistake in deny opens
// what it should close, so the reader is told. The same holds for a tag that no upstream has: "!tag=pii" then holds for all.
//
// # Why JSON Schema is kept as text (2026-11-25)
//
// A constraint is shown to clients inside the schema of a tool and compared exactly, so 1.50 stays 1.50 and 1e400 stays a
// number. Values that went through float64 would not. YAML spellings of numbers that JSON does not have (0x10, 1_000) are
// refused rather than translated: the reader of the narrowed schema should find what the file says.
//
// # Why amounts are read as text (2026-11-25)
//
// Budgets hold to the nano-dollar, and 0.1 is no float. So amounts and shares are read from the digits of the file, whether YAML
// takes them for a number or not. A bare 80 as a warning is refused: it is 80% to its writer and eighty times the limit to a
// reader of shares.
//
// # Why a budget that nothing charges is only a warning (2026-11-25)
//
// Costs stand at limits of roles, and a role may be taken out of the file for a day. But a budget whose patterns no limit with a
// cost shares is the likeliest mistake: it looks like protection and never fills. So the patterns of both are intersected.
//
// # Why a date ends with its day (2026-11-25)
//
// "until: 2026-12-31" is read by people as including that day. Midnight at its start, as YAML has it, would cut a day off.
// Who needs less writes the time.
package config
