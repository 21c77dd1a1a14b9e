// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"time"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store"
)

// RotateKey implements [control.Operations]. Roles that no longer exist do not keep a key from being replaced.
func (g *gateway) RotateKey(_ context.Context, id string, grace time.Duration) (*control.NewKey, error) {
	secret, made, err := g.db.RotateKey(id, grace)
	if err != nil {
		return nil, rotateError(err)
	}
	return &control.NewKey{Key: controlKey(made), Secret: secret}, nil
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
