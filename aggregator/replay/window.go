// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"bytes"
	"context"
	"iter"
	"time"

	"tollgate/store/audit"
)

// Log is what is read of the audit log. [audit.Log] implements it.
type Log interface {
	First() uint64
	Size() uint64
	Scan(ctx context.Context, from, to uint64) iter.Seq2[audit.Stored, error]
}

const (
	// clockSlack is how far the clock may have been set back while records were written: records are in the order in which
	// they came to the disk, which is that of their times but for this.
	clockSlack = 24 * time.Hour
	// firstStep is how far the search for the beginning of a window goes back first.
	firstStep = 1 << 12
	// heartbeat is how many records of other kinds are passed over in silence.
	heartbeat = 1 << 12
)

// Decisions yields the intents and refusals of a log from a time and before another; zero = no bound. at is told now and
// then how far the reading is, as a place in the log; nil = nobody. The records that come to the log meanwhile are left out.
func Decisions(ctx context.Context, log Log, from, to time.Time, at func(seq, first, size uint64)) iter.Seq2[audit.Stored, error] {
	return func(yield func(audit.Stored, error) bool) {
		size := log.Size()
		first, err := begin(ctx, log, from, size)
		if err != nil {
			yield(audit.Stored{}, err)
			return
		}
		for r, err := range log.Scan(ctx, first, size) {
			if err != nil {
				yield(audit.Stored{}, err)
				return
			}
			if at != nil && (r.Seq-first)%heartbeat == 0 {
				at(r.Seq, first, size)
			}
			kind, moment, known := peek(r.Text)
			switch {
			case !known: // whoever decodes it will say what is wrong
			case !to.IsZero() && !moment.Before(to.Add(clockSlack)):
				return
			case kind != audit.Intent && kind != audit.Refusal, !from.IsZero() && moment.Before(from), !to.IsZero() && !moment.Before(to):
				continue
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// begin finds a place before which no record of the window is: ever longer steps back from the end of the log, as far as
// the time of one record is well before it.
func begin(ctx context.Context, log Log, from time.Time, size uint64) (uint64, error) {
	first := log.First()
	if from.IsZero() {
		return first, nil
	}
	for step := uint64(firstStep); size > first+step; step *= 2 {
		place := size - step
		for r, err := range log.Scan(ctx, place, place+1) {
			if err != nil {
				return 0, err
			}
			if _, moment, known := peek(r.Text); known && moment.Before(from.Add(-clockSlack)) {
				return place, nil
			}
		}
	}
	return first, nil
}

// peek reads kind and time of a record without decoding all of it. known is false when it is not written as records are.
func peek(text []byte) (kind audit.Kind, moment time.Time, known bool) {
	rest, ok := bytes.CutPrefix(text, []byte(`{"v":1,"kind":"`))
	name, rest, ok2 := bytes.Cut(rest, []byte(`","id":"`))
	_, rest, ok3 := bytes.Cut(rest, []byte(`","time":"`))
	stamp, _, ok4 := bytes.Cut(rest, []byte(`"`))
	if !ok || !ok2 || !ok3 || !ok4 {
		return "", time.Time{}, false
	}
	moment, err := time.Parse(time.RFC3339Nano, string(stamp))
	return audit.Kind(name), moment, err == nil
}
