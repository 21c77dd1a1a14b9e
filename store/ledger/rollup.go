// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
	"tollgate/store/audit"
)

// bucketRollups holds the rows: civil day and labels -> [Usage].
const bucketRollups = "rollups"

// maxLabel is how many bytes of a label a row keeps. Callers choose some labels, such as the URI of a resource.
const maxLabel = 256

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
	b := tx.Bucket([]byte(bucketRollups))
	if b == nil {
		return fmt.Errorf("bucket %q is missing", bucketRollups)
	}
	sums := map[string]Usage{}
	for _, g := range frozen {
		if g.from >= applied && g.from < next {
			mergeRows(sums, g.delta)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(sums)) { // in their order, the pages are written one after the other
		sum := sums[key]
		if value := b.Get([]byte(key)); value != nil {
			have, err := openRow([]byte(bucketRollups), []byte(key), value)
			if err != nil {
				return err
			}
			sum.add(&have)
		}
		if err := store.PutRecord(tx, bucketRollups, key, appendUsage(nil, &sum)); err != nil {
			return err
		}
	}
	return nil
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

// rows returns the rows of the days from first to last that are not in the file yet, and calls fn with those that are.
// Together they are each record once: the generations are taken first, so what has left memory is in the file, and the
// file says which of them it holds by now. Several transactions must not be mixed, so fn is called within one. The
// key is valid until fn returns.
func (r *rollups) rows(db *bolt.DB, first, last day, fn func(key []byte, u Usage) error) (map[string]Usage, error) {
	pending := r.pending()
	fresh := map[string]Usage{}
	err := db.View(func(tx *bolt.Tx) error {
		applied, err := r.applied(tx)
		if err != nil {
			return err
		}
		for _, g := range pending {
			if g.from >= applied {
				mergeRows(fresh, g.delta)
			}
		}
		maps.DeleteFunc(fresh, func(key string, _ Usage) bool { d := rowDay([]byte(key)); return d < first || d > last })
		b := tx.Bucket([]byte(bucketRollups))
		if b == nil {
			return fmt.Errorf("bucket %q is missing", bucketRollups)
		}
		c, name := b.Cursor(), []byte(bucketRollups)
		for k, v := c.Seek(appendDay(nil, first)); k != nil; k, v = c.Next() {
			if len(k) < daySize || rowDay(k) > last {
				break
			}
			u, err := openRow(name, k, v)
			if err != nil {
				return err
			}
			if err := fn(k, u); err != nil {
				return err
			}
		}
		return nil
	})
	return fresh, err
}

// all returns every row, for comparison with rows that were added up anew from the log.
func (r *rollups) all(db *bolt.DB) (map[string]Usage, error) {
	all := map[string]Usage{}
	fresh, err := r.rows(db, minDay, maxDay, func(key []byte, u Usage) error {
		all[string(key)] = u
		return nil
	})
	mergeRows(all, fresh)
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

const (
	daySize = 4
	minDay  = day(-1 << 31)
	maxDay  = day(1<<31 - 1)
)

// appendDay writes a day so that bytes are in the order of days.
func appendDay(b []byte, d day) []byte { return binary.BigEndian.AppendUint32(b, uint32(d)^1<<31) }

func rowDay(key []byte) day { return day(binary.BigEndian.Uint32(key) ^ 1<<31) }

// The places of the labels in the key of a row.
const (
	labelOrg = iota
	labelTeam
	labelUser
	labelKey
	labelUpstream
	labelKind
	labelTool
	labelName
	labelOrigin
	labelCount
)

// appendRow writes the key of a row: the day, then each label with its length in front.
func appendRow(b []byte, d day, of *audit.Labels) []byte {
	b = appendDay(b, d)
	for _, label := range [labelCount]string{of.Org, of.Team, of.User, of.Key, of.Upstream, of.Kind, of.Tool, of.Name, of.Origin} {
		label = shortLabel(label)
		b = binary.AppendUvarint(b, uint64(len(label)))
		b = append(b, label...)
	}
	return b
}

var errRow = errors.New("not the key of a row")

// splitRow cuts a key into its labels, which are parts of it.
func splitRow(key []byte) (labels [labelCount][]byte, err error) {
	if len(key) < daySize {
		return labels, errRow
	}
	key = key[daySize:]
	for i := range labels {
		n, size := binary.Uvarint(key)
		if size <= 0 || n > uint64(len(key)-size) {
			return labels, errRow
		}
		labels[i], key = key[size:size+int(n)], key[size+int(n):]
	}
	if len(key) > 0 {
		return labels, errRow
	}
	return labels, nil
}

// shortLabel cuts a long label and ends it with a checksum of the whole, so that two of them are hardly ever one.
func shortLabel(label string) string {
	if len(label) <= maxLabel {
		return label
	}
	sum := fmt.Sprintf("…%08x", crc32.ChecksumIEEE([]byte(label)))
	end := maxLabel - len(sum)
	for end > 0 && !utf8.RuneStart(label[end]) {
		end--
	}
	return label[:end] + sum
}

const usageFields = 8

// appendUsage writes the value of a row. No field is below zero.
func appendUsage(b []byte, u *Usage) []byte {
	for _, n := range [usageFields]int64{u.Calls, u.Answered, u.Failed, u.Refused, u.Cost, u.Overrun, u.Bytes, u.Micros} {
		b = binary.AppendUvarint(b, uint64(max(0, n)))
	}
	return b
}

// openRow reads the value of a row as it is stored.
func openRow(bucket, key, value []byte) (Usage, error) {
	var u Usage
	b, err := store.OpenRecord(bucket, key, value)
	if err != nil {
		return u, err
	}
	fields := [usageFields]*int64{&u.Calls, &u.Answered, &u.Failed, &u.Refused, &u.Cost, &u.Overrun, &u.Bytes, &u.Micros}
	for _, field := range fields {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > 1<<63-1 {
			return u, fmt.Errorf("%s %x: not a row", bucketRollups, key)
		}
		*field, b = int64(n), b[size:]
	}
	if len(b) > 0 {
		return u, fmt.Errorf("%s %x: %d bytes too many", bucketRollups, key, len(b))
	}
	return u, nil
}
