// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A block is up to blockRecords records in a row, or as many as make blockBytes together.
const (
	blockRecords = 256
	blockBytes   = 1 << 20

	// maxRatio is about what deflate can do at best, so that a forged length does not make a reader take all memory.
	maxRatio = 1100
)

// packer makes blocks. A block is a CRC-32C of the rest, the length of the texts and their lengths in front of them, and the
// number of records, as uvarints; and then, deflated, for each record its length as a uvarint and its text.
type packer struct {
	raw   []byte
	count int
	out   bytes.Buffer
	flate *flate.Writer
}

func (p *packer) add(text []byte) {
	p.raw = binary.AppendUvarint(p.raw, uint64(len(text)))
	p.raw = append(p.raw, text...)
	p.count++
}

func (p *packer) full() bool { return p.count >= blockRecords || len(p.raw) >= blockBytes }

// pack returns the block and begins the next one.
func (p *packer) pack() ([]byte, error) {
	head := binary.AppendUvarint(make([]byte, 4, 24), uint64(len(p.raw)))
	head = binary.AppendUvarint(head, uint64(p.count))
	p.out.Reset()
	p.out.Write(head)
	if p.flate == nil {
		var err error
		if p.flate, err = flate.NewWriter(nil, flateLevel); err != nil {
			return nil, err
		}
	}
	p.flate.Reset(&p.out)
	if _, err := p.flate.Write(p.raw); err != nil {
		return nil, err
	}
	if err := p.flate.Close(); err != nil {
		return nil, err
	}
	p.raw, p.count = p.raw[:0], 0
	b := bytes.Clone(p.out.Bytes())
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli()))
	return b, nil
}

// flateLevel weighs size against time: a level higher saves little.
const flateLevel = 4

// unpacker reads blocks. It is kept for several, since it needs much memory.
type unpacker struct {
	from bytes.Reader
	in   io.ReadCloser // nil = none was read
}

// unpack returns the texts of a block, in memory of their own.
func (u *unpacker) unpack(block []byte) ([][]byte, error) {
	if len(block) < 4 || binary.BigEndian.Uint32(block) != crc32.Checksum(block[4:], castagnoli()) {
		return nil, errors.New("checksum does not match")
	}
	rest := block[4:]
	size, n := binary.Uvarint(rest)
	count, k := binary.Uvarint(rest[max(n, 0):])
	if n <= 0 || k <= 0 || size > uint64(len(rest))*maxRatio || count > size {
		return nil, errors.New("its lengths make no sense")
	}
	raw := make([]byte, size)
	if err := u.reset(rest[n+k:]); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(u.in, raw); err != nil {
		return nil, err
	}
	if n, err := u.in.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return nil, errors.New("it is longer than it says")
	}
	texts := make([][]byte, 0, count)
	for len(raw) > 0 {
		size, n := binary.Uvarint(raw)
		if n <= 0 || size > uint64(len(raw)-n) {
			return nil, errors.New("a record reaches beyond it")
		}
		end := n + int(size)
		texts = append(texts, raw[n:end:end])
		raw = raw[end:]
	}
	if uint64(len(texts)) != count {
		return nil, fmt.Errorf("it has %d records and says %d", len(texts), count)
	}
	return texts, nil
}

// reset begins with other deflated bytes.
func (u *unpacker) reset(b []byte) error {
	u.from.Reset(b)
	if r, ok := u.in.(flate.Resetter); ok {
		return r.Reset(&u.from, nil)
	}
	u.in = flate.NewReader(&u.from)
	return nil
}

// castagnoli is the table of CRC-32C, which processors know by heart.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
