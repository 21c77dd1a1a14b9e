// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
	"tollgate/upstream"
)

// Login implements [control.Operations].
func (g *gateway) Login(ctx context.Context, name string, show func(address string) error) error {
	return g.perform(ctx, &change{action: "upstream.login", do: func(r *audit.Record) error {
		r.Target = name
		err := g.set.Login(ctx, name, func(_ context.Context, address string) error { return show(address) })
		return g.loginError(name, err)
	}})
}

// Logout implements [control.Operations].
func (g *gateway) Logout(ctx context.Context, name string) error {
	return g.perform(ctx, &change{action: "upstream.logout", always: true, do: func(r *audit.Record) error {
		r.Target = name
		return g.loginError(name, g.set.Logout(ctx, name))
	}})
}

func (g *gateway) loginError(name string, err error) error {
	known, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return err
	}
	e := &control.Error{Message: known.Error(), Exit: cli.ExitError}
	var names []string
	configured := false
	for _, u := range g.current().upstreams {
		names = append(names, u.Name)
		configured = configured || u.Name == name
	}
	if !configured {
		e.Exit, e.Hint = cli.ExitUsage, fmt.Sprintf("upstreams: %v", names)
	}
	return e
}
