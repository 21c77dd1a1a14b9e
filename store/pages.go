// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Sizes and flags of the bbolt file format, version 2. Numbers are in the byte order of the machine that wrote them.
const (
	pageHeader = 16 // id 8, flags 2, count 2, overflow 4
	metaSize   = 64 // magic, version, page size, flags 4 each; root 8, sequence 8, freelist 8, pages 8, transaction 8, sum 8
	elemSize   = 16 // leaf: flags, position, key size, value size; branch: position, key size, page 8
	bucketSize = 16 // root 8, sequence 8; root 0 = the page follows in place

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	noFreelist  = ^uint64(0)

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10
)

// pageChecker walks the pages of a bbolt file by plain reads. bbolt itself maps the file into memory and trusts every
// number in it, so that damage can end in a crash of the process, which no caller can turn into an error.
type pageChecker struct {
	r        io.ReaderAt
	pageSize int64
	pages    uint64          // pages in use, from the header
	taken    map[uint64]bool // pages that were met on the walk
}

// meta is one of the two headers.
type meta struct{ root, freelist, pages, txid uint64 }

// checkPages returns the first thing that makes the file unusable, or nil. Nobody may write to it meanwhile.
func checkPages(r io.ReaderAt, size int64) error {
	c := &pageChecker{r: r, taken: map[uint64]bool{0: true, 1: true}}
	m, err := c.header(size)
	if err != nil {
		return err
	}
	c.pages = m.pages
	if c.pages > uint64(size/c.pageSize) {
		return fmt.Errorf("file has %d bytes, %d pages of %d bytes are in use: it was cut off", size, c.pages, c.pageSize)
	}
	if err := c.tree(m.root, nil, nil); err != nil {
		return err
	}
	free, err := c.freelist(m.freelist)
	if err != nil {
		return err
	}
	for id := range c.pages {
		if c.taken[id] == free[id] {
			return fmt.Errorf("page %d: neither in use nor free, or both", id)
		}
	}
	return nil
}

// page reads page id with its overflow and marks it as taken.
func (c *pageChecker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= c.pages {
		return nil, fmt.Errorf("page %d: outside the file", id)
	}
	head := make([]byte, pageHeader)
	if _, err := c.r.ReadAt(head, int64(id)*c.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	if got := binary.NativeEndian.Uint64(head); got != id {
		return nil, fmt.Errorf("page %d: says that it is page %d", id, got)
	}
	last := id + uint64(binary.NativeEndian.Uint32(head[12:]))
	if last >= c.pages {
		return nil, fmt.Errorf("page %d: reaches beyond the file", id)
	}
	for i := id; i <= last; i++ {
		if c.taken[i] {
			return nil, fmt.Errorf("page %d: in use twice", i)
		}
		c.taken[i] = true
	}
	b := make([]byte, int64(last-id+1)*c.pageSize)
	if _, err := c.r.ReadAt(b, int64(id)*c.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return b, nil
}

// freelist returns the pages that are free for reuse.
func (c *pageChecker) freelist(id uint64) (map[uint64]bool, error) {
	free := map[uint64]bool{}
	if id == noFreelist {
		for p := range c.pages {
			free[p] = !c.taken[p]
		}
		return free, nil
	}
	b, err := c.page(id)
	if err != nil {
		return nil, fmt.Errorf("freelist: %w", err)
	}
	if binary.NativeEndian.Uint16(b[8:]) != flagFreelist {
		return nil, fmt.Errorf("page %d is no freelist", id)
	}
	ids := b[pageHeader:]
	n := uint64(binary.NativeEndian.Uint16(b[10:]))
	if n == 0xFFFF { // too many for the header: the count comes first
		n, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return nil, errors.New("freelist: more pages than fit")
	}
	for i := range n {
		p := binary.NativeEndian.Uint64(ids[i*8:])
		if free[p] || p >= c.pages {
			return nil, fmt.Errorf("freelist: page %d is listed twice or does not exist", p)
		}
		free[p] = true
	}
	return free, nil
}
