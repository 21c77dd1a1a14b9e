// SPDX-License-Identifier: Apache-2.0

// Package audit is the audit log: records that are only ever appended, a hash tree over them that shows every later change,
// and signed checkpoints of that tree that can be kept elsewhere. It is also the write-ahead log of package ledger, so a
// record is on disk before anybody relies on it.
//
// # Data flow
//
//	[Log.Append] ─► queue ─► writer: all that queued during the last commit ─► hashes ─► one transaction, one fsync
//	     ─► file of hashes ─► [Log.Size] ─► Options.Committed ─► [Receipt.Wait] returns
//	a commit fails ─► who does not insist is told ─► segment opened anew, what the log does not count taken out
//	     ─► the others are tried again, after 250 ms to 2 s, until it works; meanwhile [Log.Append] refuses
//	day over or enough records ─► next segment ─► [Log.Seal]: the ended one as compressed blocks with an index
//	[Log.Prune] ─► hashes that proofs need are kept ─► whole sealed segments removed
//	each minute or 10,000 records ─► checkpoint signed ─► file ─► each [Sink], tried again until it is taken
//	[Log.Scan] ─► chunks of at most 1,000 records, each in a transaction of its own
//	[Log.Wait] ─► returns after the commit that takes the log beyond a size
//	[Log.Query] ─► what the index cannot rule out ─► marks, kind, time and text ─► decoded records that are selected
//	[Log.Prove] ─► [Proof]: text, signed checkpoint, hashes ─► [ParseProof], [Proof.Check] elsewhere, with the key alone
//
// The directory (mode 0700) holds
//
//	<first record, 12 digits>-<UTC day>.db      a segment: bbolt; holding the lock of the newest is owning the log
//	<first record, 12 digits>-<UTC day>.hashes  the hashes of its records, 32 bytes each, as package tlog numbers them
//	checkpoint                                  the newest checkpoint, a signed note
//	checkpoints                                 all of them, an empty line behind each
//	pruned                                      what retention has kept of removed segments
//	*.tmp                                       not finished; removed by [Open]
//
// and a segment the buckets
//
//	meta     version, origin (the name of the log), node, start (first record and the tree before it), tree (how far the
//	         segment goes, root, checksum of its hashes, time of the last record), sealed; each with the checksum of a record
//	         of package store
//	records  place, 8 bytes big endian -> text; until the segment is sealed
//	blocks   place of the first record -> up to 256 records, deflated; once it is
//	index    the same -> how many, from when to when, and the hashes of the labels in them, with a checksum
//
// # Invariants
//
//   - A receipt without error: the record is on disk, and no crash takes it away (TestKill). A receipt with a [FailedError]:
//     it is not in the log (TestFailingCommit, TestFaultsModel). Only a crash between the two leaves that open.
//   - Records are on disk in the order of Append, and Options.Committed is told of each once, in that order, before anybody
//     who waits for it (TestGroupCommit, TestFaultsModel).
//   - A full queue refuses and forgets nothing it has taken (TestQueueFull). Entries to be kept are always taken.
//   - The log goes on by itself when the disk does (TestRecoveryWithNothingToWrite, TestDiskFullForReal).
//   - One process owns the log, from [Open] to [Log.Close] (TestSecondProcess).
//   - A segment has all of its records or is an error: its pages are walked before it is mapped (TestDamagedSegment), its
//     sealed form is read back before it takes its place (TestSealInterrupted), and none is repaired or wiped.
//   - The hash files are worth nothing: whatever happens to them, they are made again (TestHashFile).
//   - A log that is older than its newest checkpoint is not opened (TestOlderThanItsCheckpoint).
//   - What [Log.Prune] leaves proves every record that is left, and that each checkpoint continues all before it
//     (TestProofsAfterPrune).
//   - A proof that passes Check is about the record that the log has at that place: it does not outlive a change of any of its
//     bytes (TestTamperedProof, TestTamperedSignature, FuzzParseProof), and exists for every record that is left and from every
//     checkpoint that was ever signed (TestProofOfEveryRecord, TestProofAfterPrune).
//   - No proof is made of what was not written, and none after Close (TestProveDamaged, TestProveBesideClose).
//   - With the index or without, a query finds the same (TestIndexedQuery); a damaged index is an error (TestDamagedIndex).
//   - Who waits wakes with the commit that he waits for, and with the end of the log at the latest (TestWait, TestWaitEnds).
//   - Readers never hold up the writer for longer than it takes to begin a segment (TestScanBesideTheWriter).
//   - Nothing runs after [Log.Close] has returned (TestCloseWritesWhatIsQueued).
//
// # Why no linger (2026-11-25)
//
// While one commit waits for the disk the next batch gathers by itself, as large as the load makes it. Waiting a millisecond
// for more makes every answer slower and only saves processor time that is not short: 64 callers share a commit by 32, 256 by
// 128. Rejected: one transaction for each record, which is a hundred times slower with 64 callers.
//
// # Why a failed commit is taken back (2026-11-25)
//
// A commit that fails may be on disk all the same. Its callers have been told that it failed, and have refused the calls it
// was about; to count it later would charge them for nothing. So what the log does not count is removed when the segment is
// opened again, in one transaction, before anything else is written. Nobody has seen it: not readers, not a checkpoint.
//
// # Why a segment is written over itself after a failed sync (2026-11-25)
//
// Linux drops the pages that it could not sync, or keeps showing them while the disk has older ones; a second sync then
// succeeds and means nothing. So all pages are written again, the two headers last. A full disk needs none of it: there the
// write fails and not the sync.
//
// # Why the hashes are in a file of their own (2026-11-25)
//
// They are two thirds of the records in number and random in content, so that in the database they would double the pages of
// a commit. Beside it they cost one write, without sync: a checksum in the segment, stored with each commit, says whether
// they are whole, and hashing a million records again takes a second. The same checksum makes opening a segment cheap.
//
// # Why a segment begins with the tree before it (2026-11-25)
//
// With the few hashes that make up that tree a segment is checked and continued without any other file, the segments before
// it may be gone, and one that does not belong there has another root.
//
// # Why the whole newest segment is walked at the start (2026-11-25)
//
// Package store says why files are walked. A million records are 115,000 pages, and walking them, making the list of free
// pages and checking the hashes takes 0.4 s. Rejected: a mark of an orderly end that saves the walk, which trusts a disk on
// the one occasion when a bad page can still be an error. Sealed segments are walked when they are first read.
//
// # Why checkpoints are signed beside the writer (2026-11-25)
//
// Storing one takes three syncs, which nobody's call should wait for. Sinks may be slow or away for hours; up to 64
// checkpoints wait for each, then the oldest is left out, since the newer ones cover it.
//
// # Why a proof names the part that does not hold (2026-11-25)
//
// "Invalid" sends its reader looking for a manipulation where a file was mixed up. So the signature comes first, then place,
// length of the path and hash, each with an error of its own, and a record that is right at another place nearby is said to
// be there. Whether the text or a hash beside it was changed cannot be told: all that is known is that together they do not
// give the hash that is signed.
//
// # Why the index of a block is a sorted list of hashes (2026-11-25)
//
// A query by user over a million records looks into the indexes of 4,000 blocks, without decoding them, and opens those that
// have the user. Lists of places for each label would be exact, and larger than the records: a call has two records and ten
// labels. The index is not part of the tree, since it can be made again from the records: who exports or verifies reads
// these, and what it costs to trust it is a query that finds too little after somebody has forged both it and its checksum.
package audit
