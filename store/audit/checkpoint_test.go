// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// TestCheckpoint: only the untouched note of this log opens under its key.
func TestCheckpoint(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	at := time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC)
	root := tlog.RecordHash([]byte("x"))
	signed, err := signCheckpoint(key, "tollgate/0123", 12, root, at)
	if err != nil {
		t.Fatal(err)
	}
	public, err := verifierKey(key, "tollgate/0123")
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenCheckpoint(signed, public)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Checkpoint{"tollgate/0123", 12, root, at}); *got != want {
		t.Errorf("checkpoint %+v, want %+v", *got, want)
	}
	for i := range signed {
		bad := bytes.Clone(signed)
		bad[i] ^= 1
		if c, err := OpenCheckpoint(bad, public); err == nil {
			t.Errorf("byte %d changed, and it opened: %+v", i, c)
		}
	}
	other, err := verifierKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize)), "tollgate/0123")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCheckpoint(signed, other); err == nil {
		t.Error("it opened under another key")
	}
}
