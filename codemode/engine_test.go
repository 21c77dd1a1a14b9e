// SPDX-License-Identifier: Apache-2.0

package codemode_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/codemode"
)

func TestOptions(t *testing.T) {
	for what, o := range map[string]*codemode.Options{
		"running": {Running: -1}, "live": {Live: -1}, "memory": {Memory: 1 << 20},
		"limit of memory": {Limits: codemode.Limits{Memory: 1}}, "limit of cpu": {Limits: codemode.Limits{CPU: time.Hour}},
		"limit of stack": {Limits: codemode.Limits{Stack: 1 << 20}}, "limit of calls": {Limits: codemode.Limits{Calls: -1}},
	} {
		if _, err := codemode.New(o); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	for what, p := range map[string]*codemode.Program{
		"no call": {Source: "1"}, "a builtin without a name": {Source: "1", Call: echo, Builtins: []codemode.Builtin{{}}},
		"limit": {Source: "1", Call: echo, Limits: codemode.Limits{Wall: time.Hour}},
	} {
		if _, err := engine(t).Run(t.Context(), p); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// TestCache reads the engine that another one compiled. A folder that cannot be one is an error, and the next program tries
// again.
func TestCache(t *testing.T) {
	e := own(t, codemode.Options{})
	cache, err := folder()
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(cache); err != nil || len(entries) == 0 {
		t.Errorf("nothing is in the folder, %v", err)
	}
	if r, err := e.Run(t.Context(), program("return 7")); err != nil || string(r.Value) != "7" {
		t.Errorf("%+v, %v", r, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if e, err = codemode.New(&codemode.Options{Cache: file}); err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	for range 2 {
		if _, err := e.Run(t.Context(), program("return 7")); err == nil {
			t.Error("a file served as a folder")
		}
	}
}

// TestInterpreter runs without machine code, as on systems that do not allow it.
func TestInterpreter(t *testing.T) {
	e, err := codemode.New(&codemode.Options{Interpreter: true, Limits: codemode.Limits{CPU: 20 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	r, err := e.Run(t.Context(), program("return await Promise.all([1, 2].map((i) => github.x({i})))"))
	if err != nil || string(r.Value) != `[{"i":1},{"i":2}]` {
		t.Errorf("%+v, %v", r, err)
	}
	p := program("for (;;) {}")
	p.Limits.CPU = soon
	if r, err = e.Run(t.Context(), p); err != nil || r.Failure == nil || r.Failure.Kind != codemode.KindCPU {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestCancel ends the caller's context while a script computes, calls, sleeps and waits for its turn.
func TestCancel(t *testing.T) {
	for what, source := range map[string]string{
		"computing": "await github.ready({}); for (;;) {}", "calling": "await github.ready({}); await github.wait({})",
		"calling twice": "await github.ready({}); await Promise.all([github.wait({}), github.wait({})])", "sleeping": "await github.ready({}); await sleep(9000)",
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("the client went away")
		var cancelled atomic.Int32
		p := program(source)
		p.Call = func(ctx context.Context, c *codemode.Call) codemode.Answer {
			if c.Tool == "ready" {
				go cancel(gone)
				return codemode.Answer{}
			}
			<-ctx.Done()
			cancelled.Add(1)
			return codemode.Answer{Err: &codemode.ToolError{Code: "cancelled"}}
		}
		r, err := engine(t).Run(ctx, p)
		if !errors.Is(err, gone) || r == nil || r.Failure == nil || r.Failure.Kind != codemode.KindCancelled {
			t.Errorf("%s: %+v, %v", what, r, err)
			continue
		}
		for _, c := range r.Calls[1:] {
			if c.Status != codemode.Cancelled && c.Status != codemode.Unsent {
				t.Errorf("%s: call %+v", what, c)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine(t).Run(ctx, program("return 1")); err == nil {
		t.Error("a context that had ended was enough")
	}
}

// TestTurns runs more endless scripts than may run at once: each gets its share, and a short one does not wait for them.
func TestTurns(t *testing.T) {
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{}, 4)
	for range 4 {
		group.Go(func() {
			p := program("await github.x({}); for (;;) {}")
			p.Call = func(context.Context, *codemode.Call) codemode.Answer { started <- struct{}{}; return codemode.Answer{} }
			r, err := engine(t).Run(ctx, p)
			if err == nil || r.Usage.CPU == 0 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	for range 4 {
		<-started
	}
	begin := time.Now()
	if got := value(t, program("return 1")); got != "1" {
		t.Error(got)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("a short script took %v beside long ones", took)
	}
	cancel()
	group.Wait()
}

// TestLive bounds executions at once: the third waits until one ends, or until its caller gives up.
func TestLive(t *testing.T) {
	e := own(t, codemode.Options{Live: 2, Memory: 64 << 20})
	release, inside := make(chan struct{}), make(chan struct{}, 3)
	p := program("return await github.x({})")
	p.Call = func(context.Context, *codemode.Call) codemode.Answer {
		inside <- struct{}{}
		<-release
		return codemode.Answer{Value: []byte("1")}
	}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if r, err := e.Run(t.Context(), p); err != nil || string(r.Value) != "1" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	<-inside
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := e.Run(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a fourth one: %v", err)
	}
	if len(inside) != 0 {
		t.Error("the third one runs beside the others")
	}
	close(release)
	group.Wait()
	<-inside // of the third

	// Memory is one purse: what a script holds while it waits, the next does not get.
	release = make(chan struct{})
	p.Source = "const b = new ArrayBuffer(4e7); new Uint8Array(b).fill(1); return await github.x({})"
	group.Go(func() {
		if r, err := e.Run(t.Context(), p); err != nil || string(r.Value) != "1" {
			t.Errorf("%+v, %v", r, err)
		}
	})
	<-inside
	r, err := e.Run(t.Context(), program("const b = new ArrayBuffer(4e7)"))
	if err != nil || r.Failure == nil || r.Failure.Kind != codemode.KindMemory {
		t.Errorf("%+v, %v: want no memory", r, err)
	} else {
		contains(t, "message", r.Failure.Message, "other scripts")
	}
	close(release)
	group.Wait()
	if r, err := e.Run(t.Context(), program("const b = new ArrayBuffer(4e7); return 2")); err != nil || string(r.Value) != "2" {
		t.Errorf("%+v, %v: the memory of others was not given back", r, err)
	}
}

// TestClose waits for what runs, cancels it when it has to, and refuses what comes later.
func TestClose(t *testing.T) {
	e, err := codemode.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := e.Run(t.Context(), program("return 1")); !errors.Is(err, codemode.ErrClosed) {
		t.Errorf("%v", err)
	}
	if err := e.Warm(t.Context()); !errors.Is(err, codemode.ErrClosed) {
		t.Errorf("%v", err)
	}
	if e, err = codemode.New(&codemode.Options{Interpreter: true}); err != nil {
		t.Fatal(err)
	}
	inside := make(chan struct{})
	p := program("await github.x({})")
	p.Call = func(ctx context.Context, _ *codemode.Call) codemode.Answer {
		close(inside)
		<-ctx.Done()
		return codemode.Answer{Err: &codemode.ToolError{Code: "cancelled"}}
	}
	ended := make(chan error, 1)
	go func() {
		_, err := e.Run(t.Context(), p)
		ended <- err
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, codemode.ErrClosed) {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Close left an execution behind")
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWarmIsShared starts many programs at once on a new engine: all wait for one compilation, and one of them gives up.
func TestWarmIsShared(t *testing.T) {
	e, err := codemode.New(&codemode.Options{Interpreter: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Warm(ctx); err == nil {
		t.Error("a context that had ended was waited for")
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if r, err := e.Run(t.Context(), program(fmt.Sprint("return ", i))); err != nil || string(r.Value) != fmt.Sprint(i) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	group.Wait()
}

// TestCollector measures how long a garbage collection takes while eight hostile scripts spin in native loops.
func TestCollector(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	started := make(chan struct{}, 8)
	loops := []string{"Array.prototype.reverse.call({length: 2**53 - 1})", "const b = new Uint8Array(2e7); for (;;) b.fill(1)", "/^(a+)+$/.test('a'.repeat(60) + 'b')", "for (;;) {}"}
	for i := range 8 {
		group.Go(func() {
			p := program("await github.x({}); " + loops[i%len(loops)])
			p.Call = func(context.Context, *codemode.Call) codemode.Answer { started <- struct{}{}; return codemode.Answer{} }
			if r, err := engine(t).Run(ctx, p); err == nil {
				t.Errorf("%+v", r)
			}
		})
	}
	for range 8 {
		<-started
	}
	worst, sum := time.Duration(0), time.Duration(0)
	const collections = 20
	for range collections {
		begin := time.Now()
		runtime.GC()
		took := time.Since(begin)
		worst, sum = max(worst, took), sum+took
	}
	cancel()
	group.Wait()
	t.Logf("runtime.GC beside 8 hostile scripts: mean %v, worst %v", sum/collections, worst)
	// The aim is 10 ms on a quiet machine; without polls a collection would never return.
	if sum/collections > 200*time.Millisecond {
		t.Errorf("a collection takes %v", sum/collections)
	}
}

// TestManyHostile runs hostile and honest scripts beside each other.
func TestManyHostile(t *testing.T) {
	list := attacks()
	n := 40
	if testing.Short() {
		n = 16
	}
	var group sync.WaitGroup
	next := atomic.Int32{}
	for range 8 {
		group.Go(func() {
			for i := next.Add(1); int(i) <= n; i = next.Add(1) {
				a := list[int(i)%len(list)]
				p := program(a.source)
				p.Limits = a.limits
				p.Limits.CPU = min(max(p.Limits.CPU, soon), 200*time.Millisecond)
				if _, err := engine(t).Run(t.Context(), p); err != nil {
					t.Errorf("%s: %v", a.name, err)
				}
				if r, err := engine(t).Run(t.Context(), program("return (await github.x({n: 42})).n")); err != nil || string(r.Value) != "42" {
					t.Errorf("after %s: %+v, %v", a.name, r, err)
				}
			}
		})
	}
	group.Wait()
}
