// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Binaries are built into one directory per test process, which [Bin.Cleanup] removes.
type binaries struct {
	dir   string
	err   error
	once  sync.Once
	built map[string]*build
	mu    sync.Mutex // guards built
}

type build struct {
	once sync.Once
	path string
	err  error
}

// Bin builds the programs that tests run. The zero value is ready; Cleanup ends it.
type Bin struct{ b binaries }

// Cleanup removes what was built.
func (b *Bin) Cleanup() {
	if b.b.dir != "" {
		_ = os.RemoveAll(b.b.dir) // a leftover in the temporary directory harms nobody
	}
}

// Tollgate is the path of the program.
func (b *Bin) Tollgate(t testing.TB) string { return b.build(t, "tollgate", "tollgate/cmd/tollgate") }

// EverythingServer is the path of go-sdk's fixture server for the official suite.
func (b *Bin) EverythingServer(t testing.TB) string {
	return b.build(t, "everything-server", "github.com/modelcontextprotocol/go-sdk/conformance/everything-server")
}

// Driver is the path of the client that the suite's client scenarios drive the gateway with.
func (b *Bin) Driver(t testing.TB) string { return b.build(t, "driver", "tollgate/conformance/driver") }

func (b *Bin) build(t testing.TB, name, pkg string) string {
	t.Helper()
	b.b.once.Do(func() { b.b.dir, b.b.err = os.MkdirTemp("", "tollgate-conformance-") })
	if b.b.err != nil {
		t.Fatal(b.b.err)
	}
	b.b.mu.Lock()
	if b.b.built == nil {
		b.b.built = map[string]*build{}
	}
	one := b.b.built[name]
	if one == nil {
		one = &build{path: filepath.Join(b.b.dir, name)}
		b.b.built[name] = one
	}
	b.b.mu.Unlock()
	one.once.Do(func() {
		if runtime.GOOS == "windows" {
			one.path += ".exe"
		}
		out, err := exec.Command("go", "build", "-o", one.path, pkg).CombinedOutput()
		if err != nil {
			one.err = fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
		}
	})
	if one.err != nil {
		t.Fatal(one.err)
	}
	return one.path
}
