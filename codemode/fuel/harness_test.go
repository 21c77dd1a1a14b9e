// SPDX-License-Identifier: Apache-2.0

package fuel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"tollgate/codemode/fuel"
	"tollgate/codemode/quickjs"
)

// pair is the JavaScript engine as it was published and as it was rewritten, side by side. A script gets the same answer of
// both, whatever it does. Not for concurrent use.
type pair struct {
	plain, instrumented *js
	polls               int // of the instrumented one
}

// newPair compiles both, once for all tests of the package.
var newPair = sync.OnceValues(func() (*pair, error) {
	p := &pair{}
	wasm := quickjs.Module()
	rewritten, _, err := fuel.Instrument(wasm, nil)
	if err != nil {
		return nil, err
	}
	if p.plain, err = newJS(wasm, func() uint64 { return 0 }); err != nil {
		return nil, err
	}
	p.instrumented, err = newJS(rewritten, func() uint64 { p.polls++; return 0 })
	return p, err
})

// TestMain closes what the tests share.
func TestMain(m *testing.M) {
	code := m.Run()
	if p, err := newPair(); err == nil {
		_ = p.plain.runtime.Close(context.Background())
		_ = p.instrumented.runtime.Close(context.Background())
	}
	os.Exit(code)
}

func sharedPair(t testing.TB) *pair {
	p, err := newPair()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// js makes instances with the memory that one had after its start.
type js struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	mod      api.Module // of the eval that runs
	image    []byte
	stack    uint64
	rt, cx   uint64
}

func newJS(wasm []byte, interrupt func() uint64) (j *js, err error) {
	ctx := context.Background()
	j = &js{runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(256))}
	if err := stubs(ctx, j.runtime, interrupt); err != nil {
		return nil, err
	}
	if j.compiled, err = j.runtime.CompileModule(ctx, wasm); err != nil {
		return nil, err
	}
	if j.mod, err = j.runtime.InstantiateModule(ctx, j.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize")); err != nil {
		return nil, err
	}
	if v, err := j.call("qjs_init"); err != nil || v != 0 {
		return nil, fmt.Errorf("qjs_init: %d, %w", v, err)
	}
	if _, err = j.call("qjs_set_max_stack_size", 256<<10); err != nil {
		return nil, err
	}
	if j.rt, err = j.call("qjs_get_runtime_ptr"); err != nil {
		return nil, err
	}
	if j.cx, err = j.call("qjs_get_context_ptr"); err != nil {
		return nil, err
	}
	image, _ := j.mod.Memory().Read(0, j.mod.Memory().Size())
	j.image, j.stack = bytes.Clone(image), j.mod.ExportedGlobal("__stack_pointer").Get()
	return j, nil
}

// stubs are the imports: a clock that stands, no output, no randomness.
func stubs(ctx context.Context, r wazero.Runtime, interrupt func() uint64) error {
	zero := func(stack []uint64) { stack[0] = 0 }
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	env, wasi := r.NewHostModuleBuilder("env"), r.NewHostModuleBuilder("wasi_snapshot_preview1")
	for _, f := range []struct {
		in     wazero.HostModuleBuilder
		name   string
		params []api.ValueType
		call   func([]uint64)
	}{
		{env, "host_call", []api.ValueType{i32, i32, i32, i32, i32}, zero},
		{env, "host_interrupt", nil, func(stack []uint64) { stack[0] = interrupt() }},
		{env, "host_get_timezone_offset", []api.ValueType{i32, i32}, zero},
		{env, "host_module_normalize", []api.ValueType{i32, i32}, zero},
		{env, "host_module_load", []api.ValueType{i32, i32}, zero},
		{wasi, "clock_time_get", []api.ValueType{i32, i64, i32}, zero},
		{wasi, "random_get", []api.ValueType{i32, i32}, zero},
		{wasi, "fd_write", []api.ValueType{i32, i32, i32, i32}, zero},
		{wasi, "fd_close", []api.ValueType{i32}, zero},
		{wasi, "fd_fdstat_get", []api.ValueType{i32, i32}, zero},
		{wasi, "fd_seek", []api.ValueType{i32, i64, i32, i32}, zero},
	} {
		f.in.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) { f.call(stack) }),
			f.params, []api.ValueType{i32}).Export(f.name)
	}
	env.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(context.Context, []uint64) {}),
		[]api.ValueType{i32, i32, i32}, nil).Export("host_promise_rejection")
	if _, err := env.Instantiate(ctx); err != nil {
		return err
	}
	_, err := wasi.Instantiate(ctx)
	return err
}

func (j *js) call(name string, args ...uint64) (uint64, error) {
	results, err := j.mod.ExportedFunction(name).Call(context.Background(), args...)
	if err != nil || len(results) == 0 {
		return 0, err
	}
	return results[0], nil
}

// eval evaluates a script in a fresh state and returns its value, or its exception, as a string.
func (j *js) eval(source string) (string, error) {
	ctx := context.Background()
	mod, err := j.runtime.InstantiateModule(ctx, j.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return "", err
	}
	defer mod.Close(ctx)
	j.mod = mod
	mem := mod.Memory()
	if have := mem.Size(); have < uint32(len(j.image)) {
		mem.Grow((uint32(len(j.image)) - have) >> 16)
	}
	mem.Write(0, j.image)
	mod.ExportedGlobal("__stack_pointer").(api.MutableGlobal).Set(j.stack)
	if _, err := j.call("qjs_set_runtime_and_context", j.rt, j.cx); err != nil {
		return "", err
	}
	code, err := j.call("wasm_malloc", uint64(len(source))+16)
	if err != nil || code == 0 {
		return "", errors.Join(err, errors.New("no memory"))
	}
	name := code + uint64(len(source)) + 1
	mem.Write(uint32(code), append([]byte(source), 0, 't', 0))
	box, err := j.call("qjs_eval", code, uint64(len(source)), name, 0)
	if err != nil {
		return "", err
	}
	for n := 0; n < 1000; n++ {
		if more, err := j.call("qjs_execute_pending_job"); err != nil || int32(more) <= 0 {
			break
		}
	}
	prefix := "="
	if failed, err := j.call("qjs_is_exception", box); err != nil {
		return "", err
	} else if failed != 0 {
		prefix = "!"
		if box, err = j.call("qjs_get_exception"); err != nil {
			return "", err
		}
	}
	text, err := j.call("qjs_get_string_len", box, code)
	if err != nil {
		return "", err
	}
	n, _ := mem.ReadUint32Le(uint32(code))
	b, _ := mem.Read(uint32(text), n)
	return prefix + string(b), nil
}

// same fails the test when the two disagree.
func (p *pair) same(t *testing.T, source string) string {
	t.Helper()
	want, err := p.plain.eval(source)
	if err != nil {
		want = "trap"
	}
	got, err := p.instrumented.eval(source)
	if err != nil {
		got = "trap"
	}
	if got != want {
		t.Errorf("plain %.300q\ninstrumented %.300q\nof %s", want, got, source)
	}
	return want
}
