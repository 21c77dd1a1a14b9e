// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/aggregator/bridge"
	"tollgate/upstream"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// TestParkedCallsExpire: clients that never come back cost nothing in the end: every call is cancelled upstream, and no
// goroutine or session remains.
func TestParkedCallsExpire(t *testing.T) {
	const calls = 200
	before, heap := runtime.NumGoroutine(), heapInUse()
	t.Run("running", func(t *testing.T) {
		var ended atomic.Int64
		up := &upstreamtest.Server{Legacy: true, Results: map[string]string{"tools/list": `{"tools":[{"name":"ask","inputSchema":{"type":"object"}}]}`}}
		up.Handle = func(r *upstreamtest.Request) bool {
			if r.Method != "tools/call" {
				return false
			}
			// The question is withdrawn or answered with an error; either way nobody has answered it.
			if e := r.Ask("elicitation/create", `{"message":"?","requestedSchema":{"type":"object","properties":{}}}`); e == nil || e.Error != nil {
				ended.Add(1)
			}
			return true
		}
		cfg := upstream.Config{Name: "up", InProcess: up.InProcess, Concurrency: calls, MaxInteractive: calls, MaxSessions: 2 * calls}
		s := newStackWith(t, &bridge.LotOptions{TTL: 2 * time.Second, PerCaller: calls, Total: calls}, cfg)
		c := s.client(t, wire.R20260728)
		var work sync.WaitGroup
		for range calls {
			work.Go(func() {
				body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}}`
				resp := c.post(body)
				defer resp.Body.Close()
				if got := readAll(t, resp); !strings.Contains(got, "input_required") {
					t.Errorf("got %s", got)
				}
			})
		}
		work.Wait()
		waitFor(t, "all calls to be cancelled", func() bool {
			return ended.Load() == calls && len(up.Seen("notifications/cancelled")) == calls
		})
		waitFor(t, "no call to be in flight", func() bool { return s.set.Status()[0].InFlight == 0 })
	})
	http.DefaultClient.CloseIdleConnections()
	for range 500 {
		if runtime.NumGoroutine() <= before {
			after := heapInUse()
			t.Logf("heap %d KiB before, %d KiB after", heap>>10, after>>10)
			if after > heap+8<<20 {
				t.Errorf("the heap grew from %d to %d bytes", heap, after)
			}
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	t.Errorf("%d goroutines, %d before:\n%.4000s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}

// heapInUse is what the heap holds after a collection, in bytes.
func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
