// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/policy"
	"tollgate/store"
)

// classify gives the errors of our packages their exit codes and hints.
func classify(err error) (code int, hint string) {
	if e, ok := errors.AsType[*control.Error](err); ok {
		return e.Exit, e.Hint
	}
	if e, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		hint = e.Hint()
	}
	if _, ok := errors.AsType[*store.LockedError](err); ok {
		return cli.ExitLocked, hint
	}
	if _, ok := errors.AsType[policy.Diagnostics](err); ok {
		return cli.ExitPolicy, hint
	}
	return 0, hint
}

// controlError is err as it travels over the control socket.
func controlError(err error) error {
	e := &control.Error{Message: err.Error(), Exit: cli.ExitCode(err, classify)}
	if c, ok := errors.AsType[*cli.Error](err); ok {
		e.Hint = c.Hint
	}
	return e
}
