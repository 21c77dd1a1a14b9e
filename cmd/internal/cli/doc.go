// SPDX-License-Identifier: Apache-2.0

// Package cli is how the commands of tollgate talk: streams, exit codes, errors with hints, tables, JSON, questions.
//
// # Data flow
//
// A command gets [Streams] and returns an error. It writes its result to Out, as a [Table] or with [Streams.JSON], and
// remarks to Err. Only main turns the error into text and an exit code, with [Streams.Report]; no command prints its own
// failure or exits.
//
// # Errors
//
// What went wrong is an ordinary error. Wrap it in [Error] to add what to do about it (Hint) or another exit code; the
// wrapper changes nothing about errors.Is and errors.As. It is printed as
//
//	tollgate: message
//	hint: what to do
//
// Diagnostics of a configuration are printed as they are, since each starts with its file and line.
//
// # Invariants
//
//  1. Text that came from elsewhere (tool names, server names, labels) cannot move the cursor, colour the terminal or
//     reorder the line: [Table] and [Streams.Report] escape control and direction characters with [Clean].
//  2. Nothing is asked when nobody can answer: a question without a terminal is an error that names the flag to use.
//  3. JSON output is complete and the same on a terminal and in a pipe; tables are for people and may change.
//
// # Why exit codes are decided here and in main (2026-11-24)
//
// The packages that fail do not know about processes. An ExitCode method on their errors was the rejected option: the
// meaning of a code would be spread over the tree, and two of them would meet in one joined error.
package cli
