// SPDX-License-Identifier: Apache-2.0

package page

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/bits"
)

// header reads both headers and returns the newer one. bbolt makes do with one good header, falling back to the state
// before the last write; for us that could bring a revoked key back to life, so both must be good.
func (c *checker) header(size int64) (meta, error) {
	if size < 4096 {
		return meta{}, fmt.Errorf("file has only %d bytes", size)
	}
	c.pageSize = 1024 // at least; the first header knows
	first, pageSize, err := c.meta(0)
	if err != nil {
		return meta{}, err
	}
	c.pageSize = pageSize
	second, pageSize, err := c.meta(1)
	if err != nil {
		return meta{}, err
	}
	if pageSize != c.pageSize {
		return meta{}, errors.New("the two headers disagree about the page size")
	}
	// Writes alternate between the headers, so that they hold two transactions in a row.
	var newer meta
	switch {
	case first.txid%2 == 0 && first.txid == second.txid+1:
		newer = first
	case second.txid%2 == 1 && second.txid == first.txid+1:
		newer = second
	default:
		return meta{}, fmt.Errorf("headers of transactions %d and %d do not belong together", first.txid, second.txid)
	}
	if newer.pages < 2 || newer.pages > uint64(size/c.pageSize) {
		return meta{}, fmt.Errorf("file has %d bytes, %d pages of %d bytes are in use: it was cut off", size, newer.pages, c.pageSize)
	}
	c.pages = newer.pages
	return newer, nil
}

func (c *checker) meta(id uint64) (m meta, pageSize int64, err error) {
	b := make([]byte, pageHeader+metaSize)
	if _, err := c.r.ReadAt(b, int64(id)*c.pageSize); err != nil {
		return m, 0, fmt.Errorf("header %d: %w", id, err)
	}
	ne := binary.NativeEndian
	body := b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(body[:metaSize-8])
	if ne.Uint32(body) != metaMagic || ne.Uint64(body[metaSize-8:]) != sum.Sum64() {
		return m, 0, fmt.Errorf("header %d is not readable", id)
	}
	if v := ne.Uint32(body[4:]); v != metaVersion {
		return m, 0, fmt.Errorf("header %d: file format version %d", id, v)
	}
	size := ne.Uint32(body[8:])
	if size < 1024 || size > 1<<24 || bits.OnesCount32(size) != 1 {
		return m, 0, fmt.Errorf("header %d: page size %d", id, size)
	}
	if ne.Uint64(b) != id || ne.Uint16(b[8:]) != flagMeta {
		return m, 0, fmt.Errorf("page %d is no header", id)
	}
	return meta{root: ne.Uint64(body[16:]), freelist: ne.Uint64(body[32:]), pages: ne.Uint64(body[40:]), txid: ne.Uint64(body[48:])}, int64(size), nil
}
