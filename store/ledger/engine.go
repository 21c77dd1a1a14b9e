// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tollgate/store"
	"tollgate/store/audit"
)

// Options configure [Open].
type Options struct {
	Dir string // the state directory; required
	// Audit configures the log. Open sets Dir and Committed, and Log, Now and Node where they are not set.
	Audit   audit.Options
	Limiter *store.Limiter // counts the claims; nil = an own one
	Zone    *time.Location // of the days of costs; nil = UTC
	Now     func() time.Time
	Log     *slog.Logger // nil = discard
	Node    string       // names this process in records
	// Retention is how long records are kept; 0 = for ever.
	Retention time.Duration
	// CheckpointEvery and CheckpointRecords say how often the state is written to ledger.db, which only bounds how much of
	// the log is read at the next start. 0 = 10 s, or 20,000 records if that comes first.
	CheckpointEvery   time.Duration
	CheckpointRecords uint64
	// SettleWait is how long Settle waits for the disk at most, 0 = 10 s. The outcome is written all the same.
	SettleWait time.Duration
	// Idle is how long a lease that nobody draws on is kept; 0 = 10 minutes.
	Idle time.Duration
}

// Engine is the [Ledger] of one process, on bbolt. Safe for concurrent use.
type Engine struct {
	opts    Options
	now     func() time.Time
	slog    *slog.Logger
	limiter *store.Limiter
	db      *store.File
	log     *audit.Log
	book    *book

	checkpointing sync.Mutex // held during a checkpoint and a check of the file
	checking      sync.Mutex // held during a check

	due     chan struct{} // a checkpoint is due; holds one
	stop    chan struct{} // closed when Close begins
	workers sync.WaitGroup

	mu      sync.Mutex // guards everything below, accounts and reservations included
	wake    sync.Cond  // on mu: paused or waiting has changed
	paused  bool       // nothing may change while a check looks
	closing bool       // nothing is admitted any more
	closed  bool       // nothing is recorded any more
	broken  error      // why what is on disk cannot be trusted; nil = it can
	latest  time.Time  // of all records; money knows no earlier time
	budgets map[string]*budget
	ended   []*account // of periods that are over, while something is held in them
	// overrides are limits set by hand, budgetOrder the ids of the configured budgets.
	overrides   overrides
	definitions definitions
	order       []string
	open        map[string]*reservation // by id
	waiting     int                     // calls that wait for their intents
	last, kept  *audit.Receipt          // of the last entry, and of the last one that is never given up
	stats       Stats                   // Admitted, Refused and Overruns
}

var _ Ledger = (*Engine)(nil)

// Open opens the ledger in a state directory, which the caller owns, and brings it to the end of its log: what a crash
// left open is closed. It admits calls at once, those that cost something after [Engine.SetBudgets]. Errors that an
// operator can act on are those of [store.OpenFile] and [audit.Open].
func Open(o *Options) (*Engine, error) {
	if o == nil || o.Dir == "" {
		return nil, errors.New("ledger: Options.Dir is required")
	}
	e := newEngine(o)
	var err error
	if e.db, err = store.OpenFile(o.Dir, fileLayout()); err != nil {
		return nil, err
	}
	if e.book, err = loadBook(e.db, o.Zone); err != nil {
		return nil, errors.Join(err, e.db.Close())
	}
	if e.log, err = audit.Open(e.auditOptions()); err != nil {
		return nil, errors.Join(err, e.db.Close())
	}
	if err = e.recover(context.Background()); err != nil {
		return nil, errors.Join(err, e.log.Close(), e.db.Close())
	}
	e.workers.Go(e.maintain)
	return e, nil
}

func newEngine(o *Options) *Engine {
	e := &Engine{
		opts: *o, now: o.Now, slog: o.Log, limiter: o.Limiter,
		due: make(chan struct{}, 1), stop: make(chan struct{}),
		budgets: map[string]*budget{}, open: map[string]*reservation{}, overrides: overrides{}, definitions: definitions{},
	}
	e.wake.L = &e.mu
	if e.now == nil {
		e.now = time.Now
	}
	if e.slog == nil {
		e.slog = slog.New(slog.DiscardHandler)
	}
	if e.limiter == nil {
		e.limiter = store.NewLimiter(&store.LimiterOptions{Now: o.Now})
	}
	if e.opts.CheckpointEvery <= 0 {
		e.opts.CheckpointEvery = 10 * time.Second
	}
	if e.opts.CheckpointRecords == 0 {
		e.opts.CheckpointRecords = 20_000
	}
	if e.opts.SettleWait <= 0 {
		e.opts.SettleWait = 10 * time.Second
	}
	if e.opts.Idle <= 0 {
		e.opts.Idle = 10 * time.Minute
	}
	return e
}

