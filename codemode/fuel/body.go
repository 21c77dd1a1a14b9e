// SPDX-License-Identifier: Apache-2.0

package fuel

const maxLocals = 50_000

// rewriteCode walks every function body and writes the code section anew.
func (m *module) rewriteCode(in *instruments) ([]byte, Stats, error) {
	stats := Stats{Functions: int(m.functions)}
	r := m.sections[secCode]
	if m.present[secCode] {
		r.u32()
	}
	out := appendU32(make([]byte, 0, len(r.b)+len(r.b)/8), m.functions+uint32(len(in.bodies)))
	var body []byte
	for range m.functions {
		b := r.sub(r.u32())
		body = body[:0]
		if body = b.locals(body); b.err == nil {
			body = b.instructions(append(body, in.step...), in, &stats)
		}
		if b.err != nil {
			return nil, stats, b.err
		}
		out = appendU32(out, uint32(len(body)))
		out = append(out, body...)
	}
	if r.err == nil && !r.done() {
		r.fail("bytes after the last function")
	}
	if r.err != nil {
		return nil, stats, r.err
	}
	for _, b := range in.bodies {
		out = appendU32(out, uint32(len(b)))
		out = append(out, b...)
	}
	return out, stats, nil
}

// locals copies the declarations of locals.
func (r *reader) locals(dst []byte) []byte {
	start, total := r.i, uint64(0)
	for range r.count() {
		if total += uint64(r.u32()); total > maxLocals {
			r.fail("more than %d locals", maxLocals)
		}
		r.byte()
	}
	if r.err != nil {
		return dst
	}
	return append(dst, r.b[start:r.i]...)
}

// instructions copies the instructions of a body, which ends where its last block ends.
func (r *reader) instructions(dst []byte, in *instruments, stats *Stats) []byte {
	depth := 1
	for depth > 0 && r.err == nil {
		start := r.i
		op := r.byte()
		switch op {
		case opBlock, opIf:
			r.signed(33)
			depth++
		case opLoop:
			r.signed(33)
			depth++
			stats.Loops++
			dst = append(dst, r.b[start:r.i]...)
			dst = append(dst, in.step...)
			continue
		case opEnd:
			depth--
		case opPrefix:
			if with := r.misc(in); with != nil {
				stats.Bulk++
				dst = append(dst, with...)
				continue
			}
		default:
			r.immediates(op)
		}
		if r.err == nil {
			dst = append(dst, r.b[start:r.i]...)
		}
	}
	if r.err == nil && !r.done() {
		r.fail("instructions after the end of the function")
	}
	return dst
}

// immediates passes what follows an opcode.
func (r *reader) immediates(op byte) {
	switch {
	case op <= 0x01 || op == 0x05 || op == 0x0f || op == 0x1a || op == 0x1b || op == 0xd1 || (op >= 0x45 && op <= 0xc4):
	case op == 0x0c || op == 0x0d || op == opCall || (op >= 0x20 && op <= 0x26) || op == 0xd2:
		r.u32()
	case op == 0x0e: // br_table
		for range r.count() {
			r.u32()
		}
		r.u32()
	case op == 0x11: // call_indirect
		r.u32()
		r.u32()
	case op == 0x1c: // select with types
		r.take(r.count())
	case op >= 0x28 && op <= 0x3e: // loads and stores
		if align := r.u32(); align > 4 {
			r.fail("alignment 2^%d", align)
		}
		r.u32()
	case op == 0x3f || op == 0x40: // memory.size, memory.grow
		r.zero()
	case op == opI32Const:
		r.signed(32)
	case op == 0x42:
		r.signed(64)
	case op == 0x43:
		r.take(4)
	case op == 0x44:
		r.take(8)
	case op == 0xd0: // ref.null
		r.byte()
	default:
		r.i--
		r.fail("instruction 0x%02x: not supported", op)
	}
}

// misc passes an instruction with two opcodes, or returns what stands for it.
func (r *reader) misc(in *instruments) []byte {
	switch op := r.u32(); {
	case op <= 7: // saturating conversions
	case op == 8: // memory.init: no longer than the module's own segment
		r.u32()
		r.zero()
	case op == 9 || op == 13: // data.drop, elem.drop
		r.u32()
	case op == 10:
		r.zero()
		r.zero()
		return in.callCopy
	case op == 11:
		r.zero()
		return in.callFill
	default:
		r.fail("instruction 0xfc %d: not supported", op)
	}
	return nil
}

func (r *reader) zero() {
	if r.byte() != 0 {
		r.i--
		r.fail("a second memory: one is supported")
	}
}
