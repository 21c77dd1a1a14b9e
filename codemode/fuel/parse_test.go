// SPDX-License-Identifier: Apache-2.0

package fuel_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"pgregory.net/rapid"

	"tollgate/codemode/fuel"
)

// section, list and name write parts of a module; every length in the tests fits into one or two bytes.
func section(id byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	return append(append([]byte{id}, size(len(body))...), body...)
}

func size(n int) []byte {
	if n < 128 {
		return []byte{byte(n)}
	}
	return []byte{byte(n) | 0x80, byte(n >> 7)}
}

func list(entries ...[]byte) []byte {
	return append(size(len(entries)), slices.Concat(entries...)...)
}

func name(s string) []byte { return append(size(len(s)), s...) }

const head = "\x00asm\x01\x00\x00\x00"

// small is a module that imports the question and exports its memory and one function of three numbers.
func small(body ...byte) []byte {
	code := append([]byte{0}, body...)
	return slices.Concat([]byte(head),
		section(1, list([]byte{0x60, 0, 1, 0x7f}, []byte{0x60, 3, 0x7f, 0x7f, 0x7f, 0})),
		section(2, list(slices.Concat(name("env"), name("host_interrupt"), []byte{0, 0}))),
		section(3, list([]byte{1})),
		section(5, list([]byte{0, 40})),
		section(7, list(append(name("run"), 0, 1), append(name("memory"), 2, 0))),
		section(10, list(append(size(len(code)), code...))),
	)
}

// instance runs a module whose question is answered by ask.
func instance(t *testing.T, wasm []byte, ask func(fuel api.Global) uint64) api.Module {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	_, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
			stack[0] = ask(m.ExportedGlobal(fuel.Export))
		}), nil, []api.ValueType{api.ValueTypeI32}).Export("host_interrupt").Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Instantiate(t.Context(), wasm)
	if err != nil {
		t.Fatalf("the module is not valid: %v", err)
	}
	return m
}

