// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"tollgate/store/audit"
)

// benchRecord is the intent of an ordinary call.
func benchRecord(id string) *audit.Record {
	return &audit.Record{
		Kind: audit.Intent, ID: id, Method: "tools/call",
		Of: &audit.Labels{
			Org: "acme", Team: "growth", User: "ann@example.com", Key: "k0000007", Upstream: "jira", Kind: "tool", Tool: "search", Name: "jira__search", Origin: "mcp",
		},
		Input: []byte(`{"principal":{"subject":"ann@example.com","roles":["analyst"],"org":"acme","team":"growth"},"tool":"search","args":{"query":"open refunds","limit":20}}`),
	}
}

// measure has callers make b.N calls in all, and reports throughput and how long they took.
func measure(b *testing.B, callers int, call func(i int64) error) {
	var next atomic.Int64
	took := make([][]time.Duration, callers)
	var group sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	began := time.Now()
	for c := range callers {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				at := time.Now()
				if err := call(i); err != nil {
					b.Error(err)
					return
				}
				took[c] = append(took[c], time.Since(at))
			}
		})
	}
	group.Wait()
	all := time.Since(began)
	b.StopTimer()
	each := slices.Sorted(slices.Values(slices.Concat(took...)))
	if len(each) == 0 {
		return
	}
	b.ReportMetric(float64(b.N)/all.Seconds(), "calls/s")
	b.ReportMetric(float64(each[len(each)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(each[len(each)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkCall measures reserve and settle of one call against a budget, in each class. It needs a real disk: the directory
// is below $TMPDIR. Calls that find the queue full wait for it, as a client would.
func BenchmarkCall(b *testing.B) {
	for _, class := range []audit.Class{audit.Strict, audit.Durable, audit.Async} {
		for _, callers := range []int{1, 16, 64, 256} {
			b.Run(fmt.Sprintf("%s/callers=%d", class, callers), func(b *testing.B) { benchmarkCall(b, class, callers) })
		}
	}
}

func benchmarkCall(b *testing.B, class audit.Class, callers int) {
	e, err := Open(&Options{Dir: filepath.Join(b.TempDir(), "state"), Node: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	budget := &Budget{ID: "team", Name: "team", Limit: maxMoney / 2, Period: Period{Unit: UnitMonth}}
	if err := e.SetBudgets([]*Budget{budget}); err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	before := e.Log().Stats()
	measure(b, callers, func(i int64) error {
		for {
			res, err := e.Reserve(ctx, &Request{
				Class: class, Cost: 10_000_000, Charges: []Charge{{Budget: "team"}}, Record: benchRecord(fmt.Sprintf("01J%020d", i)),
			})
			var unavailable *UnavailableError
			if errors.As(err, &unavailable) && unavailable.Busy {
				// All that is queued is behind this one.
				if err := e.Record(ctx, &audit.Record{Kind: audit.Refusal, ID: fmt.Sprintf("busy-%d", i)}); err != nil && !errors.As(err, &unavailable) {
					return err
				}
				continue
			}
			if err != nil {
				return err
			}
			return res.Settle(ctx, &audit.Record{End: endAnswered, Cost: 9_000_000, Bytes: 1234, Micros: 5678})
		}
	})
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	s := e.Log().Stats()
	b.ReportMetric(float64(s.Bytes-before.Bytes)/float64(b.N), "audit-B/call")
	b.ReportMetric(float64(s.Records-before.Records)/float64(s.Commits-before.Commits), "records/commit")
}

// BenchmarkCallEach is what BenchmarkCall is held against: a transaction for each reserve and one for each settle, with the
// same records and one row for the account.
func BenchmarkCallEach(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			db, err := bolt.Open(filepath.Join(b.TempDir(), "each.db"), 0o600, &bolt.Options{NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
			if err != nil {
				b.Fatal(err)
			}
			err = db.Update(func(tx *bolt.Tx) error {
				_, err1 := tx.CreateBucket([]byte("records"))
				_, err2 := tx.CreateBucket([]byte("accounts"))
				return errors.Join(err1, err2)
			})
			if err != nil {
				b.Fatal(err)
			}
			measure(b, callers, func(i int64) error {
				id := fmt.Sprintf("01J%020d", i)
				intent := benchRecord(id)
				outcome := &audit.Record{Kind: audit.Outcome, ID: id, Of: intent.Of, End: endAnswered, Cost: 9_000_000, Bytes: 1234, Micros: 5678}
				return errors.Join(putEach(db, intent, 10_000_000, 0), putEach(db, outcome, -10_000_000, 9_000_000))
			})
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// putEach stores a record and changes what is reserved and settled, in a transaction of its own.
func putEach(db *bolt.DB, r *audit.Record, reserved, settled int64) error {
	text, err := r.Append(nil)
	if err != nil {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error {
		records, accounts := tx.Bucket([]byte("records")), tx.Bucket([]byte("accounts"))
		seq, err := records.NextSequence()
		if err != nil {
			return err
		}
		row := make([]byte, 16)
		copy(row, accounts.Get([]byte("team")))
		binary.BigEndian.PutUint64(row, binary.BigEndian.Uint64(row)+uint64(reserved))
		binary.BigEndian.PutUint64(row[8:], binary.BigEndian.Uint64(row[8:])+uint64(settled))
		records.FillPercent = 1
		return errors.Join(records.Put(binary.BigEndian.AppendUint64(nil, seq), text), accounts.Put([]byte("team"), row))
	})
}
