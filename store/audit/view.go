// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"
)

// segmentView is a segment for those who check it: name, path and first are by the name of its file, the rest is what it says
// about itself and not to be trusted. Its method each reads what it stores.
type segmentView struct {
	*segment
	meta   *meta // nil if err is not
	sealed bool
	size   uint64 // of the log at the end of the segment
	count  uint64 // of the records in it
	root   tlog.Hash
	err    error // why the segment cannot be read
}

// segments returns all segments in order.
func (l *Log) segments() (views []segmentView) {
	for _, s := range *l.files.Load() {
		v := segmentView{segment: s}
		if v.meta, v.err = s.about(); v.err == nil {
			v.sealed, v.size, v.root = !v.meta.sealed.IsZero(), v.meta.mark.size, v.meta.mark.root
			v.count = v.size - v.meta.first
		}
		views = append(views, v)
	}
	return views
}

// indexes calls fn for the indexes of the blocks of a sealed segment, in order, from the block on that has record from; fn
// returns false to end that, and has the index only meanwhile. sealed is false for a segment that has none.
func (s *segment) indexes(ctx context.Context, from uint64, fn func(*blockIndex) bool) (sealed bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketIndex))
		if sealed = b != nil; !sealed {
			return nil
		}
		c := b.Cursor()
		for k, v := seekBlock(c, from); k != nil; k, v = c.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if len(k) != 8 {
				return fmt.Errorf("a key of %d bytes is no place in the log", len(k))
			}
			ix, err := decodeIndex(binary.BigEndian.Uint64(k), v)
			if err != nil {
				return err
			}
			if !fn(ix) {
				return nil
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return sealed, ctx.Err()
	}
	return sealed, s.readError(err)
}
