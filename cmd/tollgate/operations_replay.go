// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"tollgate/aggregator"
	"tollgate/aggregator/catalog"
	"tollgate/aggregator/replay"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/policy"
	"tollgate/store"
	"tollgate/upstream/wire"
)

// digestPurpose is what the key of digests in records is made for.
const digestPurpose = "argument digests"

// emptyDigest is the digest of empty arguments in the records of a state directory.
func emptyDigest(db *store.DB) (string, error) {
	key, err := db.SealingKey(digestPurpose)
	if err != nil {
		return "", err
	}
	return replay.EmptyDigest(key), nil
}

// Decisions implements [control.Replayer].
func (g *gateway) Decisions(ctx context.Context, q *control.DecisionQuery, w control.DecisionWriter) error {
	empty, err := emptyDigest(g.db)
	if err != nil {
		return err
	}
	if err := w.Begin(empty); err != nil {
		return err
	}
	var gone error // the other side
	at := func(seq, first, size uint64) {
		if gone == nil {
			gone = w.At(seq-first, size-first)
		}
	}
	for r, err := range replay.Decisions(ctx, g.accounts.engine.Log(), q.From, q.To, at) {
		if err = errors.Join(err, gone); err != nil {
			return err
		}
		if err := w.Record(r.Text); err != nil {
			return err
		}
	}
	return gone
}

// InputSchemas implements [control.Replayer].
func (g *gateway) InputSchemas(context.Context) ([]control.InputSchema, error) {
	out := []control.InputSchema{}
	for _, e := range g.gate.Catalog().Entries(catalog.Tool) {
		schema, _ := wire.Lookup(e.Definition, "inputSchema")
		out = append(out, control.InputSchema{DefinitionHash: e.Hash, Schema: schema})
	}
	return out, nil
}

// schemaOf is the input schema of a tool, if the catalog still has the tool with the same definition.
func (g *gateway) schemaOf(o *policy.Object) (schema []byte, known bool) {
	entries := g.gate.Catalog().Entries(catalog.Tool)
	i, found := slices.BinarySearchFunc(entries, o.Name, func(e *catalog.Entry, name string) int { return strings.Compare(e.Key(), name) })
	if !found || entries[i].Upstream != o.Upstream || entries[i].Hash != o.DefinitionHash {
		return nil, false
	}
	schema, _ = wire.Lookup(entries[i].Definition, "inputSchema")
	return bytes.Clone(schema), true
}

// judge decides under the rules in force.
func (g *gateway) judge() (*replay.Judge, error) {
	g.mu.Lock()
	p, engine, limits := g.plan, g.engine, g.limits
	g.mu.Unlock()
	if engine == nil {
		return nil, &control.Error{Message: "no policy is in force yet", Hint: "`tollgate doctor` says what is missing", Exit: cli.ExitPolicy}
	}
	return replay.NewJudge(&aggregator.WeigherOptions{
		Rules: aggregator.Rules{Decider: engine, Limits: limits, Includes: includes(p.roles)}, Schema: g.schemaOf,
	})
}
