// SPDX-License-Identifier: Apache-2.0

package fuel

import "fmt"

// A FormatError says where a module is not what this package understands.
type FormatError struct {
	Offset int // in the module
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("wasm: offset %d: %s", e.Offset, e.Reason)
}

// reader reads the bytes of a module. The first mistake stays; everything read after it is zero.
type reader struct {
	b    []byte
	base int // offset of b in the module
	i    int
	err  *FormatError
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{r.base + r.i, fmt.Sprintf(format, args...)}
		r.i = len(r.b)
	}
}

func (r *reader) left() int  { return len(r.b) - r.i }
func (r *reader) done() bool { return r.i >= len(r.b) }

func (r *reader) byte() byte {
	if r.done() {
		r.fail("unexpected end")
		return 0
	}
	r.i++
	return r.b[r.i-1]
}

// take returns the next n bytes, without copying them.
func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(r.left()) {
		r.fail("%d bytes announced, %d left", n, r.left())
		return nil
	}
	b := r.b[r.i : r.i+int(n)]
	r.i += int(n)
	return b
}

// sub returns a reader of the next n bytes.
func (r *reader) sub(n uint32) *reader {
	base := r.base + r.i
	return &reader{b: r.take(n), base: base, err: r.err}
}

// u32 reads an unsigned LEB128 number.
func (r *reader) u32() uint32 {
	var v uint32
	for shift := 0; ; shift += 7 {
		b := r.byte()
		if shift == 28 && b > 0x0f {
			r.fail("a number beyond 32 bits")
			return 0
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
}

// signed passes a signed LEB128 number of at most so many bits.
func (r *reader) signed(bits int) {
	for shift := 0; ; shift += 7 {
		b := r.byte()
		if b < 0x80 {
			return
		}
		if shift+7 >= bits {
			r.fail("a number beyond %d bits", bits)
			return
		}
	}
}

// count reads the length of a vector whose elements take at least one byte each.
func (r *reader) count() uint32 {
	n := r.u32()
	if uint64(n) > uint64(r.left()) {
		r.fail("%d elements announced, %d bytes left", n, r.left())
		return 0
	}
	return n
}

func appendU32(dst []byte, v uint32) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

func appendI32(dst []byte, v int32) []byte {
	for {
		b := byte(v) & 0x7f
		v >>= 7
		if (v == 0 && b&0x40 == 0) || (v == -1 && b&0x40 != 0) {
			return append(dst, b)
		}
		dst = append(dst, b|0x80)
	}
}
