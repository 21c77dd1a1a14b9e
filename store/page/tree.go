// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// tree walks the pages under id, of a bucket inside depth others. All keys must be at least low and, unless high is nil,
// less than high.
func (c *checker) tree(id uint64, low, high []byte, depth int) error {
	if depth == len(c.leaves) {
		c.leaves = append(c.leaves, make([]byte, c.pageSize))
	}
	b, err := c.page(id, c.leaves[depth])
	if err != nil {
		return err
	}
	switch binary.NativeEndian.Uint16(b[8:]) {
	case flagLeaf:
		c.leaves[depth] = b[:cap(b)]
		err = c.leaf(b, low, high, depth, false)
	case flagBranch:
		err = c.branch(bytes.Clone(b), low, high, depth) // the pages below are read into the same memory
	default:
		err = errors.New("unknown kind")
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// elements splits off the element table of a page.
func elements(b []byte) ([]byte, error) {
	n := pageHeader + elemSize*int(binary.NativeEndian.Uint16(b[10:]))
	if n > len(b) {
		return nil, errors.New("more elements than fit")
	}
	return b[pageHeader:n], nil
}

// span returns n bytes of b from position at.
func span(b []byte, at, n uint64) ([]byte, error) {
	if at > uint64(len(b)) || n > uint64(len(b))-at {
		return nil, errors.New("element reaches beyond the page")
	}
	return b[at : at+n], nil
}

// branch walks an inner page: each element holds the first key of a child.
func (c *checker) branch(b, low, high []byte, depth int) error {
	table, err := elements(b)
	if err != nil {
		return err
	}
	if len(table) == 0 {
		return errors.New("inner page without children")
	}
	var keys [][]byte
	for i := 0; i < len(table); i += elemSize {
		pos, size := binary.NativeEndian.Uint32(table[i:]), binary.NativeEndian.Uint32(table[i+4:])
		key, err := span(b, pageHeader+uint64(i)+uint64(pos), uint64(size))
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	if err := ordered(keys, low, high); err != nil {
		return err
	}
	for i, key := range keys {
		next := high
		if i+1 < len(keys) {
			next = keys[i+1]
		}
		if err := c.tree(binary.NativeEndian.Uint64(table[i*elemSize+8:]), key, next, depth); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks a page of keys and values, and walks the buckets among them. A page that lies in place of a root page
// holds none.
func (c *checker) leaf(b, low, high []byte, depth int, inPlace bool) error {
	table, err := elements(b)
	if err != nil {
		return err
	}
	keys := make([][]byte, 0, len(table)/elemSize)
	for i := 0; i < len(table); i += elemSize {
		e := table[i : i+elemSize]
		flags, pos := binary.NativeEndian.Uint32(e), binary.NativeEndian.Uint32(e[4:])
		ksize, vsize := binary.NativeEndian.Uint32(e[8:]), binary.NativeEndian.Uint32(e[12:])
		kv, err := span(b, pageHeader+uint64(i)+uint64(pos), uint64(ksize)+uint64(vsize))
		if err != nil {
			return err
		}
		keys = append(keys, kv[:ksize])
		switch {
		case flags == 0:
		case flags == 1 && !inPlace:
			if err := c.child(kv[ksize:], depth+1); err != nil {
				return fmt.Errorf("bucket %q: %w", kv[:ksize], err)
			}
		default:
			return errors.New("unknown kind of element")
		}
	}
	return ordered(keys, low, high)
}

// child walks the bucket described by a value.
func (c *checker) child(value []byte, depth int) error {
	if len(value) < bucketSize {
		return errors.New("description is too short")
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return c.tree(root, nil, nil, depth)
	}
	inline := value[bucketSize:]
	if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != flagLeaf {
		return errors.New("page in place is no leaf")
	}
	return c.leaf(inline, nil, nil, depth, true)
}

// ordered checks that keys ascend, none is empty, and all lie in [low, high).
func ordered(keys [][]byte, low, high []byte) error {
	for i, k := range keys {
		switch {
		case len(k) == 0,
			i == 0 && bytes.Compare(k, low) < 0,
			i > 0 && bytes.Compare(k, keys[i-1]) <= 0,
			high != nil && bytes.Compare(k, high) >= 0:
			return fmt.Errorf("key %d is out of order", i)
		}
	}
	return nil
}
