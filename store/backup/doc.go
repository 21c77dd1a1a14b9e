// SPDX-License-Identifier: Apache-2.0

// Package backup copies a state directory and makes its files small again, while a gateway runs on it or while none does.
//
// # Data flow
//
//	[Source.Write] ─► NAME.tmp-<random>/ ─► state.db ─► ledger.db ─► audit log up to now ─► replies.db, programs.db ─► other files
//	     ─► all synced ─► read again: pages, records, hashes, checkpoints, accounts ─► backup.json ─► renamed to NAME
//	     ─► an archive: packed, unpacked in memory and compared ─► named NAME.tar.gz
//	[Source.Compact] ─► each file anew without free pages, ended segments sealed ─► renamed over the old one
//
// A copy is a state directory: it is used by naming it as one, or by copying it to where one was. To open it is to start after
// a crash at the moment of the copy: calls that were under way are closed as lost, and leases are charged.
//
// # Invariants
//
//   - A backup is whole or it is not there: until it is checked it has another name, and nothing is ever written over
//     (TestBackupIsNewOrNothing).
//   - Taken under load, it opens, and keys, accounts, costs and records agree with each other (TestBackupUnderLoad). The ledger
//     is copied before the log, so what it is about is in the log; replies come after it, so that no call that the copy
//     knows is made a second time by somebody who asks again.
//   - Calls go on while it is made (TestBackupUnderLoad).
//   - A backup is as private as the state directory: only its owner can read it (TestBackupUnderLoad).
//   - Whenever the process dies while files are compacted, they have all that was in them (TestCompactKill in package store).
//
// # Why the newest segment is written anew (2026-11-25)
//
// A bbolt file can be copied page by page while it is written, as long as one transaction is open all the time; but then no
// page of it is used again and the writer waits when its map has to grow. Reading records in small chunks holds up nobody, and
// hashing them shows on the way whether they are those that were written. Rejected: a snapshot of the file system, which not
// everybody has.
//
// # Why the copy is checked at once (2026-11-25)
//
// A backup that cannot be read is found out when it is needed. Reading it again costs about as much as writing it, and the
// pages are still in memory.
package backup
