// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
)

// proven is a log of n records in short segments, with a checkpoint behind each; notes[i] covers i records.
func proven(tb testing.TB, n int) (l *Log, key string, notes [][]byte) {
	tb.Helper()
	l = open(tb, &Options{Dir: private(tb), Key: testKey(), SegmentRecords: 5, CheckpointRecords: 1 << 40})
	notes = append(notes, nil)
	for i := range n {
		add(tb, l, numbered(i, 1)...)
		notes = append(notes, published(tb, l))
	}
	key, err := l.VerifierKey()
	if err != nil {
		tb.Fatal(err)
	}
	return l, key, notes
}

// published signs a checkpoint of the whole log.
func published(tb testing.TB, l *Log) []byte {
	tb.Helper()
	if err := l.publish(); err != nil {
		tb.Fatal(err)
	}
	note, size, err := l.newestNote()
	if err != nil || size != l.Size() {
		tb.Fatalf("the newest checkpoint covers %d records of %d: %v", size, l.Size(), err)
	}
	return note
}

// prove makes a proof and takes it through its text.
func prove(tb testing.TB, l *Log, seq uint64, older []byte) *Proof {
	tb.Helper()
	p, err := l.Prove(tb.Context(), seq, older)
	if err != nil {
		tb.Fatalf("record %d: %v", seq, err)
	}
	return again(tb, p)
}

func again(tb testing.TB, p *Proof) *Proof {
	tb.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		tb.Fatal(err)
	}
	parsed, err := ParseProof(text)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	if diff := cmp.Diff(p, parsed); diff != "" {
		tb.Fatalf("the proof became another one (-want +got):\n%s", diff)
	}
	return parsed
}

