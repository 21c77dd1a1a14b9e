// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
)

func (a *app) auditProveCommand() *cobra.Command {
	var checkpoint, output string
	q := &control.ProofQuery{}
	c := &cobra.Command{
		Use:   "prove SEQ|ID",
		Short: "Prove to somebody else that a record is in the log",
		Long: `Write a proof that the record at a place of the log, or each record of an id, is in it: the record, a signed checkpoint, and
the hashes between them. It is checked with "tollgate audit check-proof" and the key of the log, without the log. With
--checkpoint it also shows that the log still continues a checkpoint that was kept elsewhere.

EXIT STATUS
  0  proven   1  it cannot be proven, or the log is not what was written   2  wrong usage, or there is no such record
  3  mistake in the configuration   5  another process holds the state directory`,
		Example: "  tollgate audit prove 06H13NC5HHN88BEIINVENAH48C --output call.proof\n  tollgate audit prove 1234 --checkpoint /mnt/worm/000000012345.checkpoint -o record.proof",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			q.Record = args[0]
			if q.Older, err = readArgument(checkpoint); err != nil {
				return err
			}
			out, err := asking(c.Context(), a, func(client *control.Client) (*control.Proofs, error) { return client.Prove(c.Context(), q) })
			if err != nil {
				return err
			}
			return a.writeProofs(out, output)
		},
	}
	c.Flags().StringVar(&checkpoint, "checkpoint", "", "file with a checkpoint that was kept elsewhere")
	c.Flags().StringVarP(&output, "output", "o", "", "file to write (default: standard output)")
	return c
}

// readArgument reads a file that was named, "" for none.
func readArgument(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", &cli.Error{Code: cli.ExitUsage, Err: err}
	}
	return string(text), nil
}

// writeProofs writes a proof a line.
func (a *app) writeProofs(out *control.Proofs, output string) error {
	write := func(w io.Writer) error {
		for _, p := range out.Proofs {
			if _, err := fmt.Fprintf(w, "%s\n", p); err != nil {
				return err
			}
		}
		return nil
	}
	name := "FILE"
	var err error
	if output == "" {
		err = write(a.streams.Out)
	} else {
		name, err = output, replaceWith(output, write)
	}
	if err == nil {
		fmt.Fprintf(a.streams.Err, "%s; check with: %s\n", cli.Count(len(out.Proofs), "proof"), cli.CommandLine("tollgate", "audit", "check-proof", name, "--key", out.Key))
	}
	return err
}

func (a *app) auditCheckProofCommand() *cobra.Command {
	var key, checkpoint string
	var asJSON bool
	c := &cobra.Command{
		Use:   "check-proof FILE --key KEY",
		Short: "Check proofs of records, without the log",
		Long: `Check each proof in a file of "tollgate audit prove" and print what it proves. It takes the key that verifies checkpoints of
the log, which "tollgate audit verify" prints, and nothing else: no state directory, no configuration, no network. The key
must not come from whoever gives you the proof. With --checkpoint the proof must be about that checkpoint, or continue it.

EXIT STATUS
  0  every proof holds   1  one does not, and which part of it   2  wrong usage, a file that cannot be read, no key`,
		Example: "  tollgate audit check-proof call.proof --key 'tollgate/0123456789abcdef+1a2b3c4d+AWlq...'",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if key == "" {
				return &cli.Error{Code: cli.ExitUsage, Err: errors.New("--key is required"), Hint: "`tollgate audit verify` prints it where the log is"}
			}
			kept, err := keptCheckpoint(checkpoint, key)
			if err != nil {
				return err
			}
			proven, err := a.checkProofs(args[0], key, kept)
			if err != nil {
				return err
			}
			if asJSON {
				return a.streams.JSON(proven)
			}
			a.printProven(proven)
			return nil
		},
	}
	c.Flags().StringVar(&key, "key", "", "key that verifies checkpoints of the log")
	c.Flags().StringVar(&checkpoint, "checkpoint", "", "file with a checkpoint that you kept")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// proven is what a proof shows.
type proven struct {
	Log        string          `json:"log"`
	Seq        uint64          `json:"seq"`
	Record     json.RawMessage `json:"record"`
	Covers     uint64          `json:"checkpoint_covers"`
	Signed     time.Time       `json:"checkpoint_signed,omitzero"`
	Continues  uint64          `json:"continues_checkpoint_of,omitempty"` // records of the older checkpoint
	checkpoint *audit.Checkpoint
	older      *audit.Checkpoint
}

