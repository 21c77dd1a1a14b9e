// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// TestHostileUpstreams: each kind of broken server gets a clear state, its callers a prompt error, and a healthy
// neighbour notices nothing.
func TestHostileUpstreams(t *testing.T) {
	for _, tt := range []struct {
		mode    string
		state   upstream.State
		failure string // of the status
		tool    string // to call; "" when nothing is listed
		want    string // of the answer
		dropped int
	}{
		{mode: "exit", state: upstream.Failed, failure: "missing license key"},
		{mode: "silent", state: upstream.Failed, failure: "did not answer"},
		{mode: "junk", state: upstream.Ready, tool: "junk", want: `"text":"pid `},
		{mode: "schemas", state: upstream.Ready, tool: "good", want: `"text":"pid `, dropped: 4},
		{mode: "cursors", state: upstream.Degraded, dropped: 1},
		{mode: "die", tool: "die", want: `"kind":"closed","outcome":"unknown"`},
		{mode: "huge", state: upstream.Ready, tool: "huge", want: `"kind":"too_large"`},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			began := time.Now()
			s := newStack(t, childConfig("hostile", tt.mode), upstream.Config{Name: "healthy", InProcess: benchUpstream().InProcess})
			c := s.client(t, wire.R20260728)
			if tt.tool != "" {
				if got := c.request("1", "tools/call", `"name":"`+tt.tool+`"`, ""); !strings.Contains(got, tt.want) {
					t.Errorf("got  %.300s\nwant %s", got, tt.want)
				}
			}
			st := s.set.Status()[0]
			if tt.state != "" && (st.State != tt.state || !strings.Contains(st.Failure+st.Stderr, tt.failure) || len(st.Dropped) < tt.dropped) {
				t.Errorf("status %+v, want %s with %q", st, tt.state, tt.failure)
			}
			if got := c.request("2", "tools/call", `"name":"echo"`, ""); !strings.Contains(got, "0123456789abcdef") {
				t.Errorf("the healthy upstream: %s", got)
			}
			if list := c.request("3", "tools/list", "", ""); !strings.Contains(list, `"echo"`) {
				t.Errorf("the healthy upstream is not listed: %.300s", list)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestKillChild: kill -9 of an upstream with 100 calls in flight gives 100 errors within a second, the child comes back,
// and nothing is left after shutdown.
func TestKillChild(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	goroutines, files := runtime.NumGoroutine(), len(openFiles(t))
	t.Run("running", killChild)
	http.DefaultClient.CloseIdleConnections()
	for range 300 {
		if runtime.NumGoroutine() <= goroutines && len(openFiles(t)) <= files && len(children(t)) == 0 {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Errorf("after shutdown: %d goroutines (%d before), %d files before and now %v, children %v", runtime.NumGoroutine(), goroutines, files, openFiles(t), children(t))
}

func killChild(t *testing.T) {
	const calls = 100
	seen := filepath.Join(t.TempDir(), "seen")
	cfg := childConfig("hang", "hang")
	cfg.Env["TOLLGATE_TEST_SEEN"] = seen
	cfg.Concurrency = calls
	s := newStack(t, cfg)
	c := s.client(t, wire.R20260728)
	first := s.set.Status()[0].PID
	var work sync.WaitGroup
	answers := make([]string, calls)
	ended := make([]time.Time, calls)
	for i := range calls {
		work.Go(func() {
			answers[i] = c.request(fmt.Sprint(i), "tools/call", `"name":"hang"`, "")
			ended[i] = time.Now()
		})
	}
	waitFor(t, "100 calls to reach the child", func() bool {
		b, _ := os.ReadFile(seen)
		return len(b) == calls
	})
	killed := time.Now()
	child, err := os.FindProcess(first)
	if err != nil {
		t.Fatal(err)
	}
	defer child.Release()
	if err := child.Kill(); err != nil {
		t.Fatal(err)
	}
	work.Wait()
	var slowest time.Duration
	for i, a := range answers {
		if !strings.Contains(a, fmt.Sprintf(`"id":%d,"error":{"code":-31001`, i)) || !strings.Contains(a, `"outcome":"unknown"`) {
			t.Fatalf("call %d: %s", i, a)
		}
		slowest = max(slowest, ended[i].Sub(killed))
	}
	t.Logf("100 errors, the last %v after the kill", slowest)
	if slowest > time.Second {
		t.Errorf("the last error came %v after the kill", slowest)
	}
	waitFor(t, "the child to come back", func() bool {
		pid := s.set.Status()[0].PID
		return pid != 0 && pid != first && s.set.Status()[0].State == upstream.Ready
	})
	t.Logf("back %v after the kill", time.Since(killed))
	if got := c.request("1", "tools/call", `"name":"hang","arguments":{"answer":true}`, ""); !strings.Contains(got, fmt.Sprintf("pid %d", s.set.Status()[0].PID)) {
		t.Errorf("after the restart: %s", got)
	}
}

// waitFor polls until cond holds, up to half a minute.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// openFiles are the descriptors of this process.
func openFiles(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil { // not the directory being read
			open = append(open, target)
		}
	}
	return open
}

// children are the processes started by this one.
func children(t *testing.T) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, ok := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if ok && len(fields) > 1 && fields[1] == fmt.Sprint(os.Getpid()) {
			found = append(found, string(b[:min(len(b), 40)]))
		}
	}
	return found
}
