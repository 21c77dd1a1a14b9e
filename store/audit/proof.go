// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"tollgate/upstream/wire"
)

// Proof shows that a record is at its place in a log, to anybody who has the verifier key of the log and nothing else of it.
// [Log.Prove] makes it, [ParseProof] reads it, [Proof.Check] tells whether it holds.
type Proof struct {
	Version    int      `json:"v"` // 1
	Seq        uint64   `json:"seq"`
	Record     string   `json:"record"`     // exact text
	Checkpoint string   `json:"checkpoint"` // signed note of the tree that the record is in
	Inclusion  []string `json:"inclusion"`  // base64 of RFC 6962 hashes, from the record to the root
	// Older is a checkpoint that was kept elsewhere, and Consistency shows that the tree of Checkpoint continues that of Older.
	Older       string   `json:"older,omitempty"`
	Consistency []string `json:"consistency,omitempty"`
}

// Part names the part of a proof that does not hold.
type Part string

// The parts.
const (
	PartForm        Part = "form"        // it is no proof, or none of this version
	PartSignature   Part = "signature"   // of the checkpoint or the older one
	PartPlace       Part = "place"       // the record is not at it
	PartRecord      Part = "record"      // its text is not what the log has, unless a hash of the inclusion was changed
	PartInclusion   Part = "inclusion"   // its hashes
	PartConsistency Part = "consistency" // its hashes, or the log does not continue the older checkpoint
)

// ProofError says which part of a proof does not hold, and why.
type ProofError struct {
	Part Part
	Err  error
}

// Error implements error.
func (e *ProofError) Error() string { return fmt.Sprintf("proof does not hold: %s: %v", e.Part, e.Err) }

// Unwrap returns what is wrong with the part.
func (e *ProofError) Unwrap() error { return e.Err }

// Bounds of a proof.
const (
	proofVersion = 1
	maxProof     = 128 << 20 // bytes of its text
	maxProven    = 20 << 20  // bytes of a record, each of which JSON may write as six
	maxNote      = 64 << 10  // bytes of a checkpoint
	maxHashes    = 64        // on a path: a tree has at most 2^62 records
)

// ParseProof reads a proof: one JSON object with the members of [Proof], each at most once, and no others. Whether it holds
// is not looked at. The error is a *[ProofError].
func ParseProof(text []byte) (*Proof, error) {
	p := &Proof{}
	if err := p.parse(text); err != nil {
		return nil, &ProofError{PartForm, err}
	}
	return p, nil
}

func (p *Proof) parse(text []byte) error {
	if len(text) > maxProof {
		return fmt.Errorf("%d bytes are more than a proof can have (%d)", len(text), maxProof)
	}
	if err := wire.Check(text); err != nil {
		return fmt.Errorf("it is no JSON document: %w", err)
	}
	if wire.Kind(text) != '{' {
		return errors.New("it is no JSON object")
	}
	missing := []string{"v", "seq", "record", "checkpoint", "inclusion"}
	for m := range wire.Members(text) {
		if !slices.Contains([]string{"v", "seq", "record", "checkpoint", "inclusion", "older", "consistency"}, m.Name) {
			return fmt.Errorf("it has a member %q, which proofs do not have", m.Name)
		}
		if wire.Kind(m.Value) == 'n' {
			return fmt.Errorf("its member %q is null", m.Name)
		}
		missing = slices.DeleteFunc(missing, func(name string) bool { return name == m.Name })
	}
	if len(missing) > 0 {
		return fmt.Errorf("it has no member %q", missing[0])
	}
	if err := json.Unmarshal(text, p); err != nil {
		return err
	}
	return p.bounded()
}

// bounded tells what of a proof cannot be, whatever its log.
func (p *Proof) bounded() error {
	switch {
	case p.Version > proofVersion:
		return fmt.Errorf("version %d: %w", p.Version, errVersion)
	case p.Version != proofVersion:
		return fmt.Errorf("version %d is none", p.Version)
	case len(p.Record) > maxProven:
		return fmt.Errorf("a record of %d bytes is more than a proof can have (%d)", len(p.Record), maxProven)
	case len(p.Checkpoint) > maxNote || len(p.Older) > maxNote:
		return fmt.Errorf("a checkpoint has more than %d bytes", maxNote)
	case len(p.Inclusion) > maxHashes || len(p.Consistency) > maxHashes:
		return fmt.Errorf("it has more than %d hashes in a row", maxHashes)
	case p.Older == "" && len(p.Consistency) > 0:
		return errors.New("it has hashes of a consistency and no older checkpoint")
	}
	return nil
}

