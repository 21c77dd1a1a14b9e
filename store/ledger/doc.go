// SPDX-License-Identifier: Apache-2.0

// Package ledger accounts for calls. It admits them against budgets, rates and concurrency limits, holds what they reserve,
// charges what they cost, and writes down all of it in the audit log. [Ledger] is what the rest of the program knows;
// [Engine] is the one of a single process, on bbolt. Package storetest has the tests that every engine must pass.
//
// # Data flow
//
//	[Engine.Reserve] ─► one mutex: room in the log? in every account? in every limit? ─► held ─► intent queued
//	      │                └─► no: *[ExceededError], *store.ExceededError or *[UnavailableError]; nothing is held anywhere
//	      └─► waits for the disk: strict calls, durable rates, and calls that no lease covers
//	[Reservation] Settle ─► what is not spent is free again ─► outcome queued ─► waits, but for async calls
//	audit.Log ─► commit ─► the book folds the batch ─► now and then a checkpoint ─► ledger.db
//	[Open] ─► ledger.db, as of some record ─► the records after it ─► what a crash left open is closed ─► live accounts
//	[Engine.Balances] ─► live accounts · [Engine.Costs] ─► ledger.db and what the book has not stored yet
//
// There are two views of the same money. The live accounts decide, under one mutex, and know what is queued. The book is the
// fold of what is on disk, owned by the writer of the log. Between them lies the queue.
//
// # Leases
//
// A call that does not wait for the disk may leave no trace when the process dies, after its upstream has done the work. So
// it may only draw on money that was set aside in a record on the disk: a lease. After a crash leases are charged in full.
// Near a limit there are no leases, and each call waits for its own intent.
//
// # Invariants
//
// [Engine.Check] walks those about state; it runs at the end of tests.
//
//   - Settled, reserved and leased of an account and period are never above its limit, unless that was lowered: at any
//     concurrency (TestSuite), with random interleavings, clock steps and crashes (TestModel).
//   - A call has room on every level or holds nothing on any (TestSuite).
//   - A reservation is settled once, whatever is called twice (TestSuite).
//   - A period never opens twice: money knows no time before the newest record (TestModel).
//   - Nothing is admitted that could not be recorded, and what was admitted is recorded however long the disk is full
//     (TestDiskFull, TestCommitFails, TestQueueFull).
//   - A caller who goes while its intent is written leaves nothing held (TestCallerGoesWhileWaiting).
//   - Costs are those of the outcomes in the log, on the civil day of their intents, in the zone that was configured when they
//     were written (TestRollupsModel, TestZoneChanges), whichever table answers (TestPlan, TestSkip).
//   - A disk that is slow makes calls wait or be refused, and loses nothing (TestSlowDisk, TestDiskFullForReal).
//   - Nothing runs after [Engine.Close] has returned (TestMain).
//
// # Costs
//
// ledger.db has a row for each civil day and set of labels, and tables that are sums of those rows: without user and key,
// without what was called, and by month. A question reads the one with the fewest rows that can answer it. Within a table
// the rows of an organisation, team or user are found by going from one place to the next. With a retention, rows go by whole
// months, once the last day of one is older than it: costs are known for up to a month longer than records. Without one they
// are kept for ever, as the records are.
//
// # Why there are four tables of costs
//
// 2026-11-25. With 2,000 users and 20 tools a million calls of a month make 678,000 rows, and reading them all takes over
// 100 ms. Most questions are about one team or user, or about tools and not users: those now read hundreds of rows, or some ten
// thousand. Only an answer that is long itself takes longer, such as each user on each day. The tables are a fold of the
// rows of days, so a checkpoint writes them and a check adds them up again. Rejected: all rows in memory, which is 70 MB a month
// for something that is asked for a few times an hour.
//
// # Why the log is the only thing written before an answer
//
// 2026-11-25. Balances and costs could be rows that a call updates. Then each call needs its own place in a transaction, and
// the audit log needs the same places again. As a fold of the log they cost no write of their own, cannot disagree with it,
// and can be computed anew at any time. ledger.db only shortens the next start.
package ledger
