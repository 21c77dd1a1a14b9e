// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"context"
	"encoding/binary"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// inside is the context of calls into a guest. The runtime hands it to host functions as it is.
type inside struct {
	context.Context
	sandbox *sandbox
}

const (
	errnoSuccess = 0
	errnoBadF    = 8
	exitStopped  = 1
)

// instantiateHost makes the twelve functions that the JavaScript engine imports. Nothing else of this process is reachable.
func instantiateHost(ctx context.Context, r wazero.Runtime) error {
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	env := r.NewHostModuleBuilder("env")
	wasi := r.NewHostModuleBuilder("wasi_snapshot_preview1")
	for _, f := range []struct {
		in     wazero.HostModuleBuilder
		name   string
		params []api.ValueType
		result bool
		call   func(s *sandbox, stack []uint64)
	}{
		{env, "host_call", []api.ValueType{i32, i32, i32, i32, i32}, true, hostCall},
		{env, "host_interrupt", nil, true, hostInterrupt},
		{env, "host_get_timezone_offset", []api.ValueType{i32, i32}, true, answer(0)},
		{env, "host_promise_rejection", []api.ValueType{i32, i32, i32}, false, func(*sandbox, []uint64) {}},
		{env, "host_module_normalize", []api.ValueType{i32, i32}, true, answer(0)},
		{env, "host_module_load", []api.ValueType{i32, i32}, true, answer(0)},
		{wasi, "clock_time_get", []api.ValueType{i32, i64, i32}, true, clockTimeGet},
		{wasi, "random_get", []api.ValueType{i32, i32}, true, randomGet},
		{wasi, "fd_write", []api.ValueType{i32, i32, i32, i32}, true, fdWrite},
		{wasi, "fd_close", []api.ValueType{i32}, true, answer(errnoBadF)},
		{wasi, "fd_fdstat_get", []api.ValueType{i32, i32}, true, answer(errnoBadF)},
		{wasi, "fd_seek", []api.ValueType{i32, i64, i32, i32}, true, answer(errnoBadF)},
	} {
		var results []api.ValueType
		if f.result {
			results = []api.ValueType{i32}
		}
		f.in.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) {
			f.call(ctx.(inside).sandbox, stack)
		}), f.params, results).Export(f.name)
	}
	if _, err := env.Instantiate(ctx); err != nil {
		return err
	}
	_, err := wasi.Instantiate(ctx)
	return err
}

func answer(v uint64) func(*sandbox, []uint64) {
	return func(_ *sandbox, stack []uint64) { stack[0] = v }
}

// hostCall is the door: one string comes in, undefined goes out, or null when the script has reached a limit.
func hostCall(s *sandbox, stack []uint64) {
	argc, argv := uint32(stack[3]), uint32(stack[4])
	g := s.guest
	if argc < 1 {
		s.abort(errGuestMemory)
	}
	box, _ := g.mem.ReadUint32Le(argv)
	b, n, err := g.text(box, s.longest())
	if err != nil {
		s.abort(err)
	}
	result := uint32(0)
	if s.receive(b, n) {
		result, err = g.call(fnUndefined)
	} else {
		result, err = g.once("qjs_get_null")
	}
	if err != nil {
		s.abort(err)
	}
	stack[0] = uint64(result)
}

// abort leaves the guest at once; the instance cannot be used any more.
func (s *sandbox) abort(err error) {
	if s.broken == nil && s.stopped == nil {
		s.broken = err
	}
	panic(sys.NewExitError(exitStopped))
}

// hostInterrupt answers whether the script has to stop. It is asked by the counter of package fuel, and by the JavaScript
// engine every some thousand jumps.
func hostInterrupt(s *sandbox, stack []uint64) {
	byFuel := int32(s.guest.fuel.Get()) <= 0
	stack[0] = 0
	if !s.building && s.poll(byFuel) {
		stack[0] = 1
	}
}

func clockTimeGet(s *sandbox, stack []uint64) {
	var now int64
	if !s.building {
		now = s.clock()
	}
	stack[0] = write64(s, uint32(stack[2]), uint64(now))
}

func write64(s *sandbox, at uint32, v uint64) uint64 {
	if !s.guest.mem.Write(at, binary.LittleEndian.AppendUint64(nil, v)) {
		return errnoBadF
	}
	return errnoSuccess
}

// randomGet gives zeros: random numbers come from the prelude, with a seed for each execution.
func randomGet(s *sandbox, stack []uint64) {
	b, ok := s.guest.mem.Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		stack[0] = errnoBadF
		return
	}
	clear(b)
	stack[0] = errnoSuccess
}

// fdWrite swallows what the C library wants to print.
func fdWrite(s *sandbox, stack []uint64) {
	list, n, written := uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	total := uint32(0)
	for i := range min(n, 16) {
		length, _ := s.guest.mem.ReadUint32Le(list + i*8 + 4)
		total += length
	}
	s.guest.mem.WriteUint32Le(written, total)
	stack[0] = errnoSuccess
}
