// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
)

// The tables of rows. The rows of days are what calls add up to: civil day and labels -> [Usage]. The others are sums of
// them, so that most questions read few rows: how much they are is in the figures of BenchmarkCosts.
const (
	bucketRollups = "rollups"
	bucketTools   = "rollups_tools"  // the same, whatever user and key
	bucketUsers   = "rollups_users"  // the same, whatever was called
	bucketMonths  = "rollups_months" // the same of a month, under its first day
)

// tables are rows on their way to ledger.db.
type tables map[string]map[string]row // by bucket and key

func newTables() tables {
	return tables{bucketRollups: {}, bucketTools: {}, bucketUsers: {}, bucketMonths: {}}
}

// sums are the tables that are sums of the rows of days.
func sums() []string { return []string{bucketTools, bucketUsers, bucketMonths} }

// add adds a row of a day to each of the tables.
func (t tables) add(key []byte, u *Usage) error {
	caller, called, err := callerIn(key)
	if err != nil {
		return fmt.Errorf("%s %x: %w", bucketRollups, key, err)
	}
	d := rowDay(key)
	own := &row{Usage: *u, first: d, last: d}
	t.merge(bucketRollups, string(key), own)
	const none = "\x00" // a label of no length
	t.merge(bucketTools, string(key[:caller])+none+none+string(key[called:]), own)
	t.merge(bucketUsers, string(key[:called])+strings.Repeat(none, labelCount-labelUpstream), own)
	t.merge(bucketMonths, string(appendDay(nil, d.month()))+string(key[daySize:]), own)
	return nil
}

func (t tables) merge(bucket, key string, u *row) {
	sum, ok := t[bucket][key]
	if ok {
		sum.add(u)
	} else {
		sum = *u
	}
	t[bucket][key] = sum
}

// month is the first day of the month of d.
func (d day) month() day {
	_, _, n := d.date()
	return d - day(n-1)
}

// nextMonth is the first day of the month after that of d.
func (d day) nextMonth() day { return (d.month() + 31).month() }

// write adds the rows to those in tx.
func (t tables) write(tx *bolt.Tx) error {
	for bucket, rows := range t {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return fmt.Errorf("bucket %q is missing", bucket)
		}
		for _, key := range slices.Sorted(maps.Keys(rows)) { // in their order, the pages are written one after the other
			sum := rows[key]
			if value := b.Get([]byte(key)); value != nil {
				have, err := openRow([]byte(bucket), []byte(key), value)
				if err != nil {
					return err
				}
				sum.add(&have)
			}
			if err := putRow(tx, bucket, key, &sum); err != nil {
				return err
			}
		}
	}
	return nil
}

// derive makes the tables that are sums of the rows of days. It is the migration of files that have none.
func derive(tx *bolt.Tx) error {
	t := newTables()
	err := eachRow(tx, bucketRollups, minDay, func(key []byte, u *row) error { return t.add(key, &u.Usage) })
	if err != nil {
		return err
	}
	delete(t, bucketRollups) // they are there
	for bucket := range t {
		if _, err := tx.CreateBucket([]byte(bucket)); err != nil {
			return err
		}
	}
	return t.write(tx)
}

// checkTables adds the rows of days up again and compares.
func checkTables(tx *bolt.Tx) (errs []error) {
	meta, err := readCostsMeta(tx)
	if err != nil {
		return []error{err}
	}
	want := newTables()
	err = eachRow(tx, bucketRollups, meta.since(), func(key []byte, u *row) error { return want.add(key, &u.Usage) })
	if err != nil {
		return []error{err}
	}
	for _, bucket := range sums() {
		rows := want[bucket]
		err := eachRow(tx, bucket, meta.since(), func(key []byte, u *row) error {
			if again, ok := rows[string(key)]; !ok || again != *u {
				errs = append(errs, fmt.Errorf("%s %x: %+v, by the days %+v", bucket, key, *u, again))
			}
			delete(rows, string(key))
			return nil
		})
		if err != nil {
			errs = append(errs, err)
		}
		for key, u := range rows {
			errs = append(errs, fmt.Errorf("%s %x: missing, by the days %+v", bucket, key, u))
		}
	}
	return errs
}

// keyCosts says in bucketMeta what the rows are about.
const keyCosts = "costs"

// costsMeta is the value of keyCosts.
type costsMeta struct {
	// Since is the first day whose rows count, the first of a month: those before are removed. 0 = all are there.
	Since day `json:"since,omitempty"`
	// Zones says in which zones days are those of the records, each from a sequence on. Rows are not moved to other days when
	// the zone changes.
	Zones []zoneFrom `json:"zones,omitempty"`
}

type zoneFrom struct {
	From uint64 `json:"from"`
	Zone string `json:"zone"`
}

func (m *costsMeta) since() day {
	if m.Since == 0 {
		return minDay
	}
	return m.Since
}

func readCostsMeta(tx *bolt.Tx) (*costsMeta, error) {
	m := &costsMeta{}
	value := tx.Bucket([]byte(bucketMeta)).Get([]byte(keyCosts))
	if value == nil {
		return m, nil
	}
	return m, openJSON(bucketMeta, []byte(keyCosts), value, m)
}

// noteZone writes down that the days of the records from sequence from on are those of zone.
func noteZone(db *store.File, zone *time.Location, from uint64) error {
	var m *costsMeta
	err := db.View(func(tx *bolt.Tx) (err error) {
		m, err = readCostsMeta(tx)
		return err
	})
	n := len(m.Zones)
	if err != nil || n > 0 && m.Zones[n-1].Zone == zone.String() {
		return err
	}
	if n == 0 {
		from = 0
	}
	m.Zones = slices.DeleteFunc(m.Zones, func(z zoneFrom) bool { return z.From >= from })
	m.Zones = append(m.Zones, zoneFrom{from, zone.String()})
	return db.Update(func(tx *bolt.Tx) error { return putJSON(tx, bucketMeta, keyCosts, m) })
}

// pruneBatch is how many rows are removed at a time.
const pruneBatch = 5000

// pruneRows removes the rows of the days before since, which is the first of a month.
func pruneRows(db *store.File, since day) error {
	for more := true; more; {
		err := db.Update(func(tx *bolt.Tx) error {
			m, err := readCostsMeta(tx)
			if err != nil {
				return err
			}
			if m.since() < since {
				m.Since = since
				if err := putJSON(tx, bucketMeta, keyCosts, m); err != nil {
					return err
				}
			}
			more, err = removeRows(tx, m.since())
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// removeRows removes some of the rows before since. more says that there may be others.
func removeRows(tx *bolt.Tx, since day) (more bool, err error) {
	end := string(appendDay(nil, since))
	for _, bucket := range append(sums(), bucketRollups) {
		b := tx.Bucket([]byte(bucket))
		var old [][]byte
		c := b.Cursor()
		for k, _ := c.First(); k != nil && string(k) < end && len(old) < pruneBatch; k, _ = c.Next() {
			old = append(old, k)
		}
		for _, k := range old {
			if err := b.Delete(k); err != nil {
				return false, err
			}
		}
		more = more || len(old) == pruneBatch
	}
	return more, nil
}
