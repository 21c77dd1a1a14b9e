// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"tollgate/store"
	"tollgate/store/audit"
)

// scatter folds calls of many labels over some months.
func scatter(r *rollups, calls int) {
	random := rand.New(rand.NewPCG(3, 4))
	start := time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)
	for range calls {
		user := random.IntN(40)
		r.apply(start.Add(time.Duration(random.IntN(80*24))*time.Hour), &audit.Labels{
			Org: fmt.Sprint("org", user%2), Team: strings.Repeat("t", 100+user%5*20), User: fmt.Sprint("user", user), Key: fmt.Sprint("k", user),
			Upstream: "x", Kind: "tool", Tool: fmt.Sprint("t", random.IntN(5)), Origin: "mcp",
		}, &Usage{Calls: 1, Answered: 1, Cost: int64(random.IntN(9))})
	}
}

func mustFlush(t testing.TB, db *store.File, r *rollups, next uint64) {
	t.Helper()
	r.cut(next)
	if err := flushRollups(db, r, next, nil); err != nil {
		t.Fatal(err)
	}
	r.flushed(next)
}

func checkedTables(t testing.TB, db *store.File) {
	t.Helper()
	if err := db.View(func(tx *bolt.Tx) error { return errors.Join(checkTables(tx)...) }); err != nil {
		t.Error(err)
	}
}

// TestMigrateTables opens a file of the version that had rows of days only.
func TestMigrateTables(t *testing.T) {
	dir := t.TempDir()
	db := openRollups(t, dir)
	r := newRollups(nil, 0, applied)
	scatter(r, 3000)
	mustFlush(t, db, r, 1)
	q := &CostQuery{GroupBy: []string{"org", "tool"}}
	want, err := r.costs(t.Context(), db, q)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		version := store.PutRecord(tx, "schema", "version", []byte{0, 0, 0, 1})
		for _, bucket := range sums() {
			version = errors.Join(version, tx.DeleteBucket([]byte(bucket)))
		}
		return version
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	db = openRollups(t, dir)
	checkedTables(t, db)
	got, err := newRollups(nil, 1, applied).costs(t.Context(), db, q)
	if diff := gocmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("after the migration: %v (-want +got)\n%s", err, diff)
	}
}

// TestPlan: whichever tables are read, the answer is that of the rows of days.
func TestPlan(t *testing.T) {
	db := openRollups(t, t.TempDir())
	r := newRollups(nil, 0, applied)
	scatter(r, 3000)
	delta := r.live.delta
	mustFlush(t, db, r, 1)
	first := time.Date(2026, 1, 18, 0, 0, 0, 0, time.UTC)
	used := map[string]int{}
	for from := 0; from < 84; from += 3 {
		for to := from; to < 90; to += 4 {
			q := &CostQuery{From: first.AddDate(0, 0, from), To: first.AddDate(0, 0, to), GroupBy: []string{"user", "tool"}}
			got, err := r.costs(t.Context(), db, q)
			if err != nil {
				t.Fatal(err)
			}
			want := Usage{}
			for key, u := range delta {
				if d := rowDay([]byte(key)).midnight(); !d.Before(q.From) && !d.After(q.To) {
					want.add(&u)
				}
			}
			if got.Total != want {
				t.Fatalf("from %s to %s: %+v, want %+v", q.From, q.To, got.Total, want)
			}
			s := &costSum{groups: []costGroup{{"user", labelUser}, {"tool", labelTool}}}
			for _, part := range s.plan(dayAt(q.From, time.UTC), max(dayAt(q.From, time.UTC), dayAt(first, time.UTC)+2), dayAt(q.To, time.UTC), to > 82) {
				used[part.bucket]++
			}
		}
	}
	if used[bucketMonths] == 0 || used[bucketRollups] == 0 {
		t.Errorf("tables used: %v", used)
	}
}

// TestSkip: a query that goes from place to place finds what one finds that looks at everything.
func TestSkip(t *testing.T) {
	db := openRollups(t, t.TempDir())
	r := newRollups(nil, 0, applied)
	scatter(r, 3000)
	delta := r.live.delta
	mustFlush(t, db, r, 1)
	for _, q := range []CostQuery{
		{Org: "org1"},
		{Team: strings.Repeat("t", 160)},
		{Org: "org0", Team: strings.Repeat("t", 120)},
		{User: "user7"},
		{Team: strings.Repeat("t", 140), User: "user17"},
		{Org: "nobody"},
		{User: "user7", Key: "k8"},
	} {
		q.GroupBy = []string{"day", "user"}
		f := newCostFilter(&q)
		want := Usage{}
		for key, u := range delta {
			if labels, err := splitRow([]byte(key)); err == nil && f.selects(&labels) {
				want.add(&u)
			}
		}
		s := &costSum{ctx: t.Context(), filter: f, sums: map[string]*Usage{}}
		err := db.View(func(tx *bolt.Tx) error { return s.scan(tx, span{bucketRollups, minDay, maxDay}) })
		if err != nil || s.total != want {
			t.Errorf("%+v: %+v, %v; want %+v", q, s.total, err, want)
		}
		if q.User != "" && s.looked > len(delta)/2 {
			t.Errorf("%+v looks at %d of %d rows", q, s.looked, len(delta))
		}
	}
}

