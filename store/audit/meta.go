// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"tollgate/store"
)

// The buckets of a segment, and the keys in the one that says what the segment is.
const (
	bucketMeta    = "meta"
	bucketRecords = "records" // while it is not sealed
	bucketBlocks  = "blocks"  // once it is
	bucketIndex   = "index"   // beside the blocks

	metaVersion = "version"
	metaOrigin  = "origin"
	metaNode    = "node"
	metaStart   = "start"  // first record, and the tree before it
	metaTree    = "tree"   // a mark
	metaSealed  = "sealed" // when; absent = it is not
)

// version is the layout of segments that this program writes, and the newest that it reads.
const version = 1

// meta says what a segment is. Only its mark ever changes, with each commit.
type meta struct {
	origin, node string
	first        uint64
	start        []tlog.Hash // tree.full at first
	mark         mark
	sealed       time.Time // zero = it is not
}

// mark says how far a segment goes.
type mark struct {
	size   uint64 // of the log, with the records of the segment
	root   tlog.Hash
	sum    uint32    // CRC-32C of the hashes that belong to the records of the segment
	newest time.Time // when its last record was written
}

const markBytes = 8 + tlog.HashSize + 4 + 8

func (m *mark) encode() []byte {
	b := make([]byte, 0, markBytes)
	b = binary.BigEndian.AppendUint64(b, m.size)
	b = append(b, m.root[:]...)
	b = binary.BigEndian.AppendUint32(b, m.sum)
	return binary.BigEndian.AppendUint64(b, uint64(m.newest.UnixNano()))
}

func decodeMark(b []byte) (m mark, err error) {
	if len(b) != markBytes {
		return m, fmt.Errorf("mark of %d bytes", len(b))
	}
	m.size = binary.BigEndian.Uint64(b)
	copy(m.root[:], b[8:])
	m.sum = binary.BigEndian.Uint32(b[8+tlog.HashSize:])
	m.newest = time.Unix(0, int64(binary.BigEndian.Uint64(b[12+tlog.HashSize:]))).UTC()
	return m, nil
}

// write stores all of m in a new segment.
func (m *meta) write(tx *bolt.Tx) error {
	start := binary.BigEndian.AppendUint64(nil, m.first)
	for i := range m.start {
		start = append(start, m.start[i][:]...)
	}
	_, err := tx.CreateBucket([]byte(bucketMeta))
	put := func(key string, value []byte) {
		if err == nil {
			err = store.PutRecord(tx, bucketMeta, key, value)
		}
	}
	put(metaVersion, []byte{version})
	put(metaOrigin, []byte(m.origin))
	put(metaNode, []byte(m.node))
	put(metaStart, start)
	put(metaTree, m.mark.encode())
	if !m.sealed.IsZero() {
		put(metaSealed, binary.BigEndian.AppendUint64(nil, uint64(m.sealed.UnixNano())))
	}
	return err
}

// readMeta reads what write has stored.
func readMeta(tx *bolt.Tx) (*meta, error) {
	var err error
	get := func(key string) (b []byte) {
		if err == nil {
			b, err = store.GetRecord(tx, bucketMeta, key)
		}
		return b
	}
	v := get(metaVersion)
	if err == nil && len(v) == 1 && v[0] > version {
		return nil, &store.SchemaError{Path: tx.DB().Path(), Have: int(v[0]), Known: version}
	}
	m := &meta{origin: string(get(metaOrigin)), node: string(get(metaNode))}
	start, mk := get(metaStart), get(metaTree)
	if err != nil {
		return nil, err
	}
	if len(v) != 1 || v[0] == 0 || len(start) < 8 || (len(start)-8)%tlog.HashSize != 0 {
		return nil, errors.New("what it says about itself is not readable")
	}
	m.first = binary.BigEndian.Uint64(start)
	for b := start[8:]; len(b) > 0; b = b[tlog.HashSize:] {
		m.start = append(m.start, tlog.Hash(b[:tlog.HashSize]))
	}
	if len(m.start) != len(frontier(m.first)) {
		return nil, fmt.Errorf("the tree before record %d has %d parts", m.first, len(m.start))
	}
	if m.mark, err = decodeMark(mk); err != nil {
		return nil, err
	}
	if m.mark.size < m.first {
		return nil, fmt.Errorf("it begins with record %d and ends before record %d", m.first, m.mark.size)
	}
	if tx.Bucket([]byte(bucketMeta)).Get([]byte(metaSealed)) != nil {
		b := get(metaSealed)
		if err != nil || len(b) != 8 {
			return nil, errors.Join(err, errors.New("when it was sealed is not readable"))
		}
		m.sealed = time.Unix(0, int64(binary.BigEndian.Uint64(b))).UTC()
	}
	return m, nil
}

// key is the key of a record or a block.
func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 0, 8), seq) }
