// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
)

// change is something that an operator does. The control socket lets in nobody but the user of this process, who is the actor
// of its record.
type change struct {
	action string
	// always does it also while nothing can be recorded: it takes something away, which must never be impossible.
	always bool
	do     func(r *audit.Record) error
	undo   func() error // when there is no record of it; nil = it stays done
}

// perform does a change and writes its record, which is on disk when perform returns.
func (g *gateway) perform(ctx context.Context, c *change) error {
	if err := g.accounts.engine.Available(); err != nil && !c.always {
		return unrecorded(c.action+" was not done", err)
	}
	r := &audit.Record{Action: c.action, Actor: localUser()}
	if err := c.do(r); err != nil {
		return err
	}
	err := g.record(ctx, r)
	switch {
	case err == nil:
		return nil
	case c.undo == nil:
		return unrecorded(c.action+" of "+r.Target+" was done", err)
	}
	return errors.Join(unrecorded(c.action+" was not done", err), c.undo())
}

// record writes a record of what was done, whether or not the one who did it still waits for the answer.
func (g *gateway) record(ctx context.Context, r *audit.Record) error {
	r.Kind, r.Class = audit.Admin, audit.Strict
	return g.accounts.engine.Record(context.WithoutCancel(ctx), r)
}

// recordReload records that the configuration was read again. actor is "" when a changed file or a signal asked for it.
func (g *gateway) recordReload(ctx context.Context, actor string) error {
	return g.record(ctx, &audit.Record{
		Action: "config.reload", Actor: actor, Target: orElse(g.path, "the demo"), Details: details("revision", g.gate.Revision()),
	})
}

// unrecorded is the error of a change that cannot be recorded.
func unrecorded(what string, err error) error {
	e := &control.Error{Message: what + ": it cannot be recorded: " + err.Error(), Exit: cli.ExitError}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		e.Hint = h.Hint()
	}
	return e
}

// details are what a record says beside who, what and to whom. Empty values are left out.
func details(pairs ...string) json.RawMessage {
	all := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			all[pairs[i]] = pairs[i+1]
		}
	}
	if len(all) == 0 {
		return nil
	}
	text, _ := json.Marshal(all) // strings are always fit for JSON
	return text
}
