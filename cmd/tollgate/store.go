// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store/backup"
)

func (a *app) storeCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "store", Short: "Check, back up and compact the state directory", RunE: helpOr,
		Long: `The state directory holds API keys, logins at upstreams, the ledger, the audit log and kept replies. The commands work while a
gateway runs on it and while none does.`,
	}
	c.AddCommand(a.storeCheckCommand(), a.storeBackupCommand(), a.storeCompactCommand())
	return c
}

func (a *app) storeCheckCommand() *cobra.Command {
	var asJSON bool
	check := &cobra.Command{
		Use: "check", Short: "Walk every invariant of keys, accounts, records and kept replies", Args: cobra.NoArgs,
		Long: `Walk every invariant of keys, accounts, records and kept replies: whether the records, the accounts and the costs agree. Records
are not compared with their hashes; "tollgate audit verify" does that.

EXIT STATUS
  0  all invariants hold   1  some do not, or could not be read   2  wrong usage   3  mistake in the configuration
  5  another process holds the state directory`,
		RunE: func(c *cobra.Command, _ []string) error {
			out, err := asking(c.Context(), a, func(client *control.Client) (*control.StoreCheck, error) { return client.CheckStore(c.Context()) })
			if err != nil {
				return err
			}
			var failed error
			if n := len(out.Problems); n > 0 {
				failed = &cli.Error{Code: cli.ExitError, Err: fmt.Errorf("%d invariants do not hold:\n  %s", n, strings.Join(out.Problems, "\n  "))}
			}
			if asJSON {
				return errors.Join(json.NewEncoder(a.streams.Out).Encode(out), failed)
			}
			if failed == nil {
				fmt.Fprintf(a.streams.Out, "all invariants hold; %d records\n", out.Records)
			}
			return failed
		},
	}
	check.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return check
}

func (a *app) storeBackupCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "backup DIR|FILE", Short: "Copy the state directory, and check the copy", Args: cobra.ExactArgs(1),
		Long: `Write all of the state directory, as it is at one moment, to a new directory, or to an archive when the name ends with .tar,
.tar.gz or .tgz. Calls go on meanwhile. The copy is read again before it gets its name: pages, records and their hashes,
checkpoints, accounts. Nothing is ever written over. A running gateway writes the copy itself, as its own user.

The copy holds API keys (hashed), logins at upstreams, the key that seals them and the one that signs checkpoints. Only its
owner can read it; keep it as you keep the state directory.

TO RESTORE  stop the gateway, then name the directory as state directory, or put it where the old one was:
  tollgate serve --state-dir DIR
  mkdir -m 700 NEW && tar -xzf FILE -C NEW
The gateway then starts as after a crash at the moment of the copy: calls that were under way are closed as lost and leases are
charged. Keys that were made later are unknown, and keys that were revoked later are valid again: revoke them. A checkpoint
kept elsewhere that is newer than the copy shows that records are missing.

A copy that was cut off leaves a directory NAME.tmp-..., which can be removed.`,
		Example: "  tollgate store backup /backup/tollgate-$(date +%F)\n  tollgate store backup tollgate.tar.gz",
		RunE: func(c *cobra.Command, args []string) error {
			began := time.Now()
			b, err := a.backupStore(c.Context(), args[0])
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.streams.JSON(b)
			}
			fmt.Fprintf(a.streams.Out, "%s\n  %s in %s, %s, checked, in %s\n", b.Path, byteText(b.Bytes), cli.Count(b.Files, "file"),
				recordsText(b), time.Since(began).Round(10*time.Millisecond))
			if b.Key != "" {
				fmt.Fprintf(a.streams.Out, "  key  %s\n  root %s\n", b.Key, b.Root)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func recordsText(b *control.Backup) string {
	if b.First > 0 {
		return fmt.Sprintf("records %d to %d", b.First, b.Records)
	}
	return fmt.Sprintf("%d records", b.Records)
}

// backupStore writes a backup: the running gateway does it, or else this process.
func (a *app) backupStore(ctx context.Context, path string) (b *control.Backup, err error) {
	path, err = filepath.Abs(path) // the gateway has another working directory
	if err != nil {
		return nil, err
	}
	client, found, err := a.running(ctx)
	if err != nil {
		return nil, err
	}
	show := a.backupProgress()
	if found {
		defer client.Close()
		return client.BackupStore(ctx, &control.BackupRequest{Path: path}, show)
	}
	err = a.stoppedStore(func(s *backup.Source) error {
		b, err = writeBackup(ctx, s, path, func(p *control.StoreProgress) error { show(p); return nil })
		return err
	})
	return b, err
}

// backupProgress tells about once a second how far a backup is.
func (a *app) backupProgress() func(*control.StoreProgress) {
	shown := time.Now()
	return func(p *control.StoreProgress) {
		if time.Since(shown) < time.Second {
			return
		}
		shown = time.Now()
		switch p.Step {
		case "check":
			fmt.Fprintf(a.streams.Err, "checked %d of %d records\n", p.Done, p.Total)
		case "pack":
			fmt.Fprintf(a.streams.Err, "packed %s of %s\n", byteText(p.Done), byteText(p.Total))
		default:
			fmt.Fprintf(a.streams.Err, "copied %s of about %s\n", byteText(p.Done), byteText(p.Total))
		}
	}
}

func (a *app) storeCompactCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "compact", Short: "Make the files of the state directory as small as what they hold", Args: cobra.NoArgs,
		Long: `Write the databases anew without the pages that are free, and seal the segments of the audit log that have ended, which
compresses them. A file is replaced when the new one is on disk and was read again, so nothing is lost whenever the process
dies. Calls go on meanwhile; only those with an idempotency key wait while replies.db is written. On Windows state.db cannot
be replaced while it is open, and stays as it is.`,
		RunE: func(c *cobra.Command, _ []string) error {
			files, err := a.compactStore(c.Context())
			switch {
			case err != nil:
				return err
			case asJSON:
				return a.streams.JSON(files)
			}
			t := cli.NewTable("FILE", "BEFORE", "AFTER")
			for _, f := range files {
				after := byteText(f.After)
				if f.Why != "" {
					after = f.Why
				}
				t.Row(f.Name, byteText(f.Before), after)
			}
			_, err = t.WriteTo(a.streams.Out)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) compactStore(ctx context.Context) (files []control.CompactedFile, err error) {
	client, found, err := a.running(ctx)
	if err != nil {
		return nil, err
	}
	if found {
		defer client.Close()
		return client.CompactStore(ctx)
	}
	err = a.stoppedStore(func(s *backup.Source) error {
		files, err = compactStore(ctx, s)
		return err
	})
	return files, err
}

// byteText is a size for people.
func byteText(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", n/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
