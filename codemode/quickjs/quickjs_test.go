// SPDX-License-Identifier: Apache-2.0

package quickjs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"

	"tollgate/codemode/quickjs"
)

func TestChecksum(t *testing.T) {
	sum := sha256.Sum256(quickjs.Module())
	if got := hex.EncodeToString(sum[:]); got != quickjs.SHA256 {
		t.Fatalf("quickjs.wasm has the checksum %s, want %s", got, quickjs.SHA256)
	}
}

func TestLicences(t *testing.T) {
	for name, want := range map[string][]string{
		"LICENSE.quickjs-wasi": {"MIT License", "Vercel, Inc."},
		"LICENSE.quickjs":      {"MIT License", "Fabrice Bellard", "Charlie Gordon", "Ben Noordhuis", "UNICODE LICENSE V3"},
	} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s does not name %q", name, w)
			}
		}
	}
}

// TestImports holds the whole surface between the engine and this process.
func TestImports(t *testing.T) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	m, err := r.CompileModule(t.Context(), quickjs.Module())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range m.ImportedFunctions() {
		module, name, _ := f.Import()
		got = append(got, module+"."+name)
	}
	slices.Sort(got)
	want := []string{
		"env.host_call", "env.host_get_timezone_offset", "env.host_interrupt", "env.host_module_load", "env.host_module_normalize",
		"env.host_promise_rejection", "wasi_snapshot_preview1.clock_time_get", "wasi_snapshot_preview1.fd_close",
		"wasi_snapshot_preview1.fd_fdstat_get", "wasi_snapshot_preview1.fd_seek", "wasi_snapshot_preview1.fd_write",
		"wasi_snapshot_preview1.random_get",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("imports (-want +got):\n%s", diff)
	}
	if len(m.ImportedMemories()) > 0 {
		t.Error("the module imports a memory")
	}
}
