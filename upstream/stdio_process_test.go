// SPDX-License-Identifier: Apache-2.0

//go:build unix

package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childLink starts the test binary as a child of the given kind.
func childLink(t *testing.T, mode string, adjust func(*Config, *linkOptions)) link {
	t.Helper()
	cfg := &Config{Name: mode, Command: os.Args[0], Env: childSettings(mode)}
	o := testOptions(cfg)
	if adjust != nil {
		adjust(cfg, o)
	}
	l, err := dialStdio(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func do(t *testing.T, l link, s script) <-chan outcome {
	t.Helper()
	params, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return begin(t.Context(), l, &exchange{method: "test/do", params: params})
}

// hello returns options that pass on the params of the child's notifications.
func hello() (func(*Config, *linkOptions), <-chan string) {
	c := make(chan string, 10)
	return func(_ *Config, o *linkOptions) {
		o.onNotify = func(_ string, params []byte) { c <- string(params) }
	}, c
}

// within fails unless the steps take less than d.
func within(t *testing.T, d time.Duration, what string, steps func()) {
	t.Helper()
	start := time.Now()
	steps()
	if took := time.Since(start); took > d {
		t.Errorf("%s took %v, want at most %v", what, took, d)
	}
}

// gone waits until a process is no more; one that only waits to be reaped by its parent counts as gone.
func gone(pid int) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 200 {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, state, _ := strings.Cut(string(b), ") ")
		if syscall.Kill(pid, 0) != nil || strings.HasPrefix(state, "Z") {
			return true
		}
		<-tick.C
	}
	return false
}

func TestChildEnvironmentAndArguments(t *testing.T) {
	t.Setenv("TOLLGATE_TEST_SECRET", "s3cret")
	args := []string{"$(touch x)", "; true", "a b", "*", "line\nbreak", ""}
	dir := t.TempDir()
	l := childLink(t, "banner", func(cfg *Config, _ *linkOptions) {
		cfg.Args, cfg.Dir = args, dir
		cfg.Env["TOKEN"] = "t0ken"
	})
	env := result(t, do(t, l, script{Env: true}))
	if strings.Contains(env, "s3cret") || !strings.Contains(env, "TOKEN=t0ken") || !strings.Contains(env, "PATH=") {
		t.Errorf("the child's environment is %s", env)
	}
	want, _ := json.Marshal(args)
	if got := result(t, do(t, l, script{Args: true})); got != fmt.Sprintf(`{"got":%s}`, want) {
		t.Errorf("the child's arguments are %s, want %s", got, want)
	}
	if got := result(t, do(t, l, script{Dir: true})); !strings.Contains(got, filepath.Base(dir)) {
		t.Errorf("the child runs in %s, want %s", got, dir)
	}
	if got := l.stderr(); !strings.HasPrefix(got, "npm WARN deprecated\n") { // stray output is kept where people look for it
		t.Errorf("standard error is %q", got)
	}
}

func TestChildThatCannotStart(t *testing.T) {
	for _, cfg := range []*Config{{Command: "no-such-program"}, {Command: "sh -c true"}, {Command: os.Args[0], Args: []string{"\x00"}},
		{Command: os.Args[0], Dir: filepath.Join(t.TempDir(), "missing")}, {Command: os.Args[0], Env: map[string]string{"": ""}}} {
		cfg.Name = "broken"
		_, err := dialStdio(t.Context(), cfg, testOptions(cfg))
		var e *Error
		if !errors.As(err, &e) || e.Kind != KindUnavailable || e.Sent || !strings.Contains(e.Detail, "could not be started: ") {
			t.Errorf("dialStdio(%q) returned %v", cfg.Command, err)
		}
	}
}

func TestChildExitsAtOnce(t *testing.T) {
	l := childLink(t, "exit", func(cfg *Config, _ *linkOptions) { cfg.Env["TOKEN"] = "no token configured" })
	receive(t, l.done())
	want := `upstream "exit" ended (exit status 3), last output "loading\nfatal: ***"`
	if got := l.cause().Error(); got != want {
		t.Errorf("cause %q, want %q", got, want)
	}
	e := failure(t, do(t, l, script{}), KindClosed, false)
	if e.Error() != want {
		t.Errorf("error %q, want %q", e, want)
	}
}

func TestChildDiesMidCall(t *testing.T) {
	l := childLink(t, "script", nil)
	first := do(t, l, script{Raw: " "}) // is never answered
	second := do(t, l, script{Write: []string{`{"jsonrpc":"2.0","id":$ID,"result":{"last":"words"}}`}, Exit: 5})
	if got := result(t, second); got != `{"last":"words"}` {
		t.Errorf("the answer before the exit is %s", got)
	}
	e := failure(t, first, KindClosed, true)
	if want := `upstream "script" ended (exit status 5), last output "giving up"; outcome unknown`; e.Error() != want {
		t.Errorf("error %q, want %q", e, want)
	}
}

func TestChildKilledWithCallsInFlight(t *testing.T) {
	adjust, held := hello()
	l := childLink(t, "hold", adjust)
	var calls []<-chan outcome
	for range 100 {
		calls = append(calls, begin(t.Context(), l, &exchange{method: "tools/call"}))
	}
	receive(t, held)
	within(t, time.Second, "failing 100 calls", func() {
		if err := syscall.Kill(l.pid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for _, c := range calls {
			if e := failure(t, c, KindClosed, true); !strings.Contains(e.Detail, `ended (signal: killed), last output "holding"`) {
				t.Fatalf("error %q", e)
			}
		}
	})
}

// peakHeap runs steps and returns by how much the heap in use grew at worst, in bytes.
func peakHeap(steps func()) uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	start, peak := m.HeapInuse, m.HeapInuse
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	steps()
	close(stop)
	<-stopped
	return peak - start
}

func TestChildSendsHugeLines(t *testing.T) {
	const size, bound = 300 << 20, 64 << 20
	t.Run("response", func(t *testing.T) {
		l := childLink(t, "script", nil)
		grown := peakHeap(func() {
			e := failure(t, do(t, l, script{Long: size, Prefix: `{"jsonrpc":"2.0","id":$ID,"result":{"a":"`, Suffix: `"}}`}), KindTooLarge, true)
			if want := "answered test/do with more than 16777216 bytes"; e.Detail != want {
				t.Errorf("error %q, want %q", e.Detail, want)
			}
			failure(t, do(t, l, script{Long: size / 5, Prefix: `{"result":{"a":"`, Suffix: `"},"jsonrpc":"2.0","id":$ID}`}), KindTooLarge, true)
			result(t, do(t, l, script{})) // nobody else is harmed
		})
		if grown > bound {
			t.Errorf("the heap grew by %d MiB", grown>>20)
		}
	})
	t.Run("junk", func(t *testing.T) {
		l := childLink(t, "script", nil)
		grown := peakHeap(func() {
			failure(t, do(t, l, script{Long: size, Prefix: "dump: "}), KindProtocol, true)
			receive(t, l.done())
		})
		if grown > bound {
			t.Errorf("the heap grew by %d MiB", grown>>20)
		}
	})
	t.Run("within the limit", func(t *testing.T) {
		l := childLink(t, "script", nil)
		grown := peakHeap(func() {
			got := result(t, do(t, l, script{Long: 16<<20 - 60, Prefix: `{"jsonrpc":"2.0","id":$ID,"result":{"a":"`, Suffix: `"}}`}))
			if len(got) < 16<<20-60 {
				t.Errorf("the result has %d bytes", len(got))
			}
		})
		if grown > bound {
			t.Errorf("the heap grew by %d MiB", grown>>20)
		}
	})
}

func TestChildFloodsItsOutput(t *testing.T) {
	t.Parallel()
	l := childLink(t, "flood", nil)
	receive(t, l.done())
	if got := l.cause().Error(); !strings.HasPrefix(got, `upstream "flood" wrote more than 1000 lines in a row that are no messages, last output "tick`) {
		t.Errorf("cause %q", got)
	}
	l.close() // although the child writes on
}

func TestChildIgnoresSIGTERM(t *testing.T) {
	t.Parallel()
	adjust, ready := hello()
	l := childLink(t, "stubborn", adjust)
	receive(t, ready)
	waiting := begin(t.Context(), l, &exchange{method: "tools/call"})
	start := time.Now()
	closed := make(chan struct{})
	go func() { l.close(); close(closed) }()
	receive(t, waiting)
	select {
	case <-closed:
		t.Error("a call waited for the end of the process")
	default:
	}
	receive(t, closed)
	if took := time.Since(start); took < 2500*time.Millisecond || !gone(l.pid()) {
		t.Errorf("close took %v, process gone: %v; want 2.5s, true", took, gone(l.pid()))
	}
}

func TestGrandchildDoesNotOutliveTheLink(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(link){
		"close": func(l link) { l.close() },
		"crash": func(l link) { _ = syscall.Kill(l.pid(), syscall.SIGKILL); <-l.done(); l.close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			adjust, ready := hello()
			l := childLink(t, "family", adjust)
			var grandchild struct{ PID int }
			if err := json.Unmarshal([]byte(receive(t, ready)), &grandchild); err != nil {
				t.Fatal(err)
			}
			if grandchild.PID == l.pid() || syscall.Kill(grandchild.PID, 0) != nil {
				t.Fatalf("there is no grandchild %d", grandchild.PID)
			}
			end(l)
			if !gone(grandchild.PID) || !gone(l.pid()) {
				t.Errorf("grandchild gone: %v, child gone: %v", gone(grandchild.PID), gone(l.pid()))
			}
		})
	}
}

