// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// text394 is a record of the size that performance figures are about.
func text394(i int) []byte {
	b := fmt.Appendf(make([]byte, 0, 394), `{"v":1,"kind":"outcome","id":"01J%020d","time":"2026-11-25T08:00:%02d.%09dZ","of":{"org":"acme","team":"team-%d","user":"user-%d","tool":"read_file","upstream":"files"},"class":"durable","end":"ok","pad":"`,
		i, i/1e6%60, i%1000000*1000, i%50, i%2000)
	for n := uint64(i)*0x9E3779B97F4A7C15 + 1; len(b) < 392; n = n*6364136223846793005 + 1442695040888963407 {
		b = append(b, "0123456789abcdef"[n>>60])
	}
	return append(b, `"}`...)
}

// BenchmarkAppend measures records with so many callers, each of which waits for the disk before its next one; 0 stands for
// two that never wait.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{0, 1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchmarkAppend(b, max(callers, 2-callers), callers > 0) })
	}
}

func benchmarkAppend(b *testing.B, callers int, wait bool) {
	l, err := Open(&Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	text := text394(1)
	var next atomic.Int64
	waits := make([][]time.Duration, callers)
	var group sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	began, cpu := time.Now(), cpuTime()
	for c := range callers {
		group.Go(func() {
			for next.Add(1) <= int64(b.N) {
				at := time.Now()
				r, err := l.Append(Entry{Text: text, Keep: true})
				if err == nil && wait {
					err = r.Wait(context.Background())
				}
				for !wait && l.Room() != nil {
					err = r.Wait(context.Background())
				}
				if err != nil {
					b.Error(err)
					return
				}
				waits[c] = append(waits[c], time.Since(at))
			}
		})
	}
	group.Wait()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	took, cpu := time.Since(began), cpuTime()-cpu
	b.StopTimer()
	all := slices.Sorted(slices.Values(slices.Concat(waits...)))
	b.ReportMetric(float64(b.N)/took.Seconds(), "records/s")
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/1e3, "cpu-µs/record")
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
	s := l.Stats()
	b.ReportMetric(float64(s.Records)/float64(s.Commits), "records/commit")
}

// fill appends n records and waits for the last.
func fill(tb testing.TB, l *Log, n int) {
	tb.Helper()
	from := int(l.Size())
	var last *Receipt
	for i := range n {
		for l.Room() != nil {
			if err := last.Wait(tb.Context()); err != nil {
				tb.Fatal(err)
			}
		}
		r, err := l.Append(Entry{Text: text394(from + i)})
		if err != nil {
			tb.Fatal(err)
		}
		last = r
	}
	if err := last.Wait(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkMillion measures what depends on how much is in a segment: opening it, reading all of it, and sealing it.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	dir := b.TempDir()
	o := &Options{Dir: dir, SegmentRecords: n}
	l, err := Open(o)
	if err != nil {
		b.Fatal(err)
	}
	fill(b, l, n)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	scan := func(b *testing.B) {
		l, err := OpenReader(dir)
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		for b.Loop() {
			got := 0
			for r, err := range l.Scan(b.Context(), 0, n) {
				if err != nil || r.Seq != uint64(got) {
					b.Fatal(r.Seq, err)
				}
				got++
			}
			if got != n {
				b.Fatalf("%d records", got)
			}
		}
		b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
	}
	b.Run("scan", scan)
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			l, err := Open(o)
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	if l, err = Open(o); err != nil {
		b.Fatal(err)
	}
	fill(b, l, 1) // begins the next segment
	began := time.Now()
	if err := l.Seal(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Logf("sealed in %v", time.Since(began))
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("scan sealed", scan)
}
