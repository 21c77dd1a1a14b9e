// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/replay"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/policy"
	"tollgate/policy/bundle"
	"tollgate/store"
	"tollgate/store/audit"
)

// recordedPast are the decisions of a period, from a running gateway or from the state directory.
type recordedPast struct {
	empty   string                     // digest of empty arguments
	schemas map[string]json.RawMessage // by the hash of the definition
	records func(ctx context.Context) iter.Seq2[[]byte, error]
	close   func() error

	mu       sync.Mutex // guards what follows
	read, of uint64     // records looked at so far
}

// recordedPast opens the decisions of a period.
func (a *app) recordedPast(ctx context.Context, from, to time.Time) (*recordedPast, error) {
	client, found, err := a.running(ctx)
	switch {
	case err != nil:
		return nil, err
	case found:
		return attachedPast(ctx, client, from, to)
	}
	return pastOf(a.anyStateDir(), from, to)
}

// attachedPast is that of a running gateway.
func attachedPast(ctx context.Context, client *control.Client, from, to time.Time) (*recordedPast, error) {
	schemas, err := client.InputSchemas(ctx)
	if err != nil {
		client.Close()
		return nil, err
	}
	d, err := client.Decisions(ctx, &control.DecisionQuery{From: from, To: to})
	if err != nil {
		client.Close()
		return nil, err
	}
	p := &recordedPast{empty: d.EmptyDigest, schemas: map[string]json.RawMessage{}}
	for _, s := range schemas {
		p.schemas[s.DefinitionHash] = s.Schema
	}
	d.Progress = p.at
	p.records = func(context.Context) iter.Seq2[[]byte, error] { return d.Records() }
	p.close = func() error { err := d.Close(); client.Close(); return err }
	return p, nil
}

// pastOf is that of a state directory that no gateway has open. Nothing in its log is changed.
func pastOf(dir string, from, to time.Time) (*recordedPast, error) {
	folder := filepath.Join(dir, "audit")
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return nil, &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("nothing has been recorded in the state directory %q", dir), Hint: "name the state directory of the gateway with --state-dir"}
	}
	db, err := store.Open(dir, &store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	p := &recordedPast{}
	if p.empty, err = emptyDigest(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	log, err := audit.OpenReader(folder)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	p.records = func(ctx context.Context) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			at := func(seq, first, size uint64) { p.at(seq-first, size-first) }
			for r, err := range replay.Decisions(ctx, log, from, to, at) {
				if !yield(r.Text, err) {
					return
				}
			}
		}
	}
	p.close = func() error { return errors.Join(log.Close(), db.Close()) }
	return p, nil
}

func (p *recordedPast) at(read, of uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read, p.of = read, of
}

// judge decides under rules. The schemas of tools are known when a gateway runs.
func (p *recordedPast) judge(r *ruleset) (*replay.Judge, error) {
	return replay.NewJudge(&aggregator.WeigherOptions{
		Rules: aggregator.Rules{Decider: r.engine, Limits: r.rules.Limits, Includes: r.rules.Includes},
		Schema: func(o *policy.Object) ([]byte, bool) {
			schema, known := p.schemas[o.DefinitionHash]
			return schema, known
		},
	})
}

// replayProgress says now and then how far a replay is.
type replayProgress struct {
	a    *app
	past *recordedPast
	next time.Time
}

// replayNews is how often that is said.
const replayNews = 3 * time.Second

func (a *app) newProgress(past *recordedPast) *replayProgress {
	return &replayProgress{a, past, time.Now().Add(replayNews)}
}

func (p *replayProgress) note(decisions uint64, at time.Time) {
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(replayNews)
	p.past.mu.Lock()
	read, of := p.past.read, p.past.of
	p.past.mu.Unlock()
	share := ""
	if of > 0 {
		share = fmt.Sprintf(", %d %% of the log", min(100, 100*read/of))
	}
	fmt.Fprintf(p.a.streams.Err, "replayed %s, up to %s%s\n", counted(decisions, "decision"), at.Local().Format("2006-01-02 15:04"), share)
}

// lastBundle gives a plan with a bundle at a URL the copy that the gateway accepted last.
func (a *app) lastBundle(p *plan) error {
	b := p.remote()
	if b == nil {
		return nil
	}
	v, err := verification(b)
	if err != nil {
		return cli.WithCode(err, cli.ExitPolicy)
	}
	name := filepath.Join(a.stateDir(p), copyName(b))
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &cli.Error{Code: cli.ExitPolicy, Err: errors.New("the policy bundle of the configuration has not been fetched yet"), Hint: "start the gateway once, or use policy.bundle.file"}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if p.bundle, err = bundle.Read(f, v); err != nil {
		return cli.WithCode(fmt.Errorf("%s: %w", name, err), cli.ExitPolicy)
	}
	return nil
}
