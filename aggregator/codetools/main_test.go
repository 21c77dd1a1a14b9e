// SPDX-License-Identifier: Apache-2.0

package codetools_test

import (
	"context"
	"flag"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"tollgate/codemode"
)

// theEngine is compiled once for all tests.
var theEngine = sync.OnceValues(func() (*codemode.Engine, error) { return codemode.New(nil) })

// TestMain fails the package when a goroutine outlives the tests.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() != "" {
		os.Exit(code) // the fuzzing engine leaves some of its own
	}
	if engine, err := theEngine(); err == nil {
		err = engine.Close(context.Background())
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
	}
	for range 200 {
		if runtime.NumGoroutine() <= before {
			os.Exit(code)
		}
		runtime.GC()
		<-time.After(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	os.Stderr.Write(buf[:runtime.Stack(buf, true)])
	os.Stderr.WriteString("goroutines are left after the tests\n")
	os.Exit(1)
}
