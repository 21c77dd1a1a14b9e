// SPDX-License-Identifier: Apache-2.0

package fuel

import (
	"bytes"
	"slices"
	"strings"
)

const header = "\x00asm\x01\x00\x00\x00"

const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
	sections
)

// order is how sections follow each other.
func order() []byte {
	return []byte{
		secType, secImport, secFunction, secTable, secMemory, secGlobal, secExport, secStart, secElement, secDataCount, secCode, secData,
	}
}

// module is a module cut into sections, with the numbers that are needed to add to it.
type module struct {
	wasm      []byte
	sections  [sections]reader
	present   [sections]bool
	types     uint32
	imported  uint32 // functions
	functions uint32 // of its own
	globals   uint32 // imported and own
	memories  uint32
	poll      uint32   // index of the function that asks the host
	plain     []uint32 // indices of the types () -> i32, to check that import
	pollType  uint32
}

func parse(wasm []byte) (*module, error) {
	if len(wasm) > maxModule {
		return nil, &FormatError{0, "larger than 64 MiB"}
	}
	if !bytes.HasPrefix(wasm, []byte(header)) {
		return nil, &FormatError{0, "not a WebAssembly module of version 1"}
	}
	m := &module{wasm: wasm}
	r := &reader{b: wasm, i: len(header)}
	m.cut(r)
	if r.err != nil {
		return nil, r.err
	}
	for _, step := range []struct {
		id   byte
		read func(*reader)
	}{
		{secType, m.readTypes}, {secImport, m.readImports}, {secFunction, m.readFunctions}, {secMemory, m.readMemories},
		{secGlobal, m.readGlobals}, {secExport, m.readExports}, {secCode, m.readCode},
	} {
		s := m.sections[step.id] // a copy: the section is read again when it is written
		if step.read(&s); s.err != nil {
			return nil, s.err
		}
	}
	if m.poll == 0 {
		return nil, &FormatError{len(wasm), "no import " + Host + ", which is asked whether the module may go on"}
	}
	m.poll--
	return m, nil
}

// cut finds the sections.
func (m *module) cut(r *reader) {
	last := -1
	for !r.done() {
		id := r.byte()
		body := r.sub(r.u32())
		if r.err != nil || id == secCustom {
			continue
		}
		at := bytes.IndexByte(order(), id)
		if at < 0 {
			r.fail("section %d: unknown", id)
			return
		}
		if at <= last {
			r.fail("section %d: repeated or out of order", id)
			return
		}
		last = at
		m.sections[id], m.present[id] = *body, true
	}
}

func (m *module) readTypes(r *reader) {
	if !m.present[secType] {
		return
	}
	m.types = r.count()
	for i := range m.types {
		if r.byte() != 0x60 {
			r.fail("type %d: not a function type", i)
			return
		}
		params := r.take(r.count())
		results := r.take(r.count())
		if len(params) == 0 && len(results) == 1 && results[0] == i32 {
			m.plain = append(m.plain, i)
		}
	}
}

func (m *module) readImports(r *reader) {
	if !m.present[secImport] {
		return
	}
	for range r.count() {
		mod, name := r.take(r.u32()), r.take(r.u32())
		switch kind := r.byte(); kind {
		case 0:
			t := r.u32()
			if string(mod)+"."+string(name) == Host {
				m.poll, m.pollType = m.imported+1, t
			}
			m.imported++
		case 1:
			r.byte()
			r.limits()
		case 2:
			m.memories++
			r.limits()
		case 3:
			r.take(2)
			m.globals++
		default:
			r.fail("import of kind %d: unknown", kind)
		}
	}
	if m.poll > 0 && !slices.Contains(m.plain, m.pollType) {
		r.fail("%s does not have the type () -> i32", Host)
	}
}

// limits passes the limits of a table or a memory.
func (r *reader) limits() {
	switch flag := r.byte(); flag {
	case 0:
		r.u32()
	case 1:
		r.u32()
		r.u32()
	default:
		r.fail("limits of kind %d: shared and 64-bit memories are not supported", flag)
	}
}

func (m *module) readFunctions(r *reader) {
	if m.present[secFunction] {
		m.functions = r.count()
	}
}

func (m *module) readMemories(r *reader) {
	if m.present[secMemory] {
		m.memories += r.count()
	}
	if m.memories > 1 {
		r.fail("%d memories: one is supported", m.memories)
	}
}

func (m *module) readGlobals(r *reader) {
	if m.present[secGlobal] {
		m.globals += r.count()
	}
}

func (m *module) readExports(r *reader) {
	if !m.present[secExport] {
		return
	}
	for range r.count() {
		name := string(r.take(r.u32()))
		r.byte()
		r.u32()
		if strings.EqualFold(name, Export) {
			r.fail("exports %s already: it was rewritten before", name)
		}
	}
}

func (m *module) readCode(r *reader) {
	n := uint32(0)
	if m.present[secCode] {
		n = r.count()
	}
	if n != m.functions {
		r.fail("%d functions declared, %d defined", m.functions, n)
	}
}