// keptCheckpoint reads a checkpoint that proofs must be about, nil for none.
func keptCheckpoint(name, key string) (*audit.Checkpoint, error) {
	text, err := readArgument(name)
	if err != nil || name == "" {
		return nil, err
	}
	c, err := audit.OpenCheckpoint([]byte(text), key)
	if err != nil {
		return nil, &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("--checkpoint %s: %w", name, err), Hint: "is it of this log, and is this the key of the log?"}
	}
	return c, nil
}

// checkProofs checks all proofs of a file.
func (a *app) checkProofs(name, key string, kept *audit.Checkpoint) ([]proven, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, &cli.Error{Code: cli.ExitUsage, Err: err}
	}
	var all []proven
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		p, err := checkProof(line, key, kept)
		if err != nil {
			return nil, proofError(fmt.Errorf("%s: proof %d: %w", name, len(all)+1, err))
		}
		all = append(all, *p)
	}
	if len(all) == 0 {
		return nil, &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("%s holds no proof", name), Hint: "`tollgate audit prove` writes proofs, one a line"}
	}
	return all, nil
}

func checkProof(text []byte, key string, kept *audit.Checkpoint) (*proven, error) {
	p, err := audit.ParseProof(text)
	if err != nil {
		return nil, err
	}
	c, err := p.Check(key)
	if _, about := errors.AsType[*audit.ProofError](err); err != nil && !about {
		return nil, &cli.Error{Code: cli.ExitUsage, Err: err, Hint: "`tollgate audit verify` prints the key where the log is"}
	}
	if err != nil {
		return nil, err
	}
	out := &proven{Log: c.Origin, Seq: p.Seq, Record: json.RawMessage(p.Record), Covers: c.Size, Signed: c.Time, checkpoint: c}
	if p.Older != "" {
		if out.older, err = audit.OpenCheckpoint([]byte(p.Older), key); err != nil {
			return nil, err
		}
		out.Continues = out.older.Size
	}
	if kept != nil && !same(kept, out.checkpoint) && !same(kept, out.older) {
		return nil, &cli.Error{
			Code: cli.ExitError, Err: fmt.Errorf("it holds, but it is not about the checkpoint of %d records that was given", kept.Size),
			Hint: "ask for a proof that was made with `tollgate audit prove --checkpoint FILE`",
		}
	}
	if !json.Valid(out.Record) {
		out.Record, _ = json.Marshal(p.Record) // a string is always fit for JSON
	}
	return out, nil
}

func same(a, b *audit.Checkpoint) bool {
	return b != nil && a.Origin == b.Origin && a.Size == b.Size && a.Root == b.Root
}

// proofError says what a proof that does not hold means: the wrong key is not the wrong log.
func proofError(err error) error {
	broken, ok := errors.AsType[*audit.ProofError](err)
	if !ok {
		return err
	}
	e := &cli.Error{Code: cli.ExitError, Err: err}
	switch broken.Part {
	case audit.PartSignature:
		e.Hint = "is --key the key of this log? `tollgate audit verify` prints it where the log is"
	case audit.PartForm:
		e.Hint = "`tollgate audit prove` writes proofs, one a line"
	}
	return e
}

func (a *app) printProven(all []proven) {
	out := a.streams.Out
	for _, p := range all {
		fmt.Fprintf(out, "record      %d of %s\n", p.Seq, cli.Clean(p.Log))
		if r, err := audit.Decode(p.Record); err == nil {
			t := recordCells(p.Seq, r)
			fmt.Fprintf(out, "time        %s\nkind        %s\nid          %s\n", r.Time.Format(time.RFC3339Nano), cli.Clean(t[2]), cli.Clean(t[3]))
			for i, name := range []string{"user        ", "what        ", "end         ", "cost        "} {
				if t[i+4] != "" {
					fmt.Fprintln(out, name+cli.Clean(t[i+4]))
				}
			}
		}
		fmt.Fprintf(out, "checkpoint  of %d records, signed %s\n", p.Covers, orElse(day(p.Signed), "at an unknown time"))
		if p.older != nil {
			fmt.Fprintf(out, "continues   the checkpoint of %d records, signed %s\n", p.older.Size, day(p.older.Time))
		}
		fmt.Fprintln(out, "The record stands in the log at this place, as it stands here.")
	}
}
