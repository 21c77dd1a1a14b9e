// SPDX-License-Identifier: Apache-2.0

package codetools_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/codetools"
	"tollgate/codemode"
)

// pace is how often ordinary calls come in BenchmarkBesideHostile.
const pace = 2 * time.Millisecond

// ordinary makes calls of a tool at a pace and returns how long they took, from the moment at which they were due.
func (s *stack) ordinary(b *testing.B, n int) []time.Duration {
	b.Helper()
	took := make([]time.Duration, n)
	begin := time.Now()
	var work sync.WaitGroup
	for i := range n {
		due := begin.Add(time.Duration(i) * pace)
		<-time.After(time.Until(due))
		work.Go(func() {
			reply := s.gate.Call(context.Background(), caller("reader"), &aggregator.Call{
				Method: aggregator.MethodCallTool, Params: []byte(`{"name":"notes__read","arguments":{"id":"1"}}`), Client: asks(),
			})
			if reply.End != aggregator.Answered {
				b.Errorf("an ordinary call ends as %s", reply.End)
			}
			took[i] = time.Since(due)
		})
	}
	work.Wait()
	slices.Sort(took)
	return took
}

// BenchmarkBesideHostile: 500 ordinary calls a second, alone and beside eight programs that compute without end; then how long
// a garbage collection takes beside these.
func BenchmarkBesideHostile(b *testing.B) {
	const calls, hostile = 1500, 8
	for b.Loop() {
		s := start(b, setup{mode: codetools.Code, concurrency: 64, tools: codetools.Options{Limits: codemode.Limits{CPU: time.Minute, Wall: time.Minute}}})
		s.ordinary(b, calls/3) // warm
		quiet := s.ordinary(b, calls)
		ctx, cancel := context.WithCancel(context.Background())
		var work sync.WaitGroup
		for range hostile {
			work.Go(func() {
				params := `{"name":"execute_code","arguments":{"code":"for (;;) Array.prototype.reverse.call({length: 2 ** 53 - 1})"}}`
				s.gate.Call(ctx, caller("admin"), &aggregator.Call{Method: aggregator.MethodCallTool, Params: []byte(params), Client: asks()})
			})
		}
		s.ordinary(b, calls/3)
		loaded := s.ordinary(b, calls)
		var slowest time.Duration
		for range 20 {
			at := time.Now()
			runtime.GC()
			slowest = max(slowest, time.Since(at))
		}
		cancel()
		work.Wait()
		ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
		b.ReportMetric(ms(quiet[len(quiet)*99/100]), "quiet-p99-ms")
		b.ReportMetric(ms(loaded[len(loaded)*99/100]), "beside-p99-ms")
		b.ReportMetric(ms(quiet[len(quiet)/2]), "quiet-p50-ms")
		b.ReportMetric(ms(loaded[len(loaded)/2]), "beside-p50-ms")
		b.ReportMetric(ms(slowest), "gc-ms")
	}
}
