// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"golang.org/x/mod/sumdb/tlog"

	"tollgate/store"
)

// keptName is the file of the hashes that retention leaves of the records it removes: those that a tree of all records
// consists of, and for each checkpoint those that prove that later ones continue it.
const keptName = "pruned"

// Its contents: keptMagic, the first record that is left and the number of hashes (8 bytes each), for each hash its place
// and itself, in order, and a CRC-32C of all.
const (
	keptMagic  = "tollgate pruned 1\n"
	keptHeader = len(keptMagic) + 16
	keptEntry  = 8 + tlog.HashSize
)

type keptHashes struct {
	first   uint64
	entries []byte
}

// hash returns the hash at a place.
func (k *keptHashes) hash(index int64) (h tlog.Hash, ok bool) {
	n := len(k.entries) / keptEntry
	i := sort.Search(n, func(i int) bool { return int64(binary.BigEndian.Uint64(k.entries[i*keptEntry:])) >= index })
	if i == n || int64(binary.BigEndian.Uint64(k.entries[i*keptEntry:])) != index {
		return h, false
	}
	return tlog.Hash(k.entries[i*keptEntry+8 : (i+1)*keptEntry]), true
}

// keptHash is a hash that lies with a removed record, or an [ErrPruned].
func (l *Log) keptHash(index int64) (tlog.Hash, error) {
	if k := l.kept.Load(); k != nil {
		if h, ok := k.hash(index); ok {
			return h, nil
		}
	}
	return tlog.Hash{}, fmt.Errorf("hash %d: %w", index, ErrPruned)
}

// loadKept reads the file, if there is one.
func (l *Log) loadKept() error {
	path := filepath.Join(l.opts.Dir, keptName)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return store.PathError(path, err)
	}
	body := b[:max(len(b)-4, 0)]
	if len(body) < keptHeader || !bytes.HasPrefix(body, []byte(keptMagic)) || (len(body)-keptHeader)%keptEntry != 0 ||
		binary.BigEndian.Uint32(b[len(body):]) != crc32.Checksum(body, castagnoli()) {
		return &store.CorruptError{Path: path, Lost: "proofs about removed records", Err: errors.New("checksum does not match")}
	}
	l.kept.Store(&keptHashes{first: binary.BigEndian.Uint64(body[len(keptMagic):]), entries: body[keptHeader:]})
	return nil
}

// keep writes the hashes to be kept when the log begins with record first.
func (l *Log) keep(first uint64, hashes map[int64]tlog.Hash) error {
	b := binary.BigEndian.AppendUint64([]byte(keptMagic), first)
	b = binary.BigEndian.AppendUint64(b, uint64(len(hashes)))
	for _, index := range slices.Sorted(maps.Keys(hashes)) {
		h := hashes[index]
		b = append(binary.BigEndian.AppendUint64(b, uint64(index)), h[:]...)
	}
	entries := b[keptHeader:]
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
	if err := l.writeFile(keptName, b); err != nil {
		return err
	}
	l.kept.Store(&keptHashes{first: first, entries: entries})
	return nil
}

// writeFile replaces a small file, whole or not at all.
func (l *Log) writeFile(name string, b []byte) error {
	path := filepath.Join(l.opts.Dir, name)
	return store.PathError(path, l.opts.Disk.Do(OpWrite, path, func() error {
		temp := path + endTemp
		if err := writeSynced(temp, os.O_CREATE|os.O_TRUNC, b); err != nil {
			return err
		}
		return replaceFile(temp, path)
	}))
}

// writeSynced writes to a file and waits until it is on disk.
func writeSynced(path string, flag int, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|flag, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
