// SPDX-License-Identifier: Apache-2.0

// Command tokens counts what models read and write to do five tasks with 291 tools of 12 real servers: when all tools are
// listed, when only the servers of the task are, when tools are searched for, and when programs call them.
//
//	go -C conformance/tokens run .                               the table
//	go -C conformance/tokens run . -show "code: search, read, execute"   and these conversations, word by word
//	UPDATE=1 go -C conformance/tokens test -run TestTable .      new numbers in testdata/golden.json, when they are meant
//
// It needs the pinned npm packages. TOLLGATE_BIN, or -tollgate, names a program to measure instead of that of the tree.
//
// # Data flow
//
//	fixtures ─► filesystem, memory (npm)  ─┐
//	snapshots ─► github, nine that only list ─┴─► tollgate serve ─► toolsets
//	                                                                      ▲ MCP
//	task ─► arm: who calls what, in which turn ─► session ────────────────┘
//	            └─► transcript: what is read and written ─► measure ─► table
//
// Every call is made, through the gateway, and every arm must end with the answer that the fixtures have and with the same
// files and the same graph. Who decides what to call is a script in place of a model: it searches with words that find what
// it needs, and its programs are right, but for one arm in which the first program of every task fails.
//
// # Invariants
//
//   - Arms give equal answers and leave equal traces behind, and programs need at least 90 % fewer input tokens than the
//     servers of the task with calls in parallel (TestTable).
//   - The numbers are those of testdata/golden.json, but for a few percent (TestTable).
//   - The catalogs are what they were when the numbers were made (TestCatalogs).
//   - A turn reads everything before it again (TestTranscript).
//   - A real client gets the same answer of a program as of single calls (TestInspector).
//
// # Why a module of its own that requires nothing of the other (2026-11-25)
//
// The tokenizer brings its vocabularies, 12 MB, which nobody needs who builds the gateway. The gateway is built and started
// as a program, so that the two modules cannot disagree about versions.
//
// # Why the baseline is the servers of the task, in parallel (2026-11-25)
//
// With all tools listed any other way looks good: the definitions are read again in every turn. Who works with a few servers
// only lists these, and good models call in parallel. That is what a program must be better than.
//
// # Why definitions are counted as name, description and inputSchema (2026-11-25)
//
// It is what model interfaces take. Titles, annotations and output schemas do not reach the model; of results, their text
// does.
package main
