// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/http"
)

// Coder runs programs in Code Mode for its operator.
type Coder interface {
	// Run runs a program as a caller would.
	Run(ctx context.Context, p *Program) (*Outcome, error)
	// Types are the declarations that programs of a caller see.
	Types(ctx context.Context, q *TypesQuery) (*Types, error)
}

// Program is a program and who runs it.
type Program struct {
	Code    string `json:"code"`
	Role    string `json:"role,omitempty"`
	Toolset string `json:"toolset,omitempty"`
	Timeout int64  `json:"timeout_ms,omitempty"`
}

// TypesQuery selects declarations.
type TypesQuery struct {
	Server  string `json:"server,omitempty"` // "" = all
	Role    string `json:"role,omitempty"`   // "" = everything that upstreams offer
	Compact bool   `json:"compact,omitempty"`
}

// Types are declarations in TypeScript.
type Types struct {
	Text string `json:"text"`
}

// serveCoder adds the operations of [Coder].
func serveCoder(mux *http.ServeMux, ops Coder) {
	mux.Handle("POST /v1/run", answer(func(ctx context.Context, p *Program) (any, error) { return ops.Run(ctx, p) }))
	mux.Handle("POST /v1/types", answer(func(ctx context.Context, q *TypesQuery) (any, error) { return ops.Types(ctx, q) }))
}

// Run runs a program as a caller would.
func (c *Client) Run(ctx context.Context, p *Program) (*Outcome, error) {
	return do[Outcome](ctx, c, http.MethodPost, "run", p)
}

// Types are the declarations that programs of a caller see.
func (c *Client) Types(ctx context.Context, q *TypesQuery) (*Types, error) {
	return do[Types](ctx, c, http.MethodPost, "types", q)
}
