// SPDX-License-Identifier: Apache-2.0

package page

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

// checker is one walk through a file.
type checker struct {
	r        io.ReaderAt
	pageSize int64
	pages    uint64   // up to the last one in use, from the header
	taken    []bool   // pages that were met on the walk
	leaves   [][]byte // memory for leaf pages, one for each bucket around them
}

// meta is one of the two headers.
type meta struct{ root, freelist, pages, txid uint64 }

// Used returns how many bytes of a file of size bytes are in use, and the size of its pages. It reads the headers only, which
// are the first two pages; they must be sound, and the file not be cut off.
func Used(r io.ReaderAt, size int64) (used, pageSize int64, err error) {
	c := &checker{r: r}
	_, err = c.header(size)
	return int64(c.pages) * c.pageSize, c.pageSize, err
}

// Check returns the first thing that makes a file of size bytes unusable, or nil. Nobody may write to it meanwhile.
func Check(r io.ReaderAt, size int64) error {
	c := &checker{r: r}
	m, err := c.header(size)
	if err != nil {
		return err
	}
	c.taken = make([]bool, c.pages)
	c.taken[0], c.taken[1] = true, true
	if err := c.tree(m.root, nil, nil, 0); err != nil {
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

// page reads page id with its overflow, into buf where that is large enough, and marks it as taken.
func (c *checker) page(id uint64, buf []byte) ([]byte, error) {
	if id < 2 || id >= c.pages {
		return nil, fmt.Errorf("page %d: outside the file", id)
	}
	if int64(len(buf)) < c.pageSize {
		buf = make([]byte, c.pageSize)
	}
	if _, err := c.r.ReadAt(buf[:c.pageSize], int64(id)*c.pageSize); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	if got := binary.NativeEndian.Uint64(buf); got != id {
		return nil, fmt.Errorf("page %d: says that it is page %d", id, got)
	}
	last := id + uint64(binary.NativeEndian.Uint32(buf[12:]))
	if last >= c.pages {
		return nil, fmt.Errorf("page %d: reaches beyond the file", id)
	}
	for i := id; i <= last; i++ {
		if c.taken[i] {
			return nil, fmt.Errorf("page %d: in use twice", i)
		}
		c.taken[i] = true
	}
	size := int64(last-id+1) * c.pageSize
	if int64(len(buf)) < size {
		buf = append(make([]byte, 0, size), buf[:c.pageSize]...)[:size]
	}
	if size > c.pageSize {
		if _, err := c.r.ReadAt(buf[c.pageSize:size], (int64(id)+1)*c.pageSize); err != nil {
			return nil, fmt.Errorf("page %d: %w", id, err)
		}
	}
	return buf[:size], nil
}

// freelist returns the pages that are free for reuse.
func (c *checker) freelist(id uint64) (map[uint64]bool, error) {
	free := map[uint64]bool{}
	if id == noFreelist {
		for p := range c.pages {
			free[p] = !c.taken[p]
		}
		return free, nil
	}
	b, err := c.page(id, nil)
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
