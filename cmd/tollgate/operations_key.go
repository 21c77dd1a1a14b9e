// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store"
	"tollgate/store/audit"
)

// CreateKey implements [control.Operations]. A role that does not exist is refused: such a key would see nothing.
func (g *gateway) CreateKey(ctx context.Context, k *control.Key) (*control.NewKey, error) {
	if err := g.checkRoles(k.Roles); err != nil {
		return nil, err
	}
	out := &control.NewKey{}
	err := g.perform(ctx, &change{
		action: "key.create",
		do: func(r *audit.Record) error {
			secret, made, err := g.db.CreateKey(store.Key{
				Subject: k.Subject, Org: k.Org, Team: k.Team, Label: k.Label, Roles: k.Roles, Expires: k.Expires,
			})
			out.Secret, out.Key = secret, controlKey(made)
			r.Target, r.Details = made.ID, keyDetails(&made)
			return err
		},
		undo: func() error { return g.db.RevokeKey(out.Key.ID) },
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// keyDetails say what a key is good for.
func keyDetails(k *store.Key) []byte {
	expires := ""
	if !k.Expires.IsZero() {
		expires = k.Expires.UTC().Format(time.RFC3339)
	}
	return details("subject", k.Subject, "org", k.Org, "team", k.Team, "roles", strings.Join(k.Roles, ","), "label", k.Label, "expires", expires)
}

// RevokeKey implements [control.Operations].
func (g *gateway) RevokeKey(ctx context.Context, id string) error {
	err := g.perform(ctx, &change{action: "key.revoke", always: true, do: func(r *audit.Record) error {
		r.Target = id
		return g.db.RevokeKey(id)
	}})
	if errors.Is(err, store.ErrUnknownKey) {
		return &control.Error{Message: fmt.Sprintf("no key has the id %q", id), Hint: "`tollgate key list` shows the ids", Exit: cli.ExitUsage}
	}
	return err
}

// RotateKey implements [control.Operations]. Roles that no longer exist do not keep a key from being replaced.
func (g *gateway) RotateKey(ctx context.Context, id string, grace time.Duration) (*control.NewKey, error) {
	out := &control.NewKey{}
	err := g.perform(ctx, &change{action: "key.rotate", do: func(r *audit.Record) error {
		secret, made, err := g.db.RotateKey(id, grace)
		if err != nil {
			return rotateError(err)
		}
		out.Secret, out.Key = secret, controlKey(made)
		r.Target, r.Details = id, details("subject", made.Subject, "successor", made.ID, "grace", grace.String())
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// rotateError says what to do about a key that cannot be rotated.
func rotateError(err error) error {
	e := &control.Error{Message: err.Error(), Exit: cli.ExitUsage}
	switch {
	case errors.Is(err, store.ErrUnknownKey):
		e.Hint = "`tollgate key list` shows the ids"
	case errors.Is(err, store.ErrReplacedKey):
		e.Hint = "rotate its successor; if nobody has the text of that, this gives you a new one"
	case errors.Is(err, store.ErrRevokedKey), errors.Is(err, store.ErrExpiredKey):
		e.Hint = "it lets nobody in; `tollgate key create` makes another key"
	default:
		return err
	}
	return e
}
