// SPDX-License-Identifier: Apache-2.0

package fuel

import "slices"

const (
	i32 = 0x7f

	opUnreachable = 0x00
	opBlock       = 0x02
	opLoop        = 0x03
	opIf          = 0x04
	opElse        = 0x05
	opEnd         = 0x0b
	opBr          = 0x0c
	opCall        = 0x10
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opGlobalGet   = 0x23
	opGlobalSet   = 0x24
	opI32Const    = 0x41
	opI32LeS      = 0x4c
	opI32GtU      = 0x4b
	opI32LeU      = 0x4d
	opI32Add      = 0x6a
	opI32Sub      = 0x6b
	opI32ShrU     = 0x76
	opPrefix      = 0xfc
	noResult      = 0x40

	piece     = 256 << 10 // bytes that memory.fill and memory.copy handle at once
	perStep   = 8         // log2 of the bytes that count as one step
	pieceCost = piece >> perStep
)

// instruments are the pieces of code that are put into a module.
type instruments struct {
	interval           int32
	counter            []byte // index of the global, encoded
	ask                []byte // calls the function that asks the host
	step               []byte // takes one from the counter
	callCopy, callFill []byte
	bodies             [][]byte // of the added functions
}

func (m *module) instruments(interval int32) *instruments {
	first := m.imported + m.functions
	in := &instruments{interval: interval, counter: appendU32(nil, m.globals), ask: call(first)}
	in.step = in.take(constant(1))
	in.callCopy, in.callFill = call(first+1), call(first+2)
	in.bodies = [][]byte{join([]byte{0}, call(m.poll), []byte{opIf, noResult, opUnreachable, opEnd},
		constant(interval), []byte{opGlobalSet}, in.counter, []byte{opEnd})}
	if m.memories > 0 {
		in.bodies = append(in.bodies, in.copyBody(), in.fillBody())
	}
	return in
}

// take takes what amount computes from the counter, and asks when nothing is left.
func (in *instruments) take(amount []byte) []byte {
	return join([]byte{opGlobalGet}, in.counter, amount, []byte{opI32Sub, opGlobalSet}, in.counter,
		[]byte{opGlobalGet}, in.counter, constant(0), []byte{opI32LeS, opIf, noResult}, in.ask, []byte{opEnd})
}

// The parameters of the functions that stand for bulk instructions: destination, source or value, length.
const (
	dst = iota
	src
	length
)

func (in *instruments) fillBody() []byte {
	memoryFill := []byte{opPrefix, 11, 0}
	whole := join(get(dst), get(src), get(length), memoryFill)
	return in.bulk(join(get(dst), get(src), constant(piece), memoryFill, add(dst), sub(length)), whole)
}

// copyBody copies forwards or backwards, so that no piece overwrites what is still to be read.
func (in *instruments) copyBody() []byte {
	memoryCopy := []byte{opPrefix, 10, 0, 0}
	end := func(local byte) []byte { return join(get(local), get(length), []byte{opI32Add}) }
	forwards := join(get(dst), get(src), constant(piece), memoryCopy, add(dst), add(src), sub(length))
	backwards := join(sub(length), end(dst), end(src), constant(piece), memoryCopy)
	whole := join(get(dst), get(src), get(length), memoryCopy)
	return in.bulk(join(get(dst), get(src), []byte{opI32LeU, opIf, noResult}, forwards, []byte{opElse}, backwards, []byte{opEnd}), whole)
}

// bulk returns a function that does one piece after the other, then the whole rest.
func (in *instruments) bulk(one, rest []byte) []byte {
	more := join(get(length), constant(piece), []byte{opI32GtU, opIf, noResult})
	again := []byte{opBr, 1, opEnd, opEnd}
	cost := join(get(length), constant(perStep), []byte{opI32ShrU}, constant(1), []byte{opI32Add})
	return join([]byte{0, opLoop, noResult}, more, one, in.take(constant(pieceCost)), again, rest, in.take(cost), []byte{opEnd})
}

// types returns the type section with the types of the added functions.
func (in *instruments) types(m *module) []byte {
	return m.appendTo(secType, []byte{0x60, 0, 0}, []byte{0x60, 3, i32, i32, i32, 0})
}

// functions returns the function section with the added functions.
func (in *instruments) functions(m *module) []byte {
	entries := [][]byte{appendU32(nil, m.types)}
	for range in.bodies[1:] {
		entries = append(entries, appendU32(nil, m.types+1))
	}
	return m.appendTo(secFunction, entries...)
}

// global returns the counter: a mutable i32.
func (in *instruments) global() []byte {
	return join([]byte{i32, 1}, constant(in.interval), []byte{opEnd})
}

func (in *instruments) export() []byte {
	return join(appendU32(nil, uint32(len(Export))), []byte(Export), []byte{3}, in.counter)
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }
func call(index uint32) []byte    { return appendU32([]byte{opCall}, index) }
func constant(v int32) []byte     { return appendI32([]byte{opI32Const}, v) }
func get(local byte) []byte       { return []byte{opLocalGet, local} }
func add(local byte) []byte       { return change(local, opI32Add) }
func sub(local byte) []byte       { return change(local, opI32Sub) }
func change(local, op byte) []byte {
	return join(get(local), constant(piece), []byte{op, opLocalSet, local})
}
