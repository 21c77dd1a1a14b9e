// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for the prelude
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"tollgate/codemode/fuel"
	"tollgate/codemode/quickjs"
)

//go:embed prelude.js
var prelude string

const (
	scriptFile  = "script.ts" // the script in stacks
	preludeFile = "prelude"
	pageSize    = 4096 // of snapshots

	evalStrict = 1 << 3
)

// build is the engine made ready: machine code, and the memory of an instance in which the prelude has run.
type build struct {
	runtime  wazero.Runtime
	cache    wazero.CompilationCache
	compiled wazero.CompiledModule
	image    image
	at       places
	id       [sha256.Size]byte // of the module, the prelude and the image
}

// image is linear memory without the pages that are zero.
type image struct {
	size  uint32
	pages []run
	full  []byte // all pages
	stale []int  // addresses of pages that are not zero in a new instance, but here
}

// page returns one page, which is zero beyond the image.
func (im *image) page(at int) []byte {
	if at >= len(im.full) {
		return make([]byte, pageSize)
	}
	return im.full[at : at+pageSize]
}

// run is consecutive pages.
type run struct {
	offset uint32
	bytes  []byte
}

// newBuild takes half a second without a cache on disk. Context does not end the compilation.
func newBuild(o *Options) (b *build, err error) {
	wasm, _, err := fuel.Instrument(quickjs.Module(), nil)
	if err != nil {
		return nil, fmt.Errorf("instrument the JavaScript engine: %w", err)
	}
	b = &build{}
	defer func() {
		if err != nil {
			_ = b.close() // the first error is the one to tell
			b = nil
		}
	}()
	config := wazero.NewRuntimeConfig()
	if o.Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	if o.Cache != "" && !o.Interpreter {
		if err = os.MkdirAll(o.Cache, 0o700); err != nil {
			return b, fmt.Errorf("folder of the compiled engine: %w", err)
		}
		if b.cache, err = wazero.NewCompilationCacheWithDir(o.Cache); err != nil {
			return b, fmt.Errorf("folder of the compiled engine: %w", err)
		}
		config = config.WithCompilationCache(b.cache)
	}
	ctx := context.Background() // what is built here serves every caller
	b.runtime = wazero.NewRuntimeWithConfig(ctx, config.WithMemoryLimitPages(maxMemory/page).WithDebugInfoEnabled(false))
	if err = instantiateHost(ctx, b.runtime); err != nil {
		return b, fmt.Errorf("host functions: %w", err)
	}
	if b.compiled, err = b.runtime.CompileModule(ctx, wasm); err != nil {
		return b, fmt.Errorf("compile the JavaScript engine: %w", err)
	}
	if err = b.snapshot(); err != nil {
		return b, fmt.Errorf("start the JavaScript engine: %w", err)
	}
	b.sign(wasm)
	return b, nil
}

func (b *build) close() error {
	var err error
	if b.runtime != nil {
		err = b.runtime.Close(context.Background())
	}
	if b.cache != nil {
		if cerr := b.cache.Close(context.Background()); err == nil {
			err = cerr
		}
	}
	return err
}

// instantiate returns an instance with nothing run in it.
func (b *build) instantiate(s *sandbox) (*guest, error) {
	ctx := context.Background() // time is bounded by polls
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	mod, err := b.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, s.memory), b.compiled, config)
	if err != nil {
		return nil, err
	}
	return newGuest(inside{ctx, s}, mod)
}

// snapshot runs the prelude and keeps the memory.
func (b *build) snapshot() error {
	unlimited := &store{total: maxMemory}
	s := &sandbox{memory: &memory{store: unlimited, limit: maxMemory}, building: true}
	g, err := b.instantiate(s)
	if err != nil {
		return err
	}
	s.guest = g
	defer g.mod.Close(context.Background())
	before := sparse(s.memory.buf)
	if err := g.start(); err != nil {
		return err
	}
	pointer, err := g.stackPointer()
	if err != nil {
		return err
	}
	g.at.StackPointer = uint32(pointer.Get())
	b.at = g.at
	b.image = sparse(s.memory.buf)
	for at := 0; at < len(before.full); at += pageSize {
		if !zero(before.page(at)) && zero(b.image.page(at)) {
			b.image.stale = append(b.image.stale, at)
		}
	}
	return nil
}

func zero(p []byte) bool { return len(bytes.TrimLeft(p, "\x00")) == 0 }

