// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"

	"tollgate/store"
	"tollgate/store/audit"
)

// maxLabel is how many bytes of a label a row keeps. Callers choose some labels, such as the URI of a resource.
const maxLabel = 256

const (
	daySize = 4
	minDay  = day(-1 << 31)
	maxDay  = day(1<<31 - 1)
)

// appendDay writes a day so that bytes are in the order of days.
func appendDay(b []byte, d day) []byte { return binary.BigEndian.AppendUint32(b, uint32(d)^1<<31) }

func rowDay(key []byte) day { return day(binary.BigEndian.Uint32(key) ^ 1<<31) }

// The places of the labels in the key of a row.
const (
	labelOrg = iota
	labelTeam
	labelUser
	labelKey
	labelUpstream
	labelKind
	labelTool
	labelName
	labelOrigin
	labelCount
)

// appendRow writes the key of a row: the day, then each label with its length in front.
func appendRow(b []byte, d day, of *audit.Labels) []byte {
	b = appendDay(b, d)
	for _, label := range [labelCount]string{of.Org, of.Team, of.User, of.Key, of.Upstream, of.Kind, of.Tool, of.Name, of.Origin} {
		label = shortLabel(label)
		b = binary.AppendUvarint(b, uint64(len(label)))
		b = append(b, label...)
	}
	return b
}

var errRow = errors.New("not the key of a row")

// splitRow cuts a key into its labels, which are parts of it.
func splitRow(key []byte) (labels [labelCount][]byte, err error) {
	if len(key) < daySize {
		return labels, errRow
	}
	key = key[daySize:]
	for i := range labels {
		n, size := binary.Uvarint(key)
		if size <= 0 || n > uint64(len(key)-size) {
			return labels, errRow
		}
		labels[i], key = key[size:size+int(n)], key[size+int(n):]
	}
	if len(key) > 0 {
		return labels, errRow
	}
	return labels, nil
}

// shortLabel cuts a long label and ends it with a checksum of the whole, so that two of them are hardly ever one.
func shortLabel(label string) string {
	if len(label) <= maxLabel {
		return label
	}
	sum := fmt.Sprintf("…%08x", crc32.ChecksumIEEE([]byte(label)))
	end := maxLabel - len(sum)
	for end > 0 && !utf8.RuneStart(label[end]) {
		end--
	}
	return label[:end] + sum
}

// callerIn returns where in the key of a row the labels begin that say who called, user and key, and those behind them that say
// what was called.
func callerIn(key []byte) (caller, called int, err error) {
	labels, err := splitRow(key)
	at := daySize
	for i, label := range labels[:labelUpstream] {
		if i == labelUser {
			caller = at
		}
		at += encodedLabel(len(label))
	}
	return caller, at, err
}

// encodedLabel is how many bytes a label of n bytes takes in a key: it has its length in front.
func encodedLabel(n int) int {
	size := 1 + n
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// row is the value of a row.
type row struct {
	Usage
	first, last day // of the days that it is the sum of
}

// add adds v to u.
func (u *row) add(v *row) {
	u.Usage.add(&v.Usage)
	u.first, u.last = min(u.first, v.first), max(u.last, v.last)
}

const usageFields = 8

// appendUsage writes the value of a row. No field is below zero.
func appendUsage(b []byte, u *Usage) []byte {
	for _, n := range [usageFields]int64{u.Calls, u.Answered, u.Failed, u.Refused, u.Cost, u.Overrun, u.Bytes, u.Micros} {
		b = binary.AppendUvarint(b, uint64(max(0, n)))
	}
	return b
}

// putRow stores a row. That of a month says which of its days it has.
func putRow(tx *bolt.Tx, bucket, key string, u *row) error {
	value := appendUsage(nil, &u.Usage)
	if bucket == bucketMonths {
		begin := rowDay([]byte(key))
		value = append(value, byte(u.first-begin), byte(u.last-begin))
	}
	return store.PutRecord(tx, bucket, key, value)
}

// openRow reads the value of a row as it is stored.
func openRow(bucket, key, value []byte) (u row, err error) {
	b, err := store.OpenRecord(bucket, key, value)
	if err != nil {
		return u, err
	}
	fields := [usageFields]*int64{&u.Calls, &u.Answered, &u.Failed, &u.Refused, &u.Cost, &u.Overrun, &u.Bytes, &u.Micros}
	for _, field := range fields {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > 1<<63-1 {
			return u, fmt.Errorf("%s %x: not a row", bucket, key)
		}
		*field, b = int64(n), b[size:]
	}
	if len(key) < daySize {
		return u, fmt.Errorf("%s %x: %w", bucket, key, errRow)
	}
	u.first, u.last = rowDay(key), rowDay(key)
	months := string(bucket) == bucketMonths
	if months && len(b) == 2 {
		u.first, u.last, b = u.first+day(b[0]), u.last+day(b[1]), nil
	} else if months {
		return u, fmt.Errorf("%s %x: not the row of a month", bucket, key)
	}
	if len(b) > 0 {
		return u, fmt.Errorf("%s %x: %d bytes too many", bucket, key, len(b))
	}
	return u, nil
}

// eachRow calls fn with the rows of a table from a day on. The key is valid until fn returns.
func eachRow(tx *bolt.Tx, bucket string, from day, fn func(key []byte, u *row) error) error {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return fmt.Errorf("bucket %q is missing", bucket)
	}
	c, name := b.Cursor(), []byte(bucket)
	for k, v := c.Seek(appendDay(nil, from)); k != nil; k, v = c.Next() {
		u, err := openRow(name, k, v)
		if err == nil {
			err = fn(k, &u)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
