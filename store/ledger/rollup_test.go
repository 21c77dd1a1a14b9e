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
func openRollups(t testing.TB, dir string) *store.File {
	t.Helper()
	db, err := store.OpenFile(dir, fileLayout())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// flushRollups is what a checkpoint does with the rollups.
func flushRollups(db *store.File, r *rollups, next uint64, broken error) error {
	return db.Update(func(tx *bolt.Tx) error { return errors.Join(r.flush(tx, next), putApplied(tx, next), broken) })
}

type namedQuery struct {
	name string
	CostQuery
}

// costQueries are questions that the HTTP API asks about a month that begins with start. Without a bound they are about
// all time.
func costQueries(start time.Time) []namedQuery {
	kindTool := []string{"kind", "tool"}
	end := start.AddDate(0, 1, -1)
	return []namedQuery{
		{"all", CostQuery{}},
		{"all by tool", CostQuery{GroupBy: kindTool}},
		{"all by user", CostQuery{GroupBy: []string{"user"}}},
		{"month by day and team", CostQuery{From: start, To: end, GroupBy: []string{"day", "team"}}},
		{"team, month by tool", CostQuery{Team: "team-7", From: start, To: end, GroupBy: kindTool}},
		{"team, month by user", CostQuery{Team: "team-7", From: start, To: end, GroupBy: []string{"user"}}},
		{"team, month by day and user", CostQuery{Team: "team-7", From: start, To: end, GroupBy: []string{"day", "user"}}},
		{"user, month by tool", CostQuery{User: "user-7@example.com", From: start, To: end, GroupBy: kindTool}},
		{"user, month by day", CostQuery{User: "user-7@example.com", From: start, To: end, GroupBy: []string{"day"}}},
		{"key, month by tool", CostQuery{Key: "k00000007", From: start, To: end, GroupBy: kindTool}},
		{"tool, month by team", CostQuery{Tool: "create_issue_3", From: start, To: end, GroupBy: []string{"team"}}},
		{"week by user", CostQuery{From: start.AddDate(0, 0, 9), To: start.AddDate(0, 0, 15), GroupBy: []string{"user"}}},
		{"24 days by user", CostQuery{From: start.AddDate(0, 0, 3), To: start.AddDate(0, 0, 26), GroupBy: []string{"user"}}},
		{"month by day and user", CostQuery{From: start, To: end, GroupBy: []string{"day", "user"}}},
	}
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
		for _, q := range costQueries(start) {
			b.Run(fmt.Sprintf("rows=%d/%s", rows, q.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					report, err := r.costs(b.Context(), db, &q.CostQuery)
					if err != nil || report.Total.Calls < 100 {
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