// A gateway that is killed cannot end its children itself.
func TestChildDoesNotOutliveAKilledGateway(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs a parent-death signal")
	}
	adjust, ready := hello()
	l := childLink(t, "gateway", adjust)
	var child struct{ PID int }
	if err := json.Unmarshal([]byte(receive(t, ready)), &child); err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(l.pid(), syscall.SIGKILL)
	if !gone(child.PID) { // in a group of its own, so this is not our doing
		t.Errorf("child %d is still there", child.PID)
	}
}

func TestChildThatNeverReads(t *testing.T) {
	t.Parallel()
	l := patientLink(t, "deaf", func(limits *stdioLimits, _ *procGrace) { limits.write = time.Second })
	params := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	impatient := receive(t, begin(ctx, l, &exchange{method: "tools/call", params: params}))
	if !errors.Is(impatient.err, context.DeadlineExceeded) {
		t.Errorf("a caller with a deadline got %v", impatient.err)
	}
	patient := receive(t, begin(t.Context(), l, &exchange{method: "tools/call", params: params}))
	if patient.err == nil || !strings.Contains(patient.err.Error(), "did not read its input for 1s") {
		t.Errorf("a caller without a deadline got %v", patient.err)
	}
}

// patientLink is childLink with other limits.
func patientLink(t *testing.T, mode string, adjust func(*stdioLimits, *procGrace)) *stdioLink {
	t.Helper()
	cfg := &Config{Name: mode, Command: os.Args[0], Env: childSettings(mode)}
	limits, grace := defaultStdioLimits(16<<20), defaultGrace()
	adjust(&limits, &grace)
	child, err := startProcess(cfg, os.Environ(), grace)
	if err != nil {
		t.Fatal(err)
	}
	l := newStdioLink(child, child, cfg, testOptions(cfg), limits)
	t.Cleanup(l.close)
	return l
}

