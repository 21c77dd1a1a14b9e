// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	magic      = "TGSUSP1\n"
	maxHeader  = 64 * mib
	maxEncoded = maxMemory + maxHeader
)

// Encode writes a suspension as bytes: magic, build, then compressed the header and the pages of memory. They are neither
// sealed nor encrypted.
func (from *Suspension) Encode() ([]byte, error) {
	head, err := from.header()
	if err != nil {
		return nil, err
	}
	if len(head) > maxHeader {
		return nil, fmt.Errorf("a suspension with %d bytes of calls: at most %d", len(head), maxHeader)
	}
	var out bytes.Buffer
	out.WriteString(magic)
	out.Write(from.build[:])
	z, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // a level that exists
	put := func(b []byte) {
		if err == nil {
			_, err = z.Write(b)
		}
	}
	put(binary.LittleEndian.AppendUint32(nil, uint32(len(head))))
	put(head)
	put(binary.LittleEndian.AppendUint32(nil, from.size))
	put(binary.LittleEndian.AppendUint32(nil, uint32(len(from.pages))))
	for _, r := range from.pages {
		put(binary.LittleEndian.AppendUint32(nil, r.offset))
		put(binary.LittleEndian.AppendUint32(nil, uint32(len(r.bytes))))
		put(r.bytes)
	}
	if cerr := z.Close(); err == nil {
		err = cerr
	}
	return out.Bytes(), err
}

// DecodeSuspension reads what [Suspension.Encode] wrote. Bytes that others may have written must be sealed and checked before.
func DecodeSuspension(b []byte) (*Suspension, error) {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok || len(rest) < sha256.Size {
		return nil, errors.New("not a suspended program")
	}
	from := &Suspension{}
	rest = rest[copy(from.build[:], rest):]
	in := bytes.NewReader(rest)
	z, err := gzip.NewReader(bufio.NewReader(in))
	if err != nil {
		return nil, fmt.Errorf("suspended program: %w", err)
	}
	z.Multistream(false)
	if err := from.decode(&source{r: io.LimitReader(z, maxEncoded)}); err != nil {
		return nil, fmt.Errorf("suspended program: %w", err)
	}
	return from, nil
}

// source reads until something is wrong.
type source struct {
	r   io.Reader
	err error
}

func (s *source) u32() uint32 {
	var b [4]byte
	if s.err == nil {
		_, s.err = io.ReadFull(s.r, b[:])
	}
	return binary.LittleEndian.Uint32(b[:])
}

// take reads n bytes; the slice grows with what is really there.
func (s *source) take(n, most uint32) []byte {
	if s.err == nil && n > most {
		s.err = fmt.Errorf("a part of %d bytes: at most %d", n, most)
	}
	if s.err != nil {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(s.r, int64(n)))
	if err == nil && len(b) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	s.err = err
	return b
}

func (from *Suspension) decode(s *source) error {
	head := s.take(s.u32(), maxHeader)
	from.size = s.u32()
	if s.err == nil && (from.size == 0 || from.size > maxMemory || from.size%page != 0) {
		return fmt.Errorf("a memory of %d bytes", from.size)
	}
	end := uint32(0)
	for range s.u32() {
		offset, length := s.u32(), s.u32()
		if s.err != nil {
			return s.err
		}
		if offset < end || offset%pageSize != 0 || length == 0 || length%pageSize != 0 || offset > from.size || length > from.size-offset {
			return fmt.Errorf("%d bytes at %d of a memory of %d bytes", length, offset, from.size)
		}
		from.pages = append(from.pages, run{offset, s.take(length, from.size)})
		end = offset + length
	}
	if s.err != nil {
		return s.err
	}
	if n, err := s.r.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return fmt.Errorf("more than a suspension: %w", cmpErr(err))
	}
	return from.decodeHeader(head)
}

func cmpErr(err error) error {
	if err == nil {
		return errors.New("trailing bytes")
	}
	return err
}

// decodeHeader reads the header and checks that its parts agree.
func (from *Suspension) decodeHeader(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var h header
	if err := d.Decode(&h); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than a header")
	}
	last := 0
	for _, w := range h.Parked {
		if w.Call.Seq <= last || w.Call.Seq > len(h.Calls) {
			return fmt.Errorf("parked call %d of %d", w.Call.Seq, len(h.Calls))
		}
		last = w.Call.Seq
	}
	for i, m := range h.Calls {
		if m.Seq != i+1 {
			return fmt.Errorf("call %d has the number %d", i+1, m.Seq)
		}
	}
	if len(h.Parked) == 0 {
		return errors.New("nothing is parked")
	}
	from.Calls, from.Parked, from.state = h.Calls, h.Parked, h.State
	return nil
}
