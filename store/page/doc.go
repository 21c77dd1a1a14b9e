// SPDX-License-Identifier: Apache-2.0

// Package page walks the pages of a bbolt file by plain reads. bbolt itself maps the file into memory and trusts every
// number in it, so that damage can end in a crash of the process, which no caller can turn into an error.
//
// # Data flow
//
//	file ─► headers: readable, of two transactions in a row, within the file ─► [Used]
//	     ─► pages from the root on: kind, bounds, order of keys, no page twice ─► freelist ─► [Check]
//
// # Invariants
//
//   - A file that passes [Check] makes bbolt read nothing outside the file and follow no loop (TestFlipsAreNoticedOrHarmless).
//   - What bbolt itself finds in order passes (TestPagesAgreeWithBbolt).
//   - Nothing is written, and the memory needed is that of the inner pages on one path and one byte for each page.
//
// What the values mean is the caller's to check: bbolt protects its two headers by checksums but not what it stores.
package page
