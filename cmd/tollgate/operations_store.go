// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"strconv"
	"time"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store"
	"tollgate/store/audit"
	"tollgate/store/backup"
)

// auditKey signs the checkpoints of the audit log.
func auditKey(db *store.DB) (ed25519.PrivateKey, error) {
	seed, err := db.SealingKey("audit checkpoints")
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed[:ed25519.SeedSize]), nil
}

// keeper is the state directory of this gateway.
func (g *gateway) keeper() (*backup.Source, error) {
	key, err := auditKey(g.db)
	if err != nil {
		return nil, err
	}
	s := &backup.Source{Dir: g.dir, State: g.db, Ledger: g.accounts.engine, Replies: g.accounts.replies, Key: key}
	if g.programs != nil {
		s.Programs = g.programs.kept
	}
	return s, nil
}

// BackupStore implements [control.StoreKeeper]. A backup holds secrets, so that it was made is a record, behind what the
// backup has.
func (g *gateway) BackupStore(ctx context.Context, q *control.BackupRequest, show func(*control.StoreProgress) error) (*control.Backup, error) {
	source, err := g.keeper()
	if err != nil {
		return nil, err
	}
	out, err := writeBackup(ctx, source, q.Path, show)
	if err != nil {
		return nil, err
	}
	r := &audit.Record{Action: "store.backup", Actor: localUser(), Target: out.Path, Details: details("records", strconv.FormatUint(out.Records, 10))}
	if err := g.record(ctx, r); err != nil {
		return nil, unrecorded("the backup "+out.Path+" was written", err)
	}
	return out, nil
}

// CompactStore implements [control.StoreKeeper].
func (g *gateway) CompactStore(ctx context.Context) ([]control.CompactedFile, error) {
	source, err := g.keeper()
	if err != nil {
		return nil, err
	}
	return compactStore(ctx, source)
}

// showEvery is how often somebody who waits for a backup is told how far it is.
const showEvery = 200 * time.Millisecond

// writeBackup writes a backup of source.
func writeBackup(ctx context.Context, source *backup.Source, path string, show func(*control.StoreProgress) error) (*control.Backup, error) {
	var shown time.Time
	r, err := source.Write(ctx, path, &backup.Options{Progress: func(p backup.Progress) error {
		now := time.Now()
		if now.Sub(shown) < showEvery {
			return nil
		}
		shown = now
		return show(&control.StoreProgress{Step: p.Step, Done: p.Done, Total: p.Total})
	}})
	if err != nil {
		return nil, storeError(err)
	}
	return &control.Backup{
		Path: r.Path, Bytes: r.Bytes, Files: len(r.Files), First: r.First, Records: r.Size, Root: r.Root, Key: r.Key,
	}, nil
}

func compactStore(ctx context.Context, source *backup.Source) ([]control.CompactedFile, error) {
	files := []control.CompactedFile{}
	err := source.Compact(ctx, func(c *backup.Compacted) error {
		files = append(files, control.CompactedFile{Name: c.Name, Before: c.Before, After: c.After, Why: c.Why})
		return nil
	})
	if err != nil {
		return nil, storeError(err)
	}
	return files, nil
}

// storeError is err as it travels over the control socket, with what to do about it.
func storeError(err error) error {
	e := &control.Error{Message: err.Error(), Exit: cli.ExitCode(err, classify)}
	_, e.Hint = classify(err)
	return e
}

// stoppedStore does something with the state directory while no gateway runs on it. The configuration is not needed for it,
// and nothing is started.
func (a *app) stoppedStore(do func(*backup.Source) error) error {
	source, err := backup.Open(a.anyStateDir())
	if err != nil {
		return err
	}
	if source.Key, err = auditKey(source.State); err == nil {
		err = do(source)
	}
	return errors.Join(err, source.Close())
}
