// SPDX-License-Identifier: Apache-2.0

// Package export writes records of the audit log in the forms that other programs read.
//
// # Data flow
//
//	audit.Stored ─► [Writer.Write] ─► its hash in the tree of the log ─┬─► jsonl: the text itself, byte for byte
//	                                                                  ├─► csv:   a row
//	                                                                  ├─► ocsf:  an event of OCSF 1.9
//	                                                                  └─► cef:   a line of CEF:0
//
// What a record becomes:
//
//	kind                                     ocsf                                            cef
//	intent, outcome, refusal, replay, shadow API Activity 6003, Read 2 or Other 99 ("Call")  kind:result
//	admin                                    API Activity 6003, by the verb of its action    admin:action
//	start, stop                              Application Lifecycle 6002, Start 3 or Stop 4   kind
//	lease, and kinds that come later         Base Event 0, Other 99                          kind
//
// Severity: what broke, was lost or was asked for in the name of somebody else is medium, what was refused or changed by an
// operator low, everything else informational.
//
// # Invariants
//
//   - One record is one line or row, in order; none is left out (TestEveryKindInEveryFormat). A record that cannot be read is
//     an error.
//   - The text of a record in JSONL is the text that the log proves (TestJSONLIsExact).
//   - What a row or a line says can be read back, whatever callers put into it (TestCSVReadsBack, TestCEFReadsBack, FuzzExport),
//     and no spreadsheet takes a cell for a formula (TestFormulas).
//   - An OCSF event depends on its record and the options only, and its fingerprint can be made again by everybody who knows
//     RFC 8785 (TestOCSFFingerprints). Everything that the record says is in it: the text is in raw_data.
//
// # Why an event has two attestations (2026-11-25)
//
// The profile record_integrity wants a fingerprint of the event in a canonical form. The log proves the record, not the event
// made of it. So the first attestation is about the record: its hash in the tree, the name of the tree as chain, the place
// before it as previous event, which shows gaps. The second one is the fingerprint of the event. Neither is signed, because an
// export must not need the key; a proof of `tollgate audit prove` is. Rejected: a chain over the events of an export, which
// would make the same record another event in each export.
//
// # Why arguments are sometimes a string (2026-11-25)
//
// Many readers of JSON have only floating point. A document that would come out of them changed, such as one with a number of
// 17 digits, stands in request.data as text. It is exact in raw_data in any case.
//
// # Why CSV and CEF are views (2026-11-25)
//
// A cell or a key holds one thing, so they leave out the decision document but for the arguments (CSV), the source and the
// client; CEF also cuts values at the length that its rules give them, with an ellipsis at the end. Place and leaf hash lead
// back to the record.
package export