// TestProofOfEveryRecord: in trees of every small size each record is proven, and each older tree continued, with the key
// alone and in segments that are sealed or not.
func TestProofOfEveryRecord(t *testing.T) {
	l, key, _ := proven(t, 0)
	notes := [][]byte{nil}
	for size := uint64(1); size <= 17; size++ {
		add(t, l, numbered(int(size)-1, 1)...)
		notes = append(notes, published(t, l))
		if size%4 == 0 {
			if err := l.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for seq := range size {
			older := notes[(seq*7+size)%(size+1)]
			p := prove(t, l, seq, older)
			c, err := p.Check(key)
			if err != nil {
				t.Fatalf("record %d of %d: %v", seq, size, err)
			}
			if c.Size != size || p.Record != numbered(int(seq), 1)[0] || p.Seq != seq {
				t.Fatalf("record %d of %d: %q at %d of %d", seq, size, p.Record, p.Seq, c.Size)
			}
		}
		for from := range notes {
			if _, err := prove(t, l, size-1, notes[from]).Check(key); err != nil {
				t.Fatalf("from %d to %d records: %v", from, size, err)
			}
		}
	}
}

// flip changes the spelling of a hash in its first character.
func flip(hash string) string {
	first := "A"
	if hash[0] == 'A' {
		first = "B"
	}
	return first + hash[1:]
}

// with is p after a change of its copy.
func with(p *Proof, change func(p *Proof)) *Proof {
	c := *p
	c.Inclusion, c.Consistency = slices.Clone(p.Inclusion), slices.Clone(p.Consistency)
	change(&c)
	return &c
}

// TestTamperedProof changes each field of a proof in each way that there is, and wants to be told which part does not hold.
func TestTamperedProof(t *testing.T) {
	l, key, notes := proven(t, 14)
	good := prove(t, l, 9, notes[6])
	if _, err := good.Check(key); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(p *Proof)
		part   Part
		say    string
	}{
		"version":               {func(p *Proof) { p.Version = 2 }, PartForm, "a newer tollgate"},
		"no version":            {func(p *Proof) { p.Version = 0 }, PartForm, "version 0"},
		"place":                 {func(p *Proof) { p.Seq = 8 }, PartPlace, "at place 9 of the log, not 8"},
		"far place":             {func(p *Proof) { p.Seq = 2 }, PartPlace, "at place 9 of the log, not 2"},
		"place of another path": {func(p *Proof) { p.Seq = 13 }, PartInclusion, "takes 3"},
		"place beyond":          {func(p *Proof) { p.Seq = 14 }, PartPlace, "covers 14 records, and not record 14"},
		"largest place":         {func(p *Proof) { p.Seq = 1<<64 - 1 }, PartPlace, "covers 14 records"},
		"record":                {func(p *Proof) { p.Record = "record 8" }, PartRecord, "not record 9"},
		"record of no text":     {func(p *Proof) { p.Record = "" }, PartRecord, "not record 9"},
		"hash of the inclusion": {func(p *Proof) { p.Inclusion[2] = flip(p.Inclusion[2]) }, PartRecord, "or hashes of the inclusion"},
		"order of the inclusion": {func(p *Proof) { p.Inclusion[0], p.Inclusion[1] = p.Inclusion[1], p.Inclusion[0] },
			PartRecord, "or hashes of the inclusion"},
		"hash gone":              {func(p *Proof) { p.Inclusion = p.Inclusion[1:] }, PartInclusion, "3 hashes; record 9 of 14 takes 4"},
		"no inclusion":           {func(p *Proof) { p.Inclusion = nil }, PartInclusion, "0 hashes"},
		"hash more":              {func(p *Proof) { p.Inclusion = append(p.Inclusion, p.Inclusion[0]) }, PartInclusion, "5 hashes"},
		"no hash":                {func(p *Proof) { p.Inclusion[1] = "x" }, PartInclusion, `"x", the hash in place 1`},
		"long hash":              {func(p *Proof) { p.Inclusion[1] += "AAAA" }, PartInclusion, "32 bytes"},
		"other spelling":         {func(p *Proof) { p.Inclusion[1] += "\n" }, PartInclusion, "32 bytes"},
		"older checkpoint":       {func(p *Proof) { p.Checkpoint = string(notes[8]) }, PartPlace, "covers 8 records"},
		"checkpoint of others":   {func(p *Proof) { p.Checkpoint = string(notes[13]) }, PartRecord, "not record 9"},
		"no checkpoint":          {func(p *Proof) { p.Checkpoint = "" }, PartSignature, "malformed note"},
		"no older":               {func(p *Proof) { p.Older = "" }, PartForm, "no older checkpoint"},
		"other older":            {func(p *Proof) { p.Older = string(notes[7]) }, PartConsistency, "first 7 records"},
		"hash of consistency":    {func(p *Proof) { p.Consistency[0] = flip(p.Consistency[0]) }, PartConsistency, "first 6 records"},
		"consistency hash gone":  {func(p *Proof) { p.Consistency = p.Consistency[1:] }, PartConsistency, "first 6 records"},
		"no consistency":         {func(p *Proof) { p.Consistency = nil }, PartConsistency, "first 6 records"},
		"consistency hash more":  {func(p *Proof) { p.Consistency = append(p.Consistency, p.Consistency[0]) }, PartConsistency, "first 6 records"},
		"no hash of consistency": {func(p *Proof) { p.Consistency[0] = "x" }, PartConsistency, "place 0"},
		"a newer one as older": {func(p *Proof) { p.Checkpoint, p.Older = p.Older, p.Checkpoint; p.Seq = 3 }, PartInclusion,
			"record 3 of 6 takes 3"},
		"too many hashes": {func(p *Proof) { p.Inclusion = make([]string, maxHashes+1) }, PartForm, "more than 64"},
	} {
		t.Run(name, func(t *testing.T) { wantPart(t, with(good, c.change), key, c.part, c.say) })
	}
	t.Run("older covers more", func(t *testing.T) {
		p := prove(t, l, 9, nil)
		old, _, _ := proven(t, 0)
		old.origin = l.origin // a checkpoint that this log could have signed
		add(t, old, numbered(0, 20)...)
		p.Older = string(published(t, old))
		wantPart(t, p, key, PartConsistency, "covers 20 records, the other one only 14")
	})
}

func wantPart(t *testing.T, p *Proof, key string, part Part, say string) {
	t.Helper()
	_, err := p.Check(key)
	failed, ok := errors.AsType[*ProofError](err)
	if !ok || failed.Part != part || !strings.Contains(err.Error(), string(part)) || !strings.Contains(err.Error(), say) {
		t.Errorf("Check = %v, want the part %q and %q", err, part, say)
	}
}