func instrument(t *testing.T, wasm []byte, interval int) []byte {
	t.Helper()
	out, _, err := fuel.Instrument(wasm, &fuel.Options{Interval: interval})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPolls counts the questions of a loop, and stops one that never ends.
func TestPolls(t *testing.T) {
	// while (--a) {}
	loop := small(0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x0b)
	polls := 0
	m := instance(t, instrument(t, loop, 100), func(counter api.Global) uint64 {
		if v := int32(counter.Get()); v > 0 {
			t.Errorf("the counter is %d while the host is asked", v)
		}
		polls++
		return 0
	})
	if _, err := m.ExportedFunction("run").Call(t.Context(), 100_000, 0, 0); err != nil {
		t.Fatal(err)
	}
	if polls != 1000 {
		t.Errorf("100,000 steps with an interval of 100 asked %d times, want 1000", polls)
	}

	forever := small(0x03, 0x40, 0x0c, 0, 0x0b, 0x0b)
	polls = 0
	m = instance(t, instrument(t, forever, 100), func(api.Global) uint64 {
		polls++
		return uint64(polls / 5)
	})
	if _, err := m.ExportedFunction("run").Call(t.Context(), 0, 0, 0); err == nil || !strings.Contains(err.Error(), "unreachable") || polls != 5 {
		t.Errorf("a loop without end: %v after %d questions", err, polls)
	}

	// A function that only calls itself, twice: no loop, but entries.
	tree := small(0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x41, 0, 0x41, 0, 0x10, 1, 0x20, 0, 0x41, 1, 0x6b, 0x41, 0, 0x41, 0, 0x10, 1, 0x0b, 0x0b)
	polls = 0
	m = instance(t, instrument(t, tree, 1000), func(api.Global) uint64 { polls++; return 0 })
	if _, err := m.ExportedFunction("run").Call(t.Context(), 15, 0, 0); err != nil || polls != 65 {
		t.Errorf("65,535 calls with an interval of 1000 asked %d times, want 65; %v", polls, err)
	}
}

// TestBulkIsMetered compares memory.fill and memory.copy with what they were, also beyond the end of memory.
func TestBulkIsMetered(t *testing.T) {
	fill := small(0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 11, 0, 0x0b)
	move := small(0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 10, 0, 0, 0x0b)
	polls := 0
	ask := func(api.Global) uint64 { polls++; return 0 }
	for what, wasm := range map[string][]byte{"fill": fill, "copy": move} {
		plain, metered := instance(t, wasm, ask), instance(t, instrument(t, wasm, 100), ask)
		rapid.Check(t, func(t *rapid.T) {
			const end = 40 << 16
			at := rapid.OneOf(rapid.Uint32Range(0, end), rapid.Uint32Range(0, 2000), rapid.Uint32Range(end-300<<10, end+9), rapid.Uint32())
			length := rapid.OneOf(rapid.Uint32Range(0, 1000), rapid.Uint32Range(256<<10-2, 256<<10+2), rapid.Uint32Range(0, end)).Draw(t, "length")
			dst, src := at.Draw(t, "to"), at.Draw(t, "from")
			var views [2][]byte
			var failed [2]bool
			for i, m := range []api.Module{plain, metered} {
				views[i], _ = m.Memory().Read(0, end)
				for k := range views[i] {
					views[i][k] = byte(k>>9) ^ byte(k)
				}
				_, err := m.ExportedFunction("run").Call(context.Background(), uint64(dst), uint64(src), uint64(length))
				failed[i] = err != nil
			}
			if failed[0] != failed[1] {
				t.Fatalf("%s(%d, %d, %d): plain failed %v, metered %v", what, dst, src, length, failed[0], failed[1])
			}
			if !failed[0] && !bytes.Equal(views[0], views[1]) {
				t.Fatalf("%s(%d, %d, %d) left other bytes", what, dst, src, length)
			}
		})
		polls = 0
		if _, err := metered.ExportedFunction("run").Call(t.Context(), 0, 1, 2<<20); err != nil || polls < 8 || polls > 100 {
			t.Errorf("%s of 2 MiB asked %d times with an interval of 100; %v", what, polls, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	good := small(0x0b)
	replace := func(old, with string) []byte { return bytes.Replace(good, []byte(old), []byte(with), 1) }
	for want, wasm := range map[string][]byte{
		"not a WebAssembly module":       []byte("\x00asm\x02\x00\x00\x00"),
		"no import env.host_interrupt":   replace("host_interrupt", "host_interrupX"),
		"does not have the type":         replace("\x60\x00\x01\x7f", "\x60\x00\x01\x7e"),
		"unknown":                        append(slices.Clone(good), 13, 0),
		"repeated or out of order":       append(slices.Clone(good), 1, 1, 0),
		"bytes announced":                append(slices.Clone(good), 11, 5, 0),
		"a number beyond 32 bits":        append(slices.Clone(good), 11, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"instruction 0xfd":               small(0xfd, 0, 0x0b),
		"instruction 0x12":               small(0x12, 0, 0x0b),
		"instruction 0x06":               small(0x06, 0x40, 0x0b, 0x0b),
		"instruction 0xfc 15":            small(0xfc, 15, 0, 0x0b),
		"instructions after the end":     small(0x0b, 0x01),
		"unexpected end":                 small(0x02, 0x40, 0x0b),
		"a number beyond 33 bits":        small(0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x0b, 0x0b),
		"elements announced":             small(0x0e, 0x7f, 0x0b),
		"a second memory":                small(0x3f, 1, 0x1a, 0x0b),
		"alignment":                      small(0x41, 0, 0x28, 0x40, 0, 0x1a, 0x0b),
		"functions declared, 0 defined":  good[:bytes.LastIndexByte(good, 10)],
		"exports tollgate_fuel already":  instrument(t, good, 0),
		"limits of kind 3":               replace("host_interrupt\x00\x00", "host_interrupt\x02\x03"),
		"more than 50000 locals":         bytes.Replace(small(0x01, 0x01, 0x01, 0x0b), []byte{0, 1, 1, 1, 0x0b}, []byte{1, 0xff, 0xff, 0x7f, 0x7f}, 1),
		"not a function type":            replace("\x60\x00\x01\x7f", "\x61\x00\x01\x7f"),
		"import of kind 7":               replace("host_interrupt\x00\x00", "host_interrupt\x07\x00"),
		"2 memories: one is supported":   replace("\x05\x03\x01\x00\x28", "\x05\x03\x02\x00\x28"),
		"bytes after the last function":  append(good[:bytes.LastIndexByte(good, 10)], 10, 5, 1, 2, 0, 0x0b, 0),
		"larger than 64 MiB":             make([]byte, 64<<20+1),
		"an interval of -1 steps: want ": nil,
	} {
		interval := 0
		if wasm == nil {
			interval = -1
		}
		_, _, err := fuel.Instrument(wasm, &fuel.Options{Interval: interval})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		var where *fuel.FormatError
		if wasm != nil && (!errors.As(err, &where) || where.Offset < 0 || where.Offset > len(wasm)) {
			t.Errorf("%q: the offset of %v is not in the module", want, err)
		}
	}
}

// FuzzParse checks that whatever is accepted stays valid when it was valid, and that nothing panics.
func FuzzParse(f *testing.F) {
	f.Add(small(0x0b))
	f.Add(small(0x03, 0x40, 0x20, 0, 0x0d, 0, 0x0b, 0x0b))
	f.Add(small(0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 10, 0, 0, 0x0b))
	f.Add(small(0x02, 0x7f, 0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0xfc, 2, 0x0e, 2, 0, 0, 0, 0x0b, 0x1a, 0x0b))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		out, _, err := fuel.Instrument(wasm, nil)
		if err != nil {
			return
		}
		if len(out) > 40*len(wasm)+1000 {
			t.Fatalf("%d bytes became %d", len(wasm), len(out))
		}
		r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(64))
		defer r.Close(t.Context())
		if _, err := r.CompileModule(t.Context(), wasm); err != nil {
			return
		}
		if _, err := r.CompileModule(t.Context(), out); err != nil {
			t.Fatalf("a valid module is not valid any more: %v", err)
		}
	})
}
