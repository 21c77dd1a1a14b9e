// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"tollgate/store/audit"
)

// BenchmarkWrite makes backups of 100,000 records while eight callers make strict calls, and reports how long those take then
// and how long they take without. It needs a real disk: the directory is below $TMPDIR.
func BenchmarkWrite(b *testing.B) {
	r := open(b, filepath.Join(b.TempDir(), "state"))
	for i := range 50_000 {
		for err := errNone; err != nil; {
			if err = r.bare(audit.Async, fmt.Sprint("old", i), 1); err != nil {
				runtime.Gosched()
			}
		}
	}
	// calls makes calls until done is closed, and returns their p99.
	round := 0
	calls := func(done <-chan struct{}) time.Duration {
		var mu sync.Mutex // guards took
		var took []time.Duration
		var group sync.WaitGroup
		round++
		for n := range 8 {
			group.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					began := time.Now()
					if err := r.bare(audit.Strict, fmt.Sprintf("%d/%d/%d", round, n, i), 1); err != nil {
						b.Error(err)
						return
					}
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
				}
			})
		}
		group.Wait()
		slices.Sort(took)
		return took[len(took)*99/100]
	}
	quiet := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(quiet) })
	without := calls(quiet)
	done, p99 := make(chan struct{}), make(chan time.Duration)
	go func() { p99 <- calls(done) }()
	places, n := b.TempDir(), 0
	b.ReportAllocs()
	for b.Loop() {
		report, err := r.src.Write(b.Context(), filepath.Join(places, fmt.Sprint(n)), nil)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(report.Bytes)
		n++
	}
	close(done)
	b.ReportMetric(float64((<-p99).Microseconds()), "p99-µs")
	b.ReportMetric(float64(without.Microseconds()), "p99-without-µs")
	r.close()
}
