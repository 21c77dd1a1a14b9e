// SPDX-License-Identifier: Apache-2.0

// Package store keeps what must outlive the process: API keys, the gateway's logins at upstreams, the secrets everything
// else is sealed with, and what calls with an idempotency key were answered. It owns the state directory and the control
// socket in it. It also counts: how often a limit has been used, and how many calls run under it.
//
// # Data flow
//
//	[Open] ─► lock, pages checked, schema checked ─► keys and secrets in memory
//	[DB.CreateKey], [DB.RotateKey], [DB.RevokeKey] ─► one write at a time ─► state.db, fsynced ─► memory
//	[DB.SaveToken], [DB.LoadToken] ─► sealed ─► state.db
//	[DB.LookupKey] ─► memory only ─► last use noted ─► state.db, at most once a minute and at [DB.Close]
//	[Dial] ─► control socket ─► [Listen] in the owner
//	[Limiter.Admit] ─► shards of all claims locked ─► room in every counter? ─┬─► count in all ─► [Admitted.Release]
//	                                                                         └─► count in none ─► [ExceededError]
//	[Limiter.Restore] ─► uses of before a restart count again
//	[File.Copy] ─► one moment ─► new file ─► read again
//	[File.Compact] ─► writers wait ─► copy without free pages ─► renamed over the file ─► writers go on in the new one
//	[Replies.Begin] ─► answered before? ─┬─► [Kept] or [ConflictError]
//	                                     └─► queue ─► one write for all that wait ─► replies.db, fsynced ─► the call
//	the call ─► [Replies.Finish] or [Replies.Forget] ─► queue
//
// A [Limiter] is in memory only; who keeps a log of the uses of durable claims can restore them. The ID and the key of a [Claim] name a counter, which comes into being with its first
// use and is forgotten once it counts nothing. There are three kinds: the uses of a rate up to 1,000 one by one, those of
// a higher rate in up to 64 buckets, and the calls that run.
//
// The directory (mode 0700) holds
//
//	state.db       bbolt; holding its lock is owning the directory
//	state.pid      process id of the owner; empty after a clean close
//	replies.db     bbolt; idempotency keys and replies
//	control.sock   unix socket, mode 0600
//	control.addr   where the socket is instead, when the path is too long for one
//
// and state.db holds the buckets
//
//	schema    version -> 4 bytes, big endian
//	secrets   root, pepper -> 32 random bytes each
//	keys      <id> -> JSON: the [Key] and the HMAC-SHA-256 of its text under the pepper; sequence = keys ever created
//	tokens    <upstream> -> the login there, sealed with AES-256-GCM under a key derived from root, bound to the name
//
// and replies.db, beside a schema and a pepper of its own,
//
//	replies   start of the HMAC of the caller, HMAC of caller and key -> the call, the digest of its request, its reply
//	ends      when an entry ends, its id -> nothing
//
// Both are opened by [OpenFile], as are files of packages below this one: a [Layout] says what they hold. Every value begins
// with a CRC-32C over bucket, key and value. A change of a layout raises the schema version and adds a step to its
// migrations; the steps and the new version are one transaction. Package backup copies and compacts all of the directory.
//
// # Invariants
//
// [DB.Check] walks those that concern the file; it runs at the end of every test.
//
//   - One process owns a state directory at a time, across all of [Open] to [DB.Close].
//   - Nothing but the owner's writes changes state.db: a damaged file and one of a newer schema are errors and stay as
//     they are (TestDamage, TestNewerSchema).
//   - The text of a key is on no disk. It is returned once by [DB.CreateKey] (TestSecretIsNotStored).
//   - The keys in memory are those on disk, apart from the last uses of one minute. A key is accepted only after it is
//     on disk, and refused from the moment its revocation is.
//   - Keys are revoked, never removed.
//   - A key has at most one successor, and it is stored in the same write as the end of the old key (TestRotateKeyOnce).
//     No rotation makes the old key live longer (TestRotateKeyEnds).
//   - No login at an upstream is on the disk in clear, and none opens under another name (TestTokensAreSealed).
//   - An unknown id and a wrong secret take the same steps (TestLookupSamePath).
//   - Nothing runs after [DB.Close] has returned.
//
// Those of every [File]:
//
//   - A copy is one moment of the file, and nobody waits for it (TestCopyBesideWriters).
//   - While a file is compacted there is always one of its name that has all that was written, whenever the process dies
//     (TestCompactKill) and whoever waits for its lock meanwhile (TestLockOfReplacedFile). When it is not certain that
//     the new one would outlast a power failure, nothing is written into it (TestCompactUnsure).
//
// Those of [Replies], which [Replies.Check] walks as far as they concern the file:
//
//   - A request with a key is executed once, however often and at however many places at once it is sent
//     (TestOneCallPerKey), until the key is forgotten (TestRepliesModel).
//   - A key is on disk before its call is made, and a call that was under way in a process that died is never made again
//     by itself (TestReplyIsOnDisk). The key of a running call is not forgotten.
//   - Whoever gives up waiting leaves nothing behind: a begin is taken back, an end is written (TestBeginGivesUp).
//   - Neither keys nor callers are on the disk in clear (TestRepliesAreHashed).
//   - Entries are bounded, of all callers and of each, and so are the bytes of replies (TestRepliesAreBounded).
//
// And those of a [Limiter], which starts no goroutine:
//
//   - No window of a rate, wherever it begins, has more uses than the rate, and no more calls run than may: at any
//     concurrency (TestLimitHoldsUnderLoad) and whatever the clock does (TestClockGoesBack, TestExtremes).
//   - All claims of a call are counted or none, and one thing at a time happens to a counter (TestAllOrNothingUnderLoad).
//   - Up to 1,000 uses a window the count is exact (TestLimiterModel). Above, a call is refused only if the limit was
//     used up within 64/63 of a window (TestBucketsModel).
//   - After [Limiter.Restore] of all uses an exact count is as if the process had never ended (TestRestoreModel), and no
//     window of a higher rate has more uses than the rate either (TestRestoreBuckets).
//   - A refused claim is admitted exactly after RetryAfter, if nobody else comes first (TestRetryAfterIsExact).
//   - The memory is that of the uses that count: at most 8 KB for a counter, and about twice as many counters as there
//     are in use (TestIdleCountersAreForgotten, TestUsesTakeLittleMemory).
//
// # Why the file is walked before bbolt opens it (2026-11-24)
//
// bbolt maps the file and trusts the numbers in it. A file that was cut off or has a bad page makes it read beyond the
// mapping, and that ends the process with a signal instead of an error. So every page is first read by plain reads and
// checked for bounds, order and ownership, under a shared lock. The state file is small (the audit log has files of its
// own), so this costs milliseconds. Rejected: recovering from the fault, which works only on the goroutine that meets it.
//
// # Why both headers must be good (2026-11-24)
//
// bbolt has two headers and silently goes back to the older one when the newer is damaged. The last write is lost then,
// and that may have been the revocation of a key. A header fits into one disk sector, so a torn write, which the older
// header is meant for, is not a state a power failure leaves behind. An operator who decides otherwise restores a backup.
// What would change our mind: a disk that tears sectors.
//
// # Why pepper and root key are two secrets (2026-11-24)
//
// Both lie beside what they protect, so against a thief of the whole file the length of the keys (190 bits) is what
// counts; the pepper makes leaked records useless by themselves. They are separate so that the root key can be replaced,
// or later be wrapped by a key from outside, without making every API key invalid.
//
// # Why unix sockets on Windows too (2026-11-24)
//
// Windows has had AF_UNIX since 2018 and Go's net package speaks it, so one code path and the permissions of one
// directory serve all three systems. Named pipes would need a library of their own and access lists of their own, for
// no gain: the default directory lies in the user's profile, which other users cannot enter.
//
// # Why a log up to 1,000 uses and buckets above (2026-11-25)
//
// "20 calls an hour" is a promise that people check by counting, so small limits are exact: eight bytes a use. At a high
// rate nobody can tell 63/64 of it from all of it, and a log would take megabytes for each key. Buckets err to one side
// only: their uses count until the last of them is a window old. Rejected: two fixed windows with a weighted mean, which
// assumes that uses are spread evenly and lets in up to twice the rate when they are not; a leaky bucket (GCRA), which
// enforces a pace and not a number per window, and so refuses the burst that a limit of 20 an hour plainly allows.
//
// # Why shards are locked in order (2026-11-25)
//
// A call has claims on several counters and must get all or none, so it holds every lock it needs at once. Taken in the
// order of the claims, two calls could wait for each other for ever. The shards are 64 so that the set of those a call
// needs is one word: its bits, lowest first, are the order, without sorting and without naming a shard twice. Rejected:
// one lock for all, which is simpler but makes every call wait for every other one; to count first and take back when a
// later claim is refused, which for a moment uses up what others are then refused.
//
// # Why the limiter has its own idea of the time (2026-11-25)
//
// Times are readings of the monotonic clock, and a shard never uses one before the latest it has seen. A clock that is
// set back would otherwise bring uses back to life that were already forgotten, or forget others too early.
//
// # Why idempotency keys have a file of their own (2026-11-25)
//
// Replies are large, come and go by the thousand a day, and losing them costs little; API keys are the opposite. A damaged
// or full replies.db must not keep anybody from logging in, and a backup of state.db should stay small. Rejected: the audit
// log, which may not hold replies at all; memory, because a client sends a request again above all after the gateway has
// failed.
//
// # Why a key of a dead process is a conflict for a day (2026-11-25)
//
// Nobody knows whether the upstream has executed the call. To make it again could pay twice, to answer with an error could
// hide that it was paid; so the answer names the call, which the audit log tells about, and a person decides. When there is
// no room for more keys, requests are refused for the same reason: an entry that is pushed out is a call made twice.
//
// # Why a compacted file is locked before it has its name (2026-11-25)
//
// The lock of state.db is the ownership of the directory, so there may be no moment without it. The new file is opened, and
// so locked, under another name; then it takes the name; then the old one is let go. Whoever had opened the old one and
// waited for its lock now has a file that nobody will ever read, so [OpenFile] compares what it has locked with what has
// the name, and tries again. Windows cannot rename over an open file: there ledger.db and replies.db are closed for a moment,
// which state.db guards, and state.db itself stays as it is.
//
// # Why a key is rotated only once (2026-11-25)
//
// The life of a successor is that of the key before it, and after a rotation the end that is stored is the end of its
// grace. A second rotation of the same key would pass that on, and leave two keys of which the operator knows one.
package store