// TestTamperedSignature changes each byte of both checkpoints, and the key.
func TestTamperedSignature(t *testing.T) {
	l, key, notes := proven(t, 14)
	good := prove(t, l, 9, notes[6])
	for i := range good.Checkpoint {
		p := with(good, func(p *Proof) { b := []byte(p.Checkpoint); b[i] ^= 1; p.Checkpoint = string(b) })
		wantPart(t, p, key, PartSignature, "")
	}
	for i := range good.Older {
		p := with(good, func(p *Proof) { b := []byte(p.Older); b[i] ^= 1; p.Older = string(b) })
		wantPart(t, p, key, PartSignature, "older checkpoint")
	}
	stranger, err := verifierKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize)), l.origin)
	if err != nil {
		t.Fatal(err)
	}
	wantPart(t, good, stranger, PartSignature, "no verifiable signatures")
	if _, err := good.Check("tollgate/0123"); err == nil || !strings.Contains(err.Error(), `verifier key "tollgate/0123"`) {
		t.Errorf("a key that is none: %v", err)
	}
	// The signature does not cover the name beside it: a checkpoint of another log with the same key must not pass.
	other, _, _ := proven(t, 0)
	add(t, other, numbered(0, 10)...)
	p := prove(t, other, 9, nil)
	renamed, err := signCheckpointAs(testKey(), other.origin, l.origin, other.head.Load())
	if err != nil {
		t.Fatal(err)
	}
	wantPart(t, with(p, func(p *Proof) { p.Checkpoint = string(renamed) }), key, PartSignature, "it is of the log")
}

// TestParseProofRefuses: a proof has one form.
func TestParseProofRefuses(t *testing.T) {
	l, _, notes := proven(t, 4)
	good, err := json.Marshal(prove(t, l, 1, notes[2]))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, next string) string { return strings.Replace(string(good), old, next, 1) }
	for text, say := range map[string]string{
		"":                              "no JSON document",
		"[]":                            "no JSON object",
		"{}":                            `no member "v"`,
		string(good) + "x":              "no JSON document",
		string(good[:len(good)-1]):      "no JSON document",
		edit(`"v":1`, `"v":2`):          "a newer tollgate",
		edit(`"v":1`, `"v":"1"`):        "cannot unmarshal",
		edit(`"v":1`, `"v":1.5`):        "cannot unmarshal",
		edit(`"v":1`, `"v":1,"v":1`):    "no JSON document",
		edit(`"v":1`, `"V":1`):          `a member "V"`,
		edit(`"v":1`, `"v":1,"more":1`): `a member "more"`,
		edit(`"seq":1`, `"seq":-1`):     "cannot unmarshal",
		edit(`"seq":1,`, ``):            `no member "seq"`,
		edit(`"record":"record 1"`, `"record":null`):                            `"record" is null`,
		edit(`record 1`, "record \xff"):                                         "no JSON document",
		edit(`record 1`, `record \ud800`):                                       "no JSON document",
		edit(`"inclusion":[`, `"inclusion":[1,`):                                "cannot unmarshal",
		edit(`"older"`, `"Older"`):                                              `a member "Older"`,
		edit(`"checkpoint":"`, `"checkpoint":"`+strings.Repeat("x", maxNote)):   "more than 65536 bytes",
		edit(`"inclusion":[`, `"inclusion":[`+strings.Repeat(`"",`, maxHashes)): "more than 64 hashes",
		edit(`record 1`, strings.Repeat("x", maxProven+1)):                      "more than a proof can have",
	} {
		p, err := ParseProof([]byte(text))
		if failed, ok := errors.AsType[*ProofError](err); !ok || failed.Part != PartForm || !strings.Contains(err.Error(), say) {
			t.Errorf("ParseProof(%.200q) = %v, %v, want %q", text, p, err, say)
		}
	}
}

// FuzzParseProof: whatever is read can be written and read again, and nothing but the record that the log has passes Check.
func FuzzParseProof(f *testing.F) {
	l, key, notes := proven(f, 14)
	for _, older := range [][]byte{nil, notes[6], notes[14]} {
		text, err := json.Marshal(prove(f, l, 9, older))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"v":1,"seq":0,"record":"","checkpoint":"","inclusion":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParseProof(text)
		if err != nil {
			return
		}
		again(t, p)
		if c, err := p.Check(key); err == nil && (p.Record != numbered(int(p.Seq), 1)[0] || c.Size > 14) {
			t.Errorf("%q is at place %d of %d", p.Record, p.Seq, c.Size)
		}
	})
}

func BenchmarkProof(b *testing.B) {
	l, key, notes := proven(b, 1000)
	var p *Proof
	b.Run("prove", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var err error
			if p, err = l.Prove(b.Context(), 500, notes[100]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Check(key); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// signCheckpointAs signs a checkpoint of one log under the name of another, as who has the key can.
func signCheckpointAs(key ed25519.PrivateKey, origin, name string, h *head) ([]byte, error) {
	signed, err := signCheckpoint(key, origin, h.size, h.root, time.Unix(0, 0))
	if err != nil {
		return nil, err
	}
	text, _, _ := bytes.Cut(signed, []byte("\n\n"))
	own, err := newSigner(key, name)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: string(text) + "\n"}, own)
}