func TestChildClosesItsOutput(t *testing.T) {
	t.Parallel()
	l := childLink(t, "mute", nil)
	e := failure(t, begin(t.Context(), l, &exchange{method: "tools/call"}), KindClosed, true)
	if e.Detail != "closed its output" {
		t.Errorf("error %q", e)
	}
}

func TestChildHangs(t *testing.T) {
	t.Parallel()
	slowly := func(_ *stdioLimits, grace *procGrace) { grace.stdin = time.Minute }
	l, other := patientLink(t, "silent", slowly), patientLink(t, "script", slowly)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	got := receive(t, begin(ctx, l, &exchange{method: "initialize"}))
	if !errors.Is(got.err, context.DeadlineExceeded) {
		t.Errorf("a child that says nothing: %v", got.err)
	}
	partial := do(t, other, script{Raw: `{"jsonrpc":"2.0","id":$ID,"res`})
	l.close()
	result(t, do(t, other, script{Write: []string{"", `{"jsonrpc":"2.0","id":$ID,"result":{}}`}}))
	other.close()
	failure(t, partial, KindClosed, true)
	for _, l := range []*stdioLink{l, other} { // both read the end of their input and go by themselves
		if got := l.child.outcome(); got != "exit status 0" {
			t.Errorf("%s: %s, want exit status 0", l.cfg.Name, got)
		}
	}
}

func TestChildMayFinishItsOutput(t *testing.T) {
	t.Parallel()
	l := patientLink(t, "farewell", func(_ *stdioLimits, grace *procGrace) { grace.stdin = 10 * time.Second })
	l.close()
	if got := l.child.outcome(); got != "exit status 0" || l.stderr() != "state saved" {
		t.Errorf("%s, standard error %q; want exit status 0 and its last words", got, l.stderr())
	}
}

func TestStdioLeavesNothingBehind(t *testing.T) {
	count := func() (fds []string) {
		fds, _ = filepath.Glob("/proc/self/fd/*")
		return fds
	}
	if count() == nil {
		t.Skip("no /proc")
	}
	result(t, do(t, childLink(t, "script", nil), script{})) // opens what the runtime keeps
	before, others := count(), len(strangers())
	for _, mode := range []string{"script", "exit", "mute", "family", "banner"} {
		l := childLink(t, mode, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		receive(t, begin(ctx, l, &exchange{method: "tools/call"}))
		cancel()
		l.close()
		if after := count(); len(after) > len(before) {
			t.Errorf("%s: %d descriptors are open after close, %d before", mode, len(after), len(before))
		}
		if slices.ContainsFunc(children(), func(s string) bool { return strings.HasPrefix(s, fmt.Sprintf("child %d ", l.pid())) }) {
			t.Errorf("%s: the child is still there after close", mode)
		}
		if n := len(strangers()); n > others+2 { // the thread that waited may be on its way out
			t.Errorf("%s: %d goroutines after close, %d before:\n%s", mode, n, others, strings.Join(strangers(), "\n\n"))
		}
	}
}
