// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/store"
)

func openPrograms(t *testing.T, dir string, o *store.ProgramsOptions) *store.Programs {
	t.Helper()
	p, err := store.OpenPrograms(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, err := range p.Check() {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestProgramsTakenOnce: of many that take a program, one gets it, and it is gone after a restart too.
func TestProgramsTakenOnce(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	until := time.Now().Add(time.Hour)
	func() {
		p, err := store.OpenPrograms(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for _, id := range []string{"a", "b"} {
			if err := p.Put(ctx, "alice", id, []byte("program "+id), until); err != nil {
				t.Fatal(err)
			}
		}
		var got atomic.Int64
		var work sync.WaitGroup
		for range 16 {
			work.Go(func() {
				if text, err := p.Take(ctx, "alice", "a"); err != nil {
					t.Error(err)
				} else if text != nil {
					got.Add(1)
				}
			})
		}
		work.Wait()
		if got.Load() != 1 {
			t.Errorf("%d got the program, want one", got.Load())
		}
	}()
	p := openPrograms(t, dir, nil)
	if text, err := p.Take(ctx, "alice", "a"); text != nil || err != nil {
		t.Errorf("taken again after a restart: %q, %v", text, err)
	}
	if text, err := p.Take(ctx, "bob", "b"); text != nil || err != nil {
		t.Errorf("another owner got %q, %v", text, err)
	}
	if text, err := p.Take(ctx, "alice", "b"); string(text) != "program b" || err != nil {
		t.Errorf("after a restart: %q, %v", text, err)
	}
}

// TestProgramsAreBounded: neither one owner nor all together fill the disk, and what has ended makes room.
func TestProgramsAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ctx := context.Background()
	p := openPrograms(t, t.TempDir(), &store.ProgramsOptions{Now: func() time.Time { return now }, MaxPerOwner: 2, MaxTotal: 100})
	put := func(owner, id string, size int) error {
		return p.Put(ctx, owner, id, []byte(strings.Repeat("x", size)), now.Add(time.Minute))
	}
	for _, id := range []string{"1", "2", "2"} { // again under the same id is no more
		if err := put("alice", id, 40); err != nil {
			t.Fatal(err)
		}
	}
	var full *store.ProgramsFullError
	if err := put("alice", "3", 1); !errors.As(err, &full) || !full.Owner {
		t.Errorf("a third program: %v", err)
	}
	if err := put("bob", "1", 21); !errors.As(err, &full) || full.Owner {
		t.Errorf("more than fits: %v", err)
	}
	if err := put("bob", "1", 20); err != nil {
		t.Errorf("what fits: %v", err)
	}
	now = now.Add(time.Minute)
	if text, err := p.Take(ctx, "bob", "1"); text != nil || err != nil {
		t.Errorf("after its time: %q, %v", text, err)
	}
	if err := put("carol", "1", 100); err != nil {
		t.Errorf("what has ended makes no room: %v", err)
	}
}

// TestProgramsFileIsPrivate: neither whose program it is nor its id is in the file.
func TestProgramsFileIsPrivate(t *testing.T) {
	dir := t.TempDir()
	p := openPrograms(t, dir, nil)
	if err := p.Put(context.Background(), "alice@example.com", "06H13NC5HHN88BEIINVENAH48C", []byte("sealed"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "programs.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"alice@example.com", "06H13NC5HHN88BEIINVENAH48C"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the file has %q", secret)
		}
	}
}
