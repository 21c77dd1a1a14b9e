// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"maps"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
	"tollgate/store/audit"
)

// rollups add up calls by day and labels. What has been folded since the last checkpoint is in memory, in generations;
// the rest is in ledger.db. A generation begins with a sequence of the audit log, which is also what a checkpoint writes
// beside its rows as the applied one, in the same transaction. So the applied sequence of a transaction tells which
// generations its rows hold already: those that began before it. Safe for concurrent use.
type rollups struct {
	zone    *time.Location
	applied func(*bolt.Tx) (uint64, error) // the sequence that ledger.db says is applied

	mu     sync.Mutex // guards the rest; the maps of frozen generations do not change
	frozen []generation
	live   generation
}

// generation is what the records from one sequence on add to the rows.
type generation struct {
	from  uint64
	delta map[string]Usage // by the key of the row
}

// newRollups goes on where ledger.db ends: at sequence from, which its transaction says is applied.
func newRollups(zone *time.Location, from uint64, applied func(*bolt.Tx) (uint64, error)) *rollups {
	if zone == nil {
		zone = time.UTC
	}
	return &rollups{zone: zone, applied: applied, live: generation{from: from, delta: map[string]Usage{}}}
}

// apply adds to the row of these labels on the day of at.
func (r *rollups) apply(at time.Time, of *audit.Labels, u *Usage) {
	var room [256]byte
	key := appendRow(room[:0], dayAt(at, r.zone), of)
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.live.delta[string(key)]
	sum.add(u)
	r.live.delta[string(key)] = sum
}

// cut ends the live generation: what is folded from now on has the sequence next or a later one. The caller has folded
// all records before it, and no other. A transaction with [rollups.flush] of next follows, in which next is written as the
// applied sequence, and after it [rollups.flushed].
func (r *rollups) cut(next uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.live.delta) > 0 {
		r.frozen = append(r.frozen, r.live)
	}
	r.live = generation{from: next, delta: map[string]Usage{}}
}

// flush adds the generations that end at next or before to the rows of tx, unless they are in there already, as after a
// commit that was taken for failed.
func (r *rollups) flush(tx *bolt.Tx, next uint64) error {
	applied, err := r.applied(tx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	frozen := slices.Clone(r.frozen)
	r.mu.Unlock()
	t := newTables()
	for _, g := range frozen {
		if g.from < applied || g.from >= next {
			continue
		}
		for key, u := range g.delta {
			if err := t.add([]byte(key), &u); err != nil {
				return err
			}
		}
	}
	return t.write(tx)
}

// flushed forgets the generations that are on disk, after a transaction that wrote applied is.
func (r *rollups) flushed(applied uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = slices.DeleteFunc(r.frozen, func(g generation) bool { return g.from < applied })
}

// pending is what is in memory now. A transaction that begins later sees what is no longer in it.
func (r *rollups) pending() []generation {
	r.mu.Lock()
	defer r.mu.Unlock()
	live := generation{from: r.live.from, delta: maps.Clone(r.live.delta)}
	return append(slices.Clone(r.frozen), live)
}

// fresh are the rows of the days from first to last that are in pending and not in tx: what has left memory is in the file,
// when pending was taken before tx began.
func (r *rollups) fresh(tx *bolt.Tx, pending []generation, first, last day) (map[string]Usage, error) {
	applied, err := r.applied(tx)
	if err != nil {
		return nil, err
	}
	fresh := map[string]Usage{}
	for _, g := range pending {
		if g.from >= applied {
			mergeRows(fresh, g.delta)
		}
	}
	maps.DeleteFunc(fresh, func(key string, _ Usage) bool { d := rowDay([]byte(key)); return d < first || d > last })
	return fresh, nil
}

// all returns every row of days, for comparison with rows that were added up anew from the log.
func (r *rollups) all(db *store.File) (map[string]Usage, error) {
	all := map[string]Usage{}
	pending := r.pending()
	err := db.View(func(tx *bolt.Tx) error {
		meta, err := readCostsMeta(tx)
		if err != nil {
			return err
		}
		fresh, err := r.fresh(tx, pending, meta.since(), maxDay)
		if err != nil {
			return err
		}
		err = eachRow(tx, bucketRollups, meta.since(), func(key []byte, u *row) error {
			all[string(key)] = u.Usage
			return nil
		})
		mergeRows(all, fresh)
		return err
	})
	return all, err
}

func mergeRows(into, from map[string]Usage) {
	for key, u := range from {
		sum := into[key]
		sum.add(&u)
		into[key] = sum
	}
}

// add adds v to u, at most what int64 holds.
func (u *Usage) add(v *Usage) {
	u.Calls = addCapped(u.Calls, v.Calls)
	u.Answered = addCapped(u.Answered, v.Answered)
	u.Failed = addCapped(u.Failed, v.Failed)
	u.Refused = addCapped(u.Refused, v.Refused)
	u.Cost = addCapped(u.Cost, v.Cost)
	u.Overrun = addCapped(u.Overrun, v.Overrun)
	u.Bytes = addCapped(u.Bytes, v.Bytes)
	u.Micros = addCapped(u.Micros, v.Micros)
}
