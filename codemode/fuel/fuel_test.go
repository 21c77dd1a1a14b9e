// SPDX-License-Identifier: Apache-2.0

package fuel_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"

	"tollgate/codemode/fuel"
	"tollgate/codemode/quickjs"
)

func TestVendored(t *testing.T) {
	wasm := quickjs.Module()
	out, stats, err := fuel.Instrument(wasm, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fuel.Stats{Functions: 1698, Loops: 1278, Bulk: 143}, stats); diff != "" {
		t.Errorf("what was found (-want +got):\n%s", diff)
	}
	if limit := len(wasm) * 110 / 100; len(out) > limit {
		t.Errorf("%d bytes became %d: want at most %d", len(wasm), len(out), limit)
	}
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	before, err := r.CompileModule(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	after, err := r.CompileModule(t.Context(), out)
	if err != nil {
		t.Fatalf("the rewritten module is not valid: %v", err)
	}
	if a, b := len(before.ImportedFunctions()), len(after.ImportedFunctions()); a != b {
		t.Errorf("%d imports became %d", a, b)
	}
	if a, b := len(before.ExportedFunctions()), len(after.ExportedFunctions()); a != b {
		t.Errorf("%d exported functions became %d", a, b)
	}
	if _, _, err := fuel.Instrument(out, nil); err == nil {
		t.Error("a rewritten module was rewritten again")
	}
	again, _, err := fuel.Instrument(wasm, nil)
	if err != nil || string(again) != string(out) {
		t.Errorf("the same module was rewritten differently, %v", err)
	}
}

func TestSameResults(t *testing.T) {
	files, err := filepath.Glob("testdata/*.js")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	p := sharedPair(t)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before := p.polls
		if got := p.same(t, string(source)); !strings.HasPrefix(got, "=") || len(got) < 2 {
			t.Errorf("%s: %s", file, got)
		}
		if file == filepath.Join("testdata", "sieve.js") && p.polls == before {
			t.Error("the host was never asked")
		}
	}
}

// TestBulkInScripts fills and copies typed arrays in ways that cross the pieces.
func TestBulkInScripts(t *testing.T) {
	p := sharedPair(t)
	before := p.polls
	p.same(t, `
		const b = new Uint8Array(1200000), h = () => { let x = 0; for (let i = 0; i < b.length; i += 101) x = (x * 33 + b[i]) | 0; return x };
		for (let i = 0; i < b.length; i++) b[i] = i * 7;
		const out = [];
		for (const [to, from, end] of [[0, 1, 1200000], [1, 0, 1199999], [262144, 0, 600000], [0, 262144, 900000], [5, 262150, 524294], [600000, 0, 600000]]) {
			b.copyWithin(to, from, end); out.push(h());
		}
		b.fill(3, 11, 262155); out.push(h()); b.fill(4, 0, 262144); out.push(h()); b.fill(5); out.push(h());
		out.join()`)
	fills := p.polls
	if got := p.same(t, `const c = new Uint8Array(4000000); for (let i = 0; i < 50; i++) c.fill(i); c[17]`); got != "=49" {
		t.Fatalf("the script answers %s", got)
	}
	// 50 times 4 MB, one step each 256 bytes, a question each 5000 steps.
	if asked := p.polls - fills; asked < 100 {
		t.Errorf("filling 200 MB asked the host %d times, want at least 100 (%d before)", asked, fills-before)
	}
}

func BenchmarkInstrument(b *testing.B) {
	wasm := quickjs.Module()
	b.ReportAllocs()
	b.SetBytes(int64(len(wasm)))
	for b.Loop() {
		if _, _, err := fuel.Instrument(wasm, nil); err != nil {
			b.Fatal(err)
		}
	}
}