// Check tells whether the proof holds, and of which checkpoint. It needs the key of [Log.VerifierKey] and no log. The error is
// a *[ProofError], or about the key.
func (p *Proof) Check(key string) (*Checkpoint, error) {
	if _, err := newVerifier(key); err != nil {
		return nil, err
	}
	return p.check(func(signed []byte) (*Checkpoint, error) { return OpenCheckpoint(signed, key) })
}

// check is Check with another way to open checkpoints.
func (p *Proof) check(open func(signed []byte) (*Checkpoint, error)) (*Checkpoint, error) {
	if err := p.bounded(); err != nil {
		return nil, &ProofError{PartForm, err}
	}
	c, err := open([]byte(p.Checkpoint))
	if err != nil {
		return nil, &ProofError{PartSignature, err}
	}
	if err := p.checkRecord(c); err != nil {
		return nil, err
	}
	if p.Older == "" {
		return c, nil
	}
	older, err := open([]byte(p.Older))
	if err != nil {
		return nil, &ProofError{PartSignature, fmt.Errorf("older %w", err)}
	}
	if err := p.checkOlder(c, older); err != nil {
		return nil, &ProofError{PartConsistency, err}
	}
	return c, nil
}

// checkRecord tells whether the record is at its place in the tree of c.
func (p *Proof) checkRecord(c *Checkpoint) error {
	if p.Seq >= c.Size {
		return &ProofError{PartPlace, fmt.Errorf("the checkpoint covers %d records, and not record %d", c.Size, p.Seq)}
	}
	path, err := parseHashes(p.Inclusion)
	if err != nil {
		return &ProofError{PartInclusion, err}
	}
	if want := pathLength(p.Seq, c.Size); len(path) != want {
		return &ProofError{PartInclusion, fmt.Errorf("it has %d hashes; record %d of %d takes %d", len(path), p.Seq, c.Size, want)}
	}
	leaf := tlog.RecordHash([]byte(p.Record))
	holds := func(seq uint64) bool { return tlog.CheckRecord(path, int64(c.Size), c.Root, int64(seq), leaf) == nil }
	if holds(p.Seq) {
		return nil
	}
	for seq := p.Seq - min(p.Seq, nearby); seq < c.Size && seq <= p.Seq+nearby; seq++ {
		if holds(seq) {
			return &ProofError{PartPlace, fmt.Errorf("the record is at place %d of the log, not %d", seq, p.Seq)}
		}
	}
	return &ProofError{PartRecord, fmt.Errorf("this text is not record %d of the log, or hashes of the inclusion were changed: "+
		"they do not give the hash that is signed", p.Seq)}
}

// nearby is how many places before and behind the one of a proof are tried to say what is wrong with it.
const nearby = 1 << 10

// checkOlder tells whether the tree of c continues that of an older checkpoint.
func (p *Proof) checkOlder(c, older *Checkpoint) error {
	path, err := parseHashes(p.Consistency)
	switch {
	case err != nil:
		return err
	case older.Origin != c.Origin:
		return fmt.Errorf("the older checkpoint is of the log %q, the other one of %q", older.Origin, c.Origin)
	case older.Size > c.Size:
		return fmt.Errorf("the older checkpoint covers %d records, the other one only %d", older.Size, c.Size)
	case older.Size == 0: // which every log continues
		if len(path) > 0 || older.Root != newTree(0, nil).root() {
			return errors.New("the older checkpoint covers no records and has the hash of some")
		}
		return nil
	}
	if tlog.CheckTree(path, int64(c.Size), c.Root, int64(older.Size), older.Root) != nil {
		return fmt.Errorf("these hashes do not show that the first %d records are those of the older checkpoint", older.Size)
	}
	return nil
}

// parseHashes reads hashes that have one spelling only.
func parseHashes(list []string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(list))
	for i, text := range list {
		h, err := tlog.ParseHash(text)
		if err != nil || h.String() != text {
			return nil, fmt.Errorf("%q, the hash in place %d, is not the base64 of %d bytes", text, i, tlog.HashSize)
		}
		hashes[i] = h
	}
	return hashes, nil
}

func formatHashes(hashes []tlog.Hash) []string {
	list := make([]string, len(hashes)) // not nil: a tree of one record has none
	for i, h := range hashes {
		list[i] = h.String()
	}
	return list
}

// pathLength is how many hashes lead from record seq to the root of a tree of size records.
func pathLength(seq, size uint64) (n int) {
	for ; size > 1; n++ {
		left := uint64(1) << (bits.Len64(size-1) - 1) // records of the left half
		if seq < left {
			size = left
		} else {
			seq, size = seq-left, size-left
		}
	}
	return n
}
