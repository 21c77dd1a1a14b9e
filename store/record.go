// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	bolt "go.etcd.io/bbolt"
)

// Every value in a file of [OpenFile] is a record: a CRC-32C of bucket, key and payload, then the payload. bbolt protects its
// own two headers by checksums but not what it stores.
const recordHeader = 4

var errChecksum = errors.New("checksum does not match")

func recordSum(bucket, key, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := addZero(crc32.Update(0, table, bucket), table)
	sum = addZero(crc32.Update(sum, table, key), table)
	return crc32.Update(sum, table, payload)
}

// addZero adds a zero byte, which ends what is in front of it, to a checksum.
func addZero(sum uint32, table *crc32.Table) uint32 { return ^(table[byte(^sum)] ^ ^sum>>8) }

// PutRecord stores payload under key in the named bucket, which exists, with its checksum.
func PutRecord(tx *bolt.Tx, bucket, key string, payload []byte) error {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return fmt.Errorf("bucket %q is missing", bucket)
	}
	value := make([]byte, recordHeader, recordHeader+len(payload))
	binary.BigEndian.PutUint32(value, recordSum([]byte(bucket), []byte(key), payload))
	return b.Put([]byte(key), append(value, payload...))
}

// OpenRecord checks a value as [PutRecord] stores it and returns its payload, which is valid as long as value is.
func OpenRecord(bucket, key, value []byte) ([]byte, error) {
	if len(value) < recordHeader {
		return nil, fmt.Errorf("%s %q: record of %d bytes", bucket, key, len(value))
	}
	payload := value[recordHeader:]
	if binary.BigEndian.Uint32(value) != recordSum(bucket, key, payload) {
		return nil, fmt.Errorf("%s %q: %w", bucket, key, errChecksum)
	}
	return payload, nil
}

// GetRecord returns the payload under key, valid until tx ends; a missing one is an error.
func GetRecord(tx *bolt.Tx, bucket, key string) ([]byte, error) {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return nil, fmt.Errorf("bucket %q is missing", bucket)
	}
	value := b.Get([]byte(key))
	if value == nil {
		return nil, fmt.Errorf("%s %q is missing", bucket, key)
	}
	return OpenRecord([]byte(bucket), []byte(key), value)
}

// checkRecords checks every record of every bucket, whatever the schema version.
func checkRecords(tx *bolt.Tx) error {
	return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		if b == nil {
			return fmt.Errorf("value %q outside any bucket", name)
		}
		return b.ForEach(func(k, v []byte) error {
			if v == nil {
				return fmt.Errorf("bucket %q inside %q", k, name)
			}
			_, err := OpenRecord(name, k, v)
			return err
		})
	})
}
