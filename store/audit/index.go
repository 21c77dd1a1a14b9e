// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"slices"
	"sort"
	"time"
)

// blockIndex says what may be in a block, so that a query need not open it.
type blockIndex struct {
	first    uint64
	count    int
	min, max time.Time // of the times in the records that could be read
	opaque   bool      // some record could not: it may be about anything
	terms    []byte    // in order, 8 bytes each: the term of each label in each record
}

// indexer makes the index of a block.
type indexer struct {
	blockIndex
	found []uint64
}

// The labels of records that make terms, beside the ones of [Labels]: kind, id, end, code, action and actor. The kind of an
// object is "object".
type indexed struct {
	Kind   string    `json:"kind"`
	ID     string    `json:"id"`
	Time   time.Time `json:"time"`
	End    string    `json:"end"`
	Code   string    `json:"code"`
	Action string    `json:"action"`
	Actor  string    `json:"actor"`
	Of     Labels    `json:"of"`
}

// term is the 64-bit hash of a label and its value.
func term(label, value string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(label))
	h.Write([]byte{'='})
	h.Write([]byte(value))
	return h.Sum64()
}

// add takes a record into the index.
func (ix *indexer) add(text []byte) {
	ix.count++
	var r indexed
	if err := json.Unmarshal(text, &r); err != nil || r.Time.Year() < firstYear || r.Time.Year() > lastYear {
		ix.opaque = true
		return
	}
	if ix.min.IsZero() || r.Time.Before(ix.min) {
		ix.min = r.Time
	}
	if r.Time.After(ix.max) {
		ix.max = r.Time
	}
	for _, l := range [][2]string{
		{"kind", r.Kind}, {"id", r.ID}, {"end", r.End}, {"code", r.Code}, {"action", r.Action}, {"actor", r.Actor},
		{"org", r.Of.Org}, {"team", r.Of.Team}, {"user", r.Of.User}, {"key", r.Of.Key}, {"upstream", r.Of.Upstream},
		{"object", r.Of.Kind}, {"tool", r.Of.Tool}, {"name", r.Of.Name}, {"origin", r.Of.Origin},
	} {
		if l[1] != "" {
			ix.found = append(ix.found, term(l[0], l[1]))
		}
	}
}

// The years whose times have a number of nanoseconds.
const firstYear, lastYear = 1678, 2261

// may tells whether a record with the term of a label can be in the block.
func (ix *blockIndex) may(term uint64) bool {
	if ix.opaque {
		return true
	}
	n := len(ix.terms) / termBytes
	at := func(i int) uint64 { return binary.BigEndian.Uint64(ix.terms[i*termBytes:]) }
	i := sort.Search(n, func(i int) bool { return at(i) >= term })
	return i < n && at(i) == term
}

// An index is stored as its count, its times in nanoseconds, whether it is opaque, its terms, and a CRC-32C of all that.
const (
	termBytes   = 8
	indexHeader = 4 + 8 + 8 + 1
)

// encode sorts the terms, stores them once each, and with them the rest.
func (ix *indexer) encode() []byte {
	slices.Sort(ix.found)
	ix.found = slices.Compact(ix.found)
	b := binary.BigEndian.AppendUint32(make([]byte, 0, indexHeader+termBytes*len(ix.found)+4), uint32(ix.count))
	for _, t := range []time.Time{ix.min, ix.max} {
		nano := int64(0)
		if !t.IsZero() {
			nano = t.UnixNano()
		}
		b = binary.BigEndian.AppendUint64(b, uint64(nano))
	}
	opaque := byte(0)
	if ix.opaque {
		opaque = 1
	}
	b = append(b, opaque)
	for _, t := range ix.found {
		b = binary.BigEndian.AppendUint64(b, t)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
}

// decodeIndex reads what encode has stored. The index lasts as long as b does.
func decodeIndex(first uint64, b []byte) (*blockIndex, error) {
	end := len(b) - 4
	if end < indexHeader || (end-indexHeader)%termBytes != 0 || binary.BigEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli()) {
		return nil, fmt.Errorf("index of the block of record %d: checksum does not match", first)
	}
	moment := func(b []byte) time.Time { return time.Unix(0, int64(binary.BigEndian.Uint64(b))).UTC() }
	return &blockIndex{
		first: first, count: int(binary.BigEndian.Uint32(b)), min: moment(b[4:]), max: moment(b[12:]), opaque: b[20] != 0,
		terms: b[indexHeader:end],
	}, nil
}