// TestPruneCosts removes whole months, of all tables, and what comes late for them counts no more.
func TestPruneCosts(t *testing.T) {
	r := newRig(t)
	early := r.clock.now().AddDate(0, -3, 0)
	if err := r.e.Close(); err != nil {
		t.Fatal(err)
	}
	r.opts.Retention = 40 * 24 * time.Hour
	r.open()
	roll := r.e.book.rollups
	if err := r.e.checkpoint(); err != nil {
		t.Fatal(err)
	}
	roll.apply(early, &audit.Labels{User: "old"}, &Usage{Calls: 1, Cost: 5})
	roll.apply(early.AddDate(0, 0, 1), &audit.Labels{User: "old"}, &Usage{Calls: 1, Cost: 5})
	r.settle(r.reserve(r.request(audit.Strict, 0)), 0) // in November
	if err := r.e.prune(); err != nil {
		t.Fatal(err)
	}
	report, err := r.e.Costs(t.Context(), &CostQuery{GroupBy: []string{"user"}})
	if err != nil || report.Total.Calls != 1 || report.From.Month() != time.November {
		t.Errorf("costs after pruning: %+v, %v", report, err)
	}
	roll.apply(early, &audit.Labels{User: "late"}, &Usage{Calls: 1, Cost: 5})
	r.settle(r.reserve(r.request(audit.Strict, 0)), 0)
	for range 2 {
		report, err := r.e.Costs(t.Context(), &CostQuery{GroupBy: []string{"user"}})
		if err != nil || report.Total.Calls != 2 || len(report.Groups) != 1 {
			t.Errorf("costs: %+v, %v", report, err)
		}
		r.check() // the log still has records of the removed rows, and the check knows
		if err := r.e.prune(); err != nil {
			t.Fatal(err)
		}
	}
	err = r.e.db.View(func(tx *bolt.Tx) error {
		for _, bucket := range append(sums(), bucketRollups) {
			if k, _ := tx.Bucket([]byte(bucket)).Cursor().First(); rowDay(k).String() < "2026-10" {
				return fmt.Errorf("%s still has a row of %s", bucket, rowDay(k))
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestZoneChanges: rows stay on the days of the zone they were made in, and a check knows which that was.
func TestZoneChanges(t *testing.T) {
	r := &rig{t: t, dir: fastDir(t), clock: &testClock{at: time.Date(2026, 11, 25, 23, 30, 0, 0, time.UTC)}}
	var days []string
	for _, zone := range []string{"UTC", "Europe/Berlin", "UTC", "America/New_York"} {
		r.opts.Zone = load(t, zone)
		r.open()
		r.settle(r.reserve(r.request(audit.Strict, 0)), 0)
		r.check()
		if err := r.e.checkpoint(); err != nil {
			t.Fatal(err)
		}
		r.settle(r.reserve(r.request(audit.Strict, 0)), 0)
		r.check()
		report, err := r.e.Costs(t.Context(), &CostQuery{GroupBy: []string{"day"}})
		if err != nil {
			t.Fatal(err)
		}
		days = append(days, "")
		for _, g := range report.Groups {
			days[len(days)-1] += fmt.Sprintf("%s:%d ", g.Key["day"], g.Calls)
		}
		if err := r.e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"2026-11-25:2 ", "2026-11-25:2 2026-11-26:2 ", "2026-11-25:4 2026-11-26:2 ", "2026-11-25:6 2026-11-26:2 "}
	if !slices.Equal(days, want) {
		t.Errorf("days: %q, want %q", days, want)
	}
}

// TestCheckNoticesTables changes rows behind the back of the ledger: a check that cannot fail protects nothing.
func TestCheckNoticesTables(t *testing.T) {
	for _, bucket := range sums() {
		for _, missing := range []bool{false, true} {
			db := openRollups(t, t.TempDir())
			r := newRollups(nil, 0, applied)
			scatter(r, 20)
			mustFlush(t, db, r, 1)
			checkedTables(t, db)
			err := db.Update(func(tx *bolt.Tx) error {
				k, v := tx.Bucket([]byte(bucket)).Cursor().First()
				u, err := openRow([]byte(bucket), k, v)
				if missing {
					return errors.Join(err, tx.Bucket([]byte(bucket)).Delete(k))
				}
				u.Cost++
				return errors.Join(err, putRow(tx, bucket, string(k), &u))
			})
			if err != nil {
				t.Fatal(err)
			}
			err = db.View(func(tx *bolt.Tx) error { return errors.Join(checkTables(tx)...) })
			if err == nil || !strings.Contains(err.Error(), bucket) {
				t.Errorf("%s, missing=%t: %v", bucket, missing, err)
			}
		}
	}
}
