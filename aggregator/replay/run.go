// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync"
	"time"

	"tollgate/store/audit"
)

// Options configure [Run].
type Options struct {
	Judge *Judge // required
	// Records are the texts of records in the order of the log. A text is read before the next one is asked for.
	Records  iter.Seq2[[]byte, error]
	From, To time.Time // of the decisions that count: To is not included; zero = no bound
	By       string    // how changes are grouped: one of the By constants; "" = ByUser
	Examples int       // of each group; 0 = 3
	Empty    string    // see [EmptyDigest]
	Workers  int       // goroutines that decide; 0 = GOMAXPROCS
	// Each is called for every case that is not decided the same, in the order of the log. An error ends the run.
	Each func(c *Case, a *Answer) error
	// Progress is called now and then with the number of decisions and the time of the newest.
	Progress func(decisions uint64, at time.Time)
}

const (
	// batchRecords and batchBytes bound what a worker takes at a time.
	batchRecords = 256
	batchBytes   = 1 << 20
)

// Run decides all cases in the records again. Its memory does not depend on their number. The error is that of the records,
// of Each, or of ctx.
func Run(ctx context.Context, o *Options) (*Report, error) {
	if o == nil || o.Judge == nil || o.Records == nil {
		return nil, errors.New("replay: a judge and records are required")
	}
	r := &run{Options: *o, report: newReport(o)}
	if r.Workers <= 0 {
		r.Workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.ordered, r.work = make(chan *batch, 2*r.Workers), make(chan *batch, 2*r.Workers)
	var group sync.WaitGroup
	var failed error // of the records; written before ordered is closed
	group.Go(func() {
		defer close(r.ordered)
		defer close(r.work)
		failed = r.read(ctx)
	})
	for range r.Workers {
		group.Go(func() {
			for b := range r.work {
				b.decide(ctx, r)
				close(b.done)
			}
		})
	}
	err := r.collect()
	cancel()
	for b := range r.ordered { // let the reader end
		<-b.done
	}
	group.Wait()
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	return r.report.finish(o.Judge), nil
}

// run is a replay under way.
type run struct {
	Options
	report  *Report
	ordered chan *batch // in the order of the log
	work    chan *batch // the same, for the workers
}

// read fills batches with records.
func (r *run) read(ctx context.Context) error {
	b := newBatch()
	send := func() bool {
		for _, to := range []chan *batch{r.ordered, r.work} {
			select {
			case to <- b:
			case <-ctx.Done():
				if to == r.work {
					close(b.done) // nobody will
				}
				return false
			}
		}
		b = newBatch()
		return true
	}
	for text, err := range r.Records {
		if err != nil {
			return err
		}
		b.add(text)
		if full := len(b.ends) == batchRecords || len(b.texts) >= batchBytes; full && !send() {
			return ctx.Err()
		}
	}
	if len(b.ends) > 0 && !send() {
		return ctx.Err()
	}
	return ctx.Err()
}

// batch is some records in a row, and what became of them.
type batch struct {
	texts []byte
	ends  []int // of each text
	done  chan struct{}

	found      []found
	decided    uint64
	newest     time.Time
	partly     uint64
	none       map[string]uint64 // records without a decision, by code
	unreadable uint64
	firstBad   error
	err        error
}

// found is a case that is not simply the same.
type found struct {
	c *Case
	a *Answer
}

func newBatch() *batch { return &batch{done: make(chan struct{}), none: map[string]uint64{}} }

func (b *batch) add(text []byte) {
	b.texts = append(b.texts, text...)
	b.ends = append(b.ends, len(b.texts))
}

// decide decides every record of the batch.
func (b *batch) decide(ctx context.Context, r *run) {
	begin := 0
	for _, end := range b.ends {
		text := b.texts[begin:end]
		begin = end
		if b.err = b.one(ctx, r, text); b.err != nil {
			return
		}
	}
	b.texts = nil
}

func (b *batch) one(ctx context.Context, r *run, text []byte) error {
	record, err := audit.Decode(text)
	var c *Case
	code := ""
	if err == nil && (!r.From.IsZero() && record.Time.Before(r.From) || !r.To.IsZero() && !record.Time.Before(r.To)) {
		return nil
	}
	if err == nil {
		c, code, err = Recorded(record, r.Empty)
	}
	switch {
	case err != nil:
		if b.unreadable++; b.firstBad == nil {
			b.firstBad = err
		}
		return nil
	case c == nil && record.Kind != audit.Refusal:
		return nil // not about a decision
	}
	b.decided++
	if record.Time.After(b.newest) {
		b.newest = record.Time
	}
	if c == nil {
		b.none[code]++
		return nil
	}
	a, err := r.Judge.Compare(ctx, c)
	if err != nil {
		return err
	}
	if a.Partly {
		b.partly++
	}
	if a.Change != Same || c.Verdict.Other {
		b.found = append(b.found, found{c, a})
	}
	return nil
}

// collect adds the batches to the report, in their order.
func (r *run) collect() error {
	for b := range r.ordered {
		<-b.done
		if b.err != nil {
			return b.err
		}
		for i := range b.found {
			f := &b.found[i]
			r.report.add(f.c, f.a)
			if r.Each != nil && !f.c.Verdict.Other {
				if err := r.Each(f.c, f.a); err != nil {
					return err
				}
			}
		}
		r.report.tally(b)
		if r.Progress != nil {
			r.Progress(r.report.Decisions, b.newest)
		}
	}
	return nil
}