// Log is the audit log that the ledger writes, for readers. It is closed with the ledger.
func (e *Engine) Log() *audit.Log { return e.log }

// Record writes a record of a refusal, of an admin action, of a shadow's decision or of a replay. Without a class it waits
// for the disk. The record belongs to the ledger from then on.
func (e *Engine) Record(ctx context.Context, r *audit.Record) error {
	switch r.Kind {
	case audit.Refusal, audit.Shadow, audit.Replay:
	case audit.Admin:
		if isAdjustment(r.Action) {
			return fmt.Errorf("admin record of action %q: only the ledger itself writes those", r.Action)
		}
	default:
		return fmt.Errorf("record of kind %q: only the ledger itself writes those", r.Kind)
	}
	wait := r.Class != audit.Async
	e.mu.Lock()
	err := e.admits()
	var receipt *audit.Receipt
	if err == nil {
		receipt, err = e.append(r, !wait, r)
	}
	e.mu.Unlock()
	if err != nil || !wait {
		return err
	}
	return unavailable(receipt.Wait(ctx))
}

// admits waits until no check looks, and says why nothing can be recorded now. The caller holds mu.
func (e *Engine) admits() error {
	for e.paused {
		e.wake.Wait()
	}
	return e.ready()
}

// ready says why nothing can be admitted. The caller holds mu.
func (e *Engine) ready() error {
	switch {
	case e.closing:
		return unavailable(store.ErrClosed)
	case e.broken != nil:
		return unavailable(e.broken)
	}
	return unavailable(e.log.Room())
}

// Available is nil when calls can be admitted, else an *[UnavailableError].
func (e *Engine) Available() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ready()
}

// append stamps a record and puts it into the log, behind everything that happened before. A record that is kept is
// written however long that takes. change is what the book is told. The caller holds mu.
func (e *Engine) append(r *audit.Record, keep bool, change any) (*audit.Receipt, error) {
	r.Version, r.Node = 1, e.opts.Node
	if r.Time.IsZero() {
		r.Time = e.wall()
	}
	if r.ID == "" {
		r.ID = newID()
	}
	text, err := r.Append(make([]byte, 0, sizeHint(r)))
	if err != nil {
		return nil, fmt.Errorf("%s record %q: %w", r.Kind, r.ID, err)
	}
	receipt, err := e.log.Append(audit.Entry{Text: text, Keep: keep, Change: change})
	if err != nil {
		return nil, unavailable(err)
	}
	if r.Time.After(e.latest) {
		e.latest = r.Time
	}
	if e.last = receipt; keep {
		e.kept = receipt
	}
	return receipt, nil
}

// newID is the id of a record that is about no call.
func newID() string { return rand.Text() }

// sizeHint is about how long the text of r is.
func sizeHint(r *audit.Record) int { return 640 + len(r.Input) + len(r.Details) }

// wall is the time of records: what the clock shows.
func (e *Engine) wall() time.Time { return e.now().Round(0).UTC() }

// moment is the time when the clock shows wall. The caller holds mu.
func (e *Engine) moment(wall time.Time) moment {
	if wall.Before(e.latest) {
		return moment{wall, e.latest}
	}
	return moment{wall, wall}
}

// Stats are counters since the start.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	s := e.stats
	broken := e.broken
	e.mu.Unlock()
	log := e.log.Stats()
	s.Records, s.Queued, s.Commits, s.Failures = log.Records, log.Queued, log.Commits, log.Failures
	if broken == nil {
		broken = log.Failed
	}
	if broken != nil {
		s.LastError = broken.Error()
	}
	return s
}

// retryAfter is when a log that cannot be written is looked at again.
const retryAfter = 2 * time.Second

// unavailable words an error of the log; nil stays nil, and the end of a context is nobody's failure.
func unavailable(err error) error {
	var known *UnavailableError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.As(err, &known):
		return err
	case errors.Is(err, audit.ErrBusy):
		return &UnavailableError{Busy: true, Err: err}
	}
	return &UnavailableError{Retry: retryAfter, Err: err}
}
