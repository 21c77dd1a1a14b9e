// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// Source is a state directory that this process owns.
type Source struct {
	Dir      string
	State    *store.DB
	Ledger   *ledger.Engine // nil = it is not open, and is read from its files
	Replies  *store.Replies
	Programs *store.Programs // nil = it is not open
	// Key is the one that checkpoints of the audit log are signed with; nil = they are not checked.
	Key ed25519.PrivateKey

	close []func() error // of what Open has opened
}

// Open opens a state directory on which no gateway runs. It fails with a *[store.LockedError] while one does, and changes
// nothing but to bring files to the newest version.
func Open(dir string) (s *Source, err error) {
	if _, err := os.Stat(filepath.Join(dir, stateFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%q is no state directory: it has no %s", dir, stateFile)
	}
	s = &Source{Dir: dir}
	defer func() {
		if err != nil {
			s, err = nil, errors.Join(err, s.Close())
		}
	}()
	if s.State, err = store.Open(dir, nil); err != nil {
		return s, err
	}
	s.close = append(s.close, s.State.Close)
	if s.Replies, err = store.OpenReplies(dir, nil); err != nil {
		return s, err
	}
	s.close = append(s.close, s.Replies.Close)
	return s, nil
}

// programs returns programs.db, and how to let go of it. There is none before the first program.
func (s *Source) programs() (p *store.Programs, done func() error, err error) {
	if s.Programs != nil {
		return s.Programs, func() error { return nil }, nil
	}
	if _, err := os.Stat(filepath.Join(s.Dir, programsFile)); err != nil {
		return nil, nil, err
	}
	if p, err = store.OpenPrograms(s.Dir, nil); err != nil {
		return nil, nil, err
	}
	return p, p.Close, nil
}

// Close lets go of what [Open] has opened.
func (s *Source) Close() (err error) {
	for i := len(s.close) - 1; i >= 0; i-- {
		err = errors.Join(err, s.close[i]())
	}
	s.close = nil
	return err
}

// The files of a state directory that Source names itself.
const (
	stateFile    = "state.db"
	ledgerFile   = "ledger.db"
	repliesFile  = "replies.db"
	programsFile = "programs.db"
	pidFile      = "state.pid"
	logFolder    = "audit"
	listFile     = "backup.json" // of a copy
)

// copyLedger copies the ledger and its log. There is neither before the first start of a gateway.
func (s *Source) copyLedger(ctx context.Context, dir string, moved func(int64)) (*audit.Copied, error) {
	if s.Ledger != nil {
		return s.Ledger.Copy(ctx, dir, moved)
	}
	if !s.hasLedger() {
		return &audit.Copied{}, nil
	}
	return ledger.CopyStopped(ctx, s.Dir, dir, moved)
}

func (s *Source) hasLedger() bool {
	if s.Ledger != nil {
		return true
	}
	for _, name := range []string{ledgerFile, logFolder} {
		if _, err := os.Lstat(filepath.Join(s.Dir, name)); err == nil {
			return true
		}
	}
	return false
}

// errNone says that there is no such file yet.
var errNone = errors.New("there is none")

// Compacted is what became of one file.
type Compacted struct {
	Name string
	store.Sizes
	Why string // it was not compacted; "" = it was
}

// Compact writes the databases anew without their free pages and seals the segments of the audit log that have ended. Calls
// with an idempotency key wait while replies are written, all others go on. done is told of each file.
func (s *Source) Compact(ctx context.Context, done func(*Compacted) error) error {
	for _, file := range []struct {
		name    string
		compact func(context.Context) (store.Sizes, error)
	}{
		{stateFile, s.State.Compact},
		{ledgerFile, s.compactLedger},
		{repliesFile, s.Replies.Compact},
		{programsFile, s.compactPrograms},
	} {
		sizes, err := file.compact(ctx)
		out := &Compacted{Name: file.name, Sizes: sizes}
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			out.Why = "on this system it cannot be replaced while it is open"
		case errors.Is(err, errNone):
			continue
		case err != nil:
			return fmt.Errorf("compacting %s: %w", file.name, err)
		}
		if err := done(out); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) compactLedger(ctx context.Context) (store.Sizes, error) {
	switch {
	case s.Ledger != nil:
		return s.Ledger.Compact(ctx)
	case !s.hasLedger():
		return store.Sizes{}, errNone
	}
	return ledger.CompactStopped(ctx, s.Dir)
}

func (s *Source) compactPrograms(ctx context.Context) (store.Sizes, error) {
	p, done, err := s.programs()
	if errors.Is(err, fs.ErrNotExist) {
		return store.Sizes{}, errNone
	}
	if err != nil {
		return store.Sizes{}, err
	}
	sizes, err := p.Compact(ctx)
	return sizes, errors.Join(err, done())
}
