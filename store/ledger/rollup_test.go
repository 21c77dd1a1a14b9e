// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
	"tollgate/store/audit"
)

// openRollups opens ledger.db, or makes it.
func openRollups(t testing.TB, dir string) *bolt.DB {
	t.Helper()
	db, err := store.OpenFile(dir, fileLayout())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// flushRollups is what a checkpoint does with the rollups.
func flushRollups(db *bolt.DB, r *rollups, next uint64, broken error) error {
	return db.Update(func(tx *bolt.Tx) error { return errors.Join(r.flush(tx, next), putApplied(tx, next), broken) })
}

// BenchmarkCosts asks for costs after one million records of 30 days.
func BenchmarkCosts(b *testing.B) {
	for _, size := range []struct{ users, tools int }{{50, 40}, {500, 8}, {2000, 20}} {
		db := openRollups(b, b.TempDir())
		r := newRollups(time.UTC, 0, applied)
		random := rand.New(rand.NewPCG(1, 2))
		start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		for range 1_000_000 {
			user, tool := random.IntN(size.users), random.IntN(size.tools)
			upstream := fmt.Sprintf("upstream-%d", tool%10)
			r.apply(start.Add(time.Duration(random.IntN(30*24*3600))*time.Second), &audit.Labels{
				Org: "acme", Team: fmt.Sprintf("team-%d", user%50), User: fmt.Sprintf("user-%d@example.com", user), Key: fmt.Sprintf("k%08d", user),
				Upstream: upstream, Kind: "tool", Tool: fmt.Sprintf("create_issue_%d", tool), Name: fmt.Sprintf("%s_create_issue_%d", upstream, tool), Origin: "mcp",
			}, &Usage{Calls: 1, Answered: 1, Cost: 10_000_000, Bytes: 2000, Micros: 150_000})
		}
		rows := len(r.live.delta)
		r.cut(1)
		if err := flushRollups(db, r, 1, nil); err != nil {
			b.Fatal(err)
		}
		r.flushed(1)
		for _, by := range [][]string{nil, {"tool"}, {"day", "team"}, {"user"}} {
			b.Run(fmt.Sprintf("rows=%d/by=%v", rows, by), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					report, err := r.costs(b.Context(), db, &CostQuery{GroupBy: by})
					if err != nil || report.Total.Calls != 1_000_000 {
						b.Fatal(report, err)
					}
				}
			})
		}
	}
}

func BenchmarkRollupsApply(b *testing.B) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	r := newRollups(zone, 0, applied)
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	of := &audit.Labels{Org: "acme", Team: "core", User: "a@example.com", Key: "k1", Upstream: "jira", Kind: "tool", Tool: "search", Name: "jira_search", Origin: "mcp"}
	b.ReportAllocs()
	for b.Loop() {
		r.apply(at, of, &Usage{Calls: 1})
	}
}