func (g *guest) stackPointer() (api.MutableGlobal, error) {
	pointer, ok := g.mod.ExportedGlobal("__stack_pointer").(api.MutableGlobal)
	if !ok {
		return nil, errors.New("__stack_pointer cannot be set")
	}
	return pointer, nil
}

// start initializes the JavaScript engine and runs the prelude.
func (g *guest) start() error {
	steps := &steps{g: g}
	steps.once("_initialize")
	if steps.once("qjs_init") != 0 {
		return fmt.Errorf("qjs_init failed")
	}
	steps.once("qjs_set_interrupt_handler", 1)
	g.at.Runtime, g.at.Context = steps.once("qjs_get_runtime_ptr"), steps.once("qjs_get_context_ptr")
	scratch := steps.once("wasm_malloc", scratchSize+1)
	g.at.Words = steps.once("wasm_malloc", 32)
	g.at.File = steps.text(scriptFile)
	name := steps.text("host")
	door := steps.once("qjs_new_host_function", uint64(name), 4, 0)
	main := steps.eval(prelude, steps.text(preludeFile), 0)
	undefined := steps.once("qjs_get_undefined")
	if steps.err != nil {
		return steps.err
	}
	g.mem.WriteUint32Le(g.at.Words, door)
	list := steps.value("qjs_call", uint64(main), uint64(undefined), 1, uint64(g.at.Words))
	for i, box := range []*uint32{&g.at.Setup, &g.at.Run, &g.at.Settle, &g.at.Fire, &g.at.Fail} {
		*box = steps.value("qjs_get_prop_uint32", uint64(list), uint64(i))
	}
	for _, box := range []uint32{main, undefined, list, door} {
		steps.once("qjs_free_value", uint64(box))
	}
	steps.once("qjs_run_gc")
	g.at.Scratch = scratch
	return steps.err
}

// steps calls functions until one fails.
type steps struct {
	g   *guest
	err error
}

func (s *steps) once(name string, args ...uint64) uint32 {
	if s.err != nil {
		return 0
	}
	v, err := s.g.once(name, args...)
	if err != nil {
		s.err = fmt.Errorf("%s: %w", name, err)
	}
	return v
}

// value is once for a function that returns a box.
func (s *steps) value(name string, args ...uint64) uint32 {
	box := s.once(name, args...)
	if s.err == nil && s.once("qjs_is_exception", uint64(box)) != 0 {
		exception := s.once("qjs_get_exception")
		text, _, _ := s.g.text(exception, scratchSize)
		s.err = fmt.Errorf("%s: %s", name, text)
	}
	return box
}

// text writes a text that stays in memory.
func (s *steps) text(t string) uint32 {
	ptr := s.once("wasm_malloc", uint64(len(t))+1)
	if s.err == nil && !s.g.mem.Write(ptr, append([]byte(t), 0)) {
		s.err = errGuestMemory
	}
	return ptr
}

func (s *steps) eval(source string, file uint32, flags uint64) uint32 {
	ptr := s.text(source)
	box := s.value("qjs_eval", uint64(ptr), uint64(len(source)), uint64(file), flags)
	s.once("wasm_free", uint64(ptr))
	return box
}

// sparse copies the pages of a memory that are not zero.
func sparse(mem []byte) image {
	im := image{size: uint32(len(mem)), full: bytes.Clone(mem)}
	for at := 0; at < len(mem); at += pageSize {
		if p := im.page(at); !zero(p) {
			im.pages = appendPage(im.pages, at, p)
		}
	}
	return im
}

// appendPage adds a page to the last run, or as a new one.
func appendPage(list []run, at int, p []byte) []run {
	if n := len(list); n > 0 && int(list[n-1].offset)+len(list[n-1].bytes) == at {
		list[n-1].bytes = append(list[n-1].bytes, p...)
		return list
	}
	return append(list, run{offset: uint32(at), bytes: bytes.Clone(p)})
}

// sign computes what two engines must agree on to exchange suspensions.
func (b *build) sign(wasm []byte) {
	h := sha256.New()
	part := func(p []byte) {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(p))))
		h.Write(p)
	}
	part(wasm)
	part([]byte(prelude))
	part(fmt.Appendf(nil, "%+v %d", b.at, b.image.size))
	for _, r := range b.image.pages {
		part(binary.LittleEndian.AppendUint32(nil, r.offset))
		part(r.bytes)
	}
	h.Sum(b.id[:0])
}

func (b *build) String() string { return hex.EncodeToString(b.id[:8]) }
