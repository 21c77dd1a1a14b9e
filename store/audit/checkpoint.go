// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what a signed note says of a log (C2SP tlog-checkpoint): its first records, and when that was.
type Checkpoint struct {
	Origin string // of the log
	Size   uint64 // records
	Root   tlog.Hash
	Time   time.Time // of the signature, by the clock of the signer; zero when the note does not say
}

// timeLine begins the line of a checkpoint that has its time.
const timeLine = "time "

// signCheckpoint makes the note about the first size records of a log. The name of the key is the origin.
func signCheckpoint(key ed25519.PrivateKey, origin string, size uint64, root tlog.Hash, at time.Time) ([]byte, error) {
	s, err := newSigner(key, origin)
	if err != nil {
		return nil, fmt.Errorf("checkpoint of %q: %w", origin, err)
	}
	text := fmt.Sprintf("%s\n%d\n%s\n%s%s\n", origin, size, root, timeLine, at.UTC().Format(time.RFC3339))
	signed, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return nil, fmt.Errorf("checkpoint of %q: %w", origin, err)
	}
	return signed, nil
}

// signer signs notes with a key that is at hand, where package note reads keys from text.
type signer struct {
	name string
	hash uint32
	key  ed25519.PrivateKey
}

func newSigner(key ed25519.PrivateKey, name string) (*signer, error) {
	text, err := verifierKey(key, name)
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, err
	}
	return &signer{name, v.KeyHash(), key}, nil
}

// Name implements [note.Signer].
func (s *signer) Name() string { return s.name }

// KeyHash implements [note.Signer].
func (s *signer) KeyHash() uint32 { return s.hash }

// Sign implements [note.Signer].
func (s *signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// verifierKey is the public half of a key in the form of [note.NewVerifier].
func verifierKey(key ed25519.PrivateKey, name string) (string, error) {
	return note.NewEd25519VerifierKey(name, key.Public().(ed25519.PublicKey))
}

// VerifierKey is what checkpoints of the log are verified with: give it to whoever keeps them. "" without a key.
func (l *Log) VerifierKey() (string, error) {
	if l.opts.Key == nil {
		return "", nil
	}
	return verifierKey(l.opts.Key, l.origin)
}

// newVerifier reads a key of [Log.VerifierKey].
func newVerifier(key string) (note.Verifier, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("verifier key %q: %w", key, err)
	}
	return v, nil
}

// OpenCheckpoint verifies a signed note with the key that [Log.VerifierKey] returned, and reads it.
func OpenCheckpoint(signed []byte, key string) (*Checkpoint, error) {
	v, err := newVerifier(key)
	if err != nil {
		return nil, err
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	for _, sig := range n.Sigs { // which has one spelling, so that no byte of a checkpoint can change
		if raw, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil || base64.StdEncoding.EncodeToString(raw) != sig.Base64 {
			return nil, errors.New("checkpoint: its signature is not the base64 that it was written in")
		}
	}
	c, err := readCheckpoint(n.Text)
	if err != nil {
		return nil, err
	}
	if c.Origin != v.Name() { // the signature does not cover the name of the key
		return nil, fmt.Errorf("checkpoint: it is of the log %q, and the key of %q", c.Origin, v.Name())
	}
	return c, nil
}

// readCheckpoint reads the text of a note, whoever has signed it.
func readCheckpoint(text string) (*Checkpoint, error) {
	size, root, err := parseNote([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	text, _, _ = strings.Cut(text, "\n\n")
	lines := strings.Split(text, "\n")
	c := &Checkpoint{Origin: lines[0], Size: size, Root: root}
	for _, line := range lines[3:] {
		if text, ok := strings.CutPrefix(line, timeLine); ok {
			if c.Time, err = time.Parse(time.RFC3339, text); err != nil {
				return nil, fmt.Errorf("checkpoint: %w", err)
			}
		}
	}
	return c, nil
}
