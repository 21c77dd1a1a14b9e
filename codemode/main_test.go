// SPDX-License-Identifier: Apache-2.0

package codemode_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/codemode"
)

// folder has the compiled engine, so that the engines of all tests are compiled once.
var folder = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "codemode") })

// shared is the engine of all tests that do not need one of their own.
var shared = sync.OnceValues(func() (*codemode.Engine, error) {
	cache, err := folder()
	if err != nil {
		return nil, err
	}
	e, err := codemode.New(&codemode.Options{Cache: cache, Limits: codemode.Limits{CPU: 20 * time.Second}})
	if err != nil {
		return nil, err
	}
	return e, e.Warm(context.Background())
})

// own returns an engine for one test.
func own(t testing.TB, o codemode.Options) *codemode.Engine {
	t.Helper()
	engine(t) // fills the folder
	var err error
	if o.Cache, err = folder(); err != nil {
		t.Fatal(err)
	}
	e, err := codemode.New(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

func engine(t testing.TB) *codemode.Engine {
	t.Helper()
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestMain closes the shared engine and looks for goroutines that are left.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	if e, err := shared(); err == nil {
		if err := e.Close(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if cache, err := folder(); err == nil {
		_ = os.RemoveAll(cache)
	}
	fuzzing := flag.Lookup("test.fuzz").Value.String() != "" // which has goroutines of its own
	if code == 0 && !fuzzing && leaked(before) {
		code = 1
	}
	os.Exit(code)
}

// leaked reports whether there are more goroutines than before, and still after a while.
func leaked(before int) bool {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if runtime.NumGoroutine() <= before {
			return false
		}
	}
	fmt.Fprintf(os.Stderr, "%d goroutines, %d before the tests\n", runtime.NumGoroutine(), before)
	_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
	return true
}

func echo(_ context.Context, c *codemode.Call) codemode.Answer {
	return codemode.Answer{Value: c.Arguments}
}

// program has two servers, whose tools answer with their arguments.
func program(source string) *codemode.Program {
	return &codemode.Program{Source: source, Servers: []string{"github", "files"}, Call: echo}
}

// run runs a program, and fails the test when the engine fails.
func run(t testing.TB, p *codemode.Program) *codemode.Result {
	t.Helper()
	r, err := engine(t).Run(t.Context(), p)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Source)
	}
	return r
}

// value runs a program that must end with a value.
func value(t testing.TB, p *codemode.Program) string {
	t.Helper()
	r := run(t, p)
	if r.Failure != nil {
		t.Fatalf("failure %+v\n%s", *r.Failure, p.Source)
	}
	if !json.Valid(r.Value) {
		t.Fatalf("the value is not JSON: %q", r.Value)
	}
	return string(r.Value)
}

// failure runs a program that must fail in this way.
func failure(t testing.TB, p *codemode.Program, kind codemode.Kind) *codemode.Failure {
	t.Helper()
	r := run(t, p)
	if r.Failure == nil {
		t.Fatalf("value %.200s, want a failure of kind %s\n%s", r.Value, kind, p.Source)
	}
	if r.Failure.Kind != kind || r.Value != nil {
		t.Fatalf("failure %+v with value %.200s, want kind %s\n%.500s", *r.Failure, r.Value, kind, p.Source)
	}
	return r.Failure
}

func contains(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s is %q, want %q in it", what, text, p)
		}
	}
}
