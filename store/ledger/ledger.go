// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"time"

	"tollgate/store"
	"tollgate/store/audit"
)

// Ledger accounts for calls: it admits them, holds what they reserve, charges what they cost, and records all of it.
// Implementations are safe for concurrent use, by several processes where the engine allows that.
type Ledger interface {
	// Reserve admits all claims and charges of a call or none, and writes its intent. It returns when the call may go
	// upstream. Errors: *[store.ExceededError] for a claim, *[ExceededError] for a budget, *[UnavailableError] when the
	// ledger cannot record the call; then nothing is held. The record's ID, Of, Input, Arguments, Revision, Reason,
	// Idempotency, Continues and Method are the caller's; the ledger sets the rest.
	Reserve(ctx context.Context, r *Request) (Reservation, error)
	// Record writes a record that holds nothing. It returns when the class of the record is satisfied (async: queued).
	Record(ctx context.Context, r *audit.Record) error
	// SetBudgets puts the configured budgets in force. What they have spent stays.
	SetBudgets(budgets []*Budget) error
	// Adjust changes a limit by hand, with a reason; it is recorded.
	Adjust(ctx context.Context, a *Adjustment) (*Balance, error)
	// Balances are the accounts that q selects, as they are at this moment.
	Balances(ctx context.Context, q *BalanceQuery) ([]Balance, error)
	// Costs adds up what calls cost.
	Costs(ctx context.Context, q *CostQuery) (*CostReport, error)
	// Stats are counters since the start, for status and alerts.
	Stats() Stats
	// Available is nil when calls can be admitted, and why not otherwise.
	Available() error
	// Check walks every invariant and returns those that do not hold.
	Check(ctx context.Context) []error
	// Close gives leases back, writes what is queued and a stop record, and frees everything.
	Close() error
}

// Request is one call that wants to be admitted.
type Request struct {
	Record *audit.Record // of kind intent
	Class  audit.Class
	Claims []store.Claim // rates and concurrency
	// Uncounted leaves rates out: a later round of a call that was counted.
	Uncounted bool
	Cost      int64    // ceiling in nano-USD, not negative
	Charges   []Charge // accounts that must have room for Cost, all of them
	// Release says that nothing is charged when the process dies during the call: the tool only reads.
	Release bool
}

// Charge is one account that a call is charged to.
type Charge struct {
	Budget  string // id of a budget that was set
	Account string // which of its accounts; "" = the only one
}

// Reservation is an admitted call.
type Reservation interface {
	// Settle charges what the call cost and writes its outcome; it returns when the class of the call is satisfied. With
	// Open set in the record the reservation stays and Settle is called again. After the last one Settle does nothing.
	// The record's End, Open, Bytes, Result, Cost, Overrun, Micros and Error are the caller's. Cost above the reserved
	// ceiling is cut to it and added to Overrun.
	Settle(ctx context.Context, out *audit.Record) error
	// ID is that of the intent.
	ID() string
}

// Budget is a limit on what calls may cost in a period, for one account or for each of several.
type Budget struct {
	ID     string // stable across reloads that do not change what is counted
	Name   string
	Limit  int64 // nano-USD
	Period Period
	Warn   []float64 // shares of Limit at which an alert is due, ascending, such as 0.8
	// Per names what its accounts are: org, team, user, key, tool, upstream; "" or all for a single one.
	Per []string
}

// Period is how long a limit counts: a calendar day, week (from Monday) or month in a zone, or a rolling window.
type Period struct {
	Unit   string         // day, week, month; "" = rolling
	Zone   *time.Location // nil = UTC
	Window time.Duration  // of a rolling period
}

// Balance is one account now.
type Balance struct {
	Budget, Name string // id and name of the budget
	Account      string
	Limit        int64
	Settled      int64 // spent by calls that ended
	Reserved     int64 // held by calls under way
	Leased       int64 // set aside for calls to come
	Begin, End   time.Time
	Raised       int64     // by hand, for this period; part of Limit
	Warn         []float64 // as configured
}

// Remaining is what calls may still reserve; 0 when the limit was lowered below what is used.
func (b *Balance) Remaining() int64 { return max(0, b.Limit-b.Settled-b.Reserved) }

// BalanceQuery selects accounts; empty fields select all.
type BalanceQuery struct {
	Budget  string // id or name
	Account string
	Limit   int // 0 = 1000
}

// Adjustment changes the limit of a budget, or of one of its accounts.
type Adjustment struct {
	Budget  string // id or name
	Account string // "" with a budget of several accounts = each of them
	// Exactly one of Set, Raise and Reset is given.
	Set    *int64 // new limit until it is reset, in nano-USD
	Raise  int64  // more for the current period
	Reset  bool   // back to the configuration
	Reason string // required
	Actor  string
}

// CostQuery selects costs; empty fields select all. The bounds are civil days in the zone of the ledger, both included.
type CostQuery struct {
	From, To                       time.Time
	Org, Team, User, Key, Upstream string
	Tool                           string   // original name, displayed name or upstream/original
	GroupBy                        []string // of day, org, team, user, key, upstream, tool, kind, origin
}

// CostReport is the answer to a query.
type CostReport struct {
	From, To time.Time // as civil days: midnight in the zone
	Zone     string
	Total    Usage
	Groups   []CostGroup // by cost, then by key; one for each combination of GroupBy
}

// CostGroup is the usage of one combination.
type CostGroup struct {
	Key map[string]string // by the words of GroupBy; day as 2006-01-02
	Usage
}

// Usage adds up calls.
type Usage struct {
	Calls    int64 // admitted
	Answered int64
	Failed   int64 // of the upstream, the gateway, cancelled or lost
	Refused  int64 // not admitted: refused or unknown; not part of Calls
	Cost     int64 // nano-USD
	Overrun  int64
	Bytes    int64
	Micros   int64 // sum over calls that ended
}

// Stats are counters since the start.
type Stats struct {
	Records   uint64 // committed
	Queued    int    // not committed yet
	Commits   uint64
	Admitted  uint64
	Refused   uint64 // for want of budget or by a claim
	Overruns  uint64
	Failures  uint64 // commits that failed
	LastError string // of the log while it cannot be written; else ""
}
