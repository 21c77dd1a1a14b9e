// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"time"
)

// blockIndex says what may be in a block, so that a query need not open it.
type blockIndex struct {
	first    uint64
	count    int
	min, max time.Time // of the times in the records
	terms    []uint64  // in order: the term of each label in each record
	opaque   bool      // some record could not be read: it may be about anything
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
func (ix *blockIndex) add(text []byte) {
	ix.count++
	var r indexed
	if err := json.Unmarshal(text, &r); err != nil || r.Time.IsZero() {
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
			ix.terms = append(ix.terms, term(l[0], l[1]))
		}
	}
}

// may tells whether a record with the label can be in the block.
func (ix *blockIndex) may(label, value string) bool {
	_, ok := slices.BinarySearch(ix.terms, term(label, value))
	return ok || ix.opaque
}

// encode sorts the terms, stores them once each, and with them the rest.
func (ix *blockIndex) encode() []byte {
	slices.Sort(ix.terms)
	ix.terms = slices.Compact(ix.terms)
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 21+8*len(ix.terms)), uint32(ix.count))
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
	for _, t := range ix.terms {
		b = binary.BigEndian.AppendUint64(b, t)
	}
	return b
}

func decodeIndex(first uint64, b []byte) (*blockIndex, error) {
	if len(b) < 21 || (len(b)-21)%8 != 0 {
		return nil, errors.New("index is not readable")
	}
	ix := &blockIndex{first: first, count: int(binary.BigEndian.Uint32(b)), opaque: b[20] != 0, terms: make([]uint64, 0, (len(b)-21)/8)}
	for i, t := range []*time.Time{&ix.min, &ix.max} {
		if nano := int64(binary.BigEndian.Uint64(b[4+8*i:])); nano != 0 {
			*t = time.Unix(0, nano).UTC()
		}
	}
	for b = b[21:]; len(b) > 0; b = b[8:] {
		ix.terms = append(ix.terms, binary.BigEndian.Uint64(b))
	}
	return ix, nil
}
