// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"tollgate/codemode/fuel"
)

// guest is an instance of the JavaScript engine. Its methods call exported functions; a box is the address of a JavaScript
// value in linear memory. Not for concurrent use.
type guest struct {
	ctx   context.Context // with the sandbox, for the host functions
	mod   api.Module
	mem   api.Memory
	fuel  api.Global
	calls [functions]api.Function
	words [4]uint64 // arguments and result of a call; a nested call reads the one before the other writes
	at    places
}

// places are addresses that are the same in every instance restored from one snapshot.
type places struct {
	StackPointer, Runtime, Context uint32
	Scratch                        uint32 // scratchSize bytes for short texts
	Words                          uint32 // 8 words for argument vectors and lengths
	File                           uint32 // the name that a script has in stacks

	Setup, Run, Settle, Fire, Fail uint32 // boxes of the functions of the prelude
}

const scratchSize = 4096

// Exported functions that are called over and over.
const (
	fnMalloc = iota
	fnFree
	fnCall
	fnJob
	fnNewString
	fnNewNumber
	fnFreeValue
	fnIsException
	fnGetException
	fnStringLen
	fnFreeString
	fnUndefined
	functions
)

func functionNames() [functions]string {
	return [functions]string{
		fnMalloc: "wasm_malloc", fnFree: "wasm_free", fnCall: "qjs_call", fnJob: "qjs_execute_pending_job", fnNewString: "qjs_new_string",
		fnNewNumber: "qjs_new_number", fnFreeValue: "qjs_free_value", fnIsException: "qjs_is_exception", fnGetException: "qjs_get_exception",
		fnStringLen: "qjs_get_string_len", fnFreeString: "qjs_free_cstring", fnUndefined: "qjs_get_undefined",
	}
}

var (
	errGuestMemory = errors.New("no memory in the sandbox")
	errException   = errors.New("an exception")
)

func newGuest(ctx context.Context, mod api.Module) (*guest, error) {
	g := &guest{ctx: ctx, mod: mod, mem: mod.Memory(), fuel: mod.ExportedGlobal(fuel.Export)}
	if g.mem == nil || g.fuel == nil {
		return nil, errors.New("the JavaScript engine exports no memory or was not instrumented")
	}
	return g, nil
}

// call calls an exported function, which is looked up once.
func (g *guest) call(fn int, args ...uint64) (uint32, error) {
	f := g.calls[fn]
	if f == nil {
		name := functionNames()[fn]
		if f = g.mod.ExportedFunction(name); f == nil {
			return 0, fmt.Errorf("the JavaScript engine does not export %s", name)
		}
		g.calls[fn] = f
	}
	copy(g.words[:], args)
	err := f.CallWithStack(g.ctx, g.words[:])
	return uint32(g.words[0]), err
}

// once calls an exported function that is needed once per instance.
func (g *guest) once(name string, args ...uint64) (uint32, error) {
	f := g.mod.ExportedFunction(name)
	if f == nil {
		return 0, fmt.Errorf("the JavaScript engine does not export %s", name)
	}
	results, err := f.Call(g.ctx, args...)
	if err != nil || len(results) == 0 {
		return 0, err
	}
	return uint32(results[0]), nil
}

// alloc returns the address of n bytes and a zero.
func (g *guest) alloc(n int) (uint32, error) {
	ptr, err := g.call(fnMalloc, uint64(n)+1)
	if err == nil && ptr == 0 {
		err = errGuestMemory
	}
	return ptr, err
}

// place writes b and a zero into linear memory; release frees what it took.
func (g *guest) place(b []byte) (ptr uint32, err error) {
	ptr = g.at.Scratch
	if len(b) >= scratchSize || ptr == 0 {
		if ptr, err = g.alloc(len(b)); err != nil {
			return 0, err
		}
	}
	dst, ok := g.mem.Read(ptr, uint32(len(b))+1)
	if !ok {
		return 0, fmt.Errorf("%d bytes at %#x are outside of the sandbox", len(b), ptr)
	}
	copyInPieces(dst, b)
	dst[len(b)] = 0
	return ptr, nil
}

func (g *guest) release(ptr uint32) error {
	if ptr == g.at.Scratch {
		return nil
	}
	_, err := g.call(fnFree, uint64(ptr))
	return err
}

// newString returns the box of a string.
func (g *guest) newString(b []byte) (uint32, error) {
	ptr, err := g.place(b)
	if err != nil {
		return 0, err
	}
	box, err := g.call(fnNewString, uint64(ptr), uint64(len(b)))
	if err == nil {
		err = g.release(ptr)
	}
	return box, err
}

// text copies the string of a box, at most limit bytes of it, and says how many bytes it has.
func (g *guest) text(box uint32, limit int) (b []byte, length int, err error) {
	words := g.at.Words + 16 // the first words may hold arguments of the call that is running
	ptr, err := g.call(fnStringLen, uint64(box), uint64(words))
	if err != nil {
		return nil, 0, err
	}
	if ptr == 0 {
		return nil, 0, errGuestMemory
	}
	n, _ := g.mem.ReadUint32Le(words)
	src, ok := g.mem.Read(ptr, min(n, uint32(limit)))
	if !ok {
		return nil, 0, fmt.Errorf("a string of %d bytes at %#x is outside of the sandbox", n, ptr)
	}
	b = make([]byte, len(src))
	copyInPieces(b, src)
	_, err = g.call(fnFreeString, uint64(ptr))
	return b, int(n), err
}

// apply calls a function of the prelude and frees the arguments. An exception is errException, and stays in the guest.
func (g *guest) apply(function uint32, args ...uint32) error {
	for i, box := range args {
		g.mem.WriteUint32Le(g.at.Words+uint32(i)*4, box)
	}
	undefined, err := g.call(fnUndefined)
	if err != nil {
		return err
	}
	result, err := g.call(fnCall, uint64(function), uint64(undefined), uint64(len(args)), uint64(g.at.Words))
	if err != nil {
		return err
	}
	failed, err := g.call(fnIsException, uint64(result))
	if err != nil {
		return err
	}
	for _, box := range append(args, result, undefined) {
		if _, err := g.call(fnFreeValue, uint64(box)); err != nil {
			return err
		}
	}
	if failed != 0 {
		return errException
	}
	return nil
}
