// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Accounts is what a gateway does with its budgets and records for its operator.
type Accounts interface {
	Budgets(ctx context.Context, q *BudgetQuery) ([]Budget, error)
	AdjustBudget(ctx context.Context, a *BudgetChange) (*Budget, error)
	Records(ctx context.Context, q *RecordQuery) (*Records, error)
	Verify(ctx context.Context, q *VerifyQuery) (*Verification, error)
	CheckStore(ctx context.Context) (*StoreCheck, error)
}

// BudgetQuery selects accounts of budgets; empty fields select all.
type BudgetQuery struct {
	Budget  string `json:"budget,omitempty"`
	Account string `json:"account,omitempty"`
}

// Budget is one account of a budget now. Amounts are as in "$127.45".
type Budget struct {
	Budget    string    `json:"budget"`
	Account   string    `json:"account,omitempty"`
	Limit     string    `json:"limit"`
	Spent     string    `json:"spent"`
	Reserved  string    `json:"reserved"`
	Leased    string    `json:"leased"`
	Remaining string    `json:"remaining"`
	Raised    string    `json:"raised,omitempty"` // by hand, part of limit
	Begins    time.Time `json:"begins_at,omitzero"`
	Resets    time.Time `json:"resets_at,omitzero"`
}

// BudgetChange changes a limit by hand. Exactly one of Set, Raise and Reset is given.
type BudgetChange struct {
	Budget  string `json:"budget"`
	Account string `json:"account,omitempty"`
	Set     string `json:"set,omitempty"`   // amount
	Raise   string `json:"raise,omitempty"` // amount
	Reset   bool   `json:"reset,omitempty"`
	Reason  string `json:"reason"`
	Actor   string `json:"actor"`
}

// RecordQuery selects records of the audit log; empty fields select all.
type RecordQuery struct {
	From     time.Time `json:"from,omitzero"`
	To       time.Time `json:"to,omitzero"`
	Kinds    []string  `json:"kinds,omitempty"`
	ID       string    `json:"id,omitempty"`
	User     string    `json:"user,omitempty"`
	Team     string    `json:"team,omitempty"`
	Org      string    `json:"org,omitempty"`
	Upstream string    `json:"upstream,omitempty"`
	Tool     string    `json:"tool,omitempty"`
	End      string    `json:"end,omitempty"`
	Code     string    `json:"code,omitempty"`
	Text     string    `json:"text,omitempty"`
	Oldest   bool      `json:"oldest,omitempty"` // first
	Cursor   string    `json:"cursor,omitempty"`
	Limit    int       `json:"limit,omitempty"`
}

// Records is a page of the audit log.
type Records struct {
	Records []Record `json:"records"`
	Next    string   `json:"next,omitempty"` // cursor of the next page
}

// Record is one record, as it stands in the log.
type Record struct {
	Seq    uint64          `json:"seq"`
	Record json.RawMessage `json:"record"`
}

// VerifyQuery says what the log is held against.
type VerifyQuery struct {
	Checkpoint string `json:"checkpoint,omitempty"` // a signed note that was kept elsewhere
	Key        string `json:"key,omitempty"`        // that verifies it; "" = the gateway's own
}

// Verification is what is known of the log.
type Verification struct {
	Origin      string `json:"origin"`
	Key         string `json:"key"` // that checkpoints of this log are verified with
	First       uint64 `json:"first"`
	Size        uint64 `json:"size"`
	Root        string `json:"root"`
	Checked     uint64 `json:"checked"`
	Checkpoints int    `json:"checkpoints"`
	Elsewhere   bool   `json:"elsewhere"`
	Problem     string `json:"problem,omitempty"`
	FirstBad    uint64 `json:"first_bad,omitempty"`
}

// StoreCheck lists the invariants that do not hold.
type StoreCheck struct {
	Records  uint64   `json:"records"`
	Problems []string `json:"problems"`
}

// serveAccounts adds the operations of [Accounts].
func serveAccounts(mux *http.ServeMux, ops Accounts) {
	mux.Handle("POST /v1/budgets/query", answer(func(ctx context.Context, q *BudgetQuery) (any, error) { return ops.Budgets(ctx, q) }))
	mux.Handle("POST /v1/budgets/adjust", answer(func(ctx context.Context, a *BudgetChange) (any, error) { return ops.AdjustBudget(ctx, a) }))
	mux.Handle("POST /v1/audit/query", answer(func(ctx context.Context, q *RecordQuery) (any, error) { return ops.Records(ctx, q) }))
	mux.Handle("POST /v1/audit/verify", answer(func(ctx context.Context, q *VerifyQuery) (any, error) { return ops.Verify(ctx, q) }))
	mux.Handle("POST /v1/store/check", answer(func(ctx context.Context, _ *struct{}) (any, error) { return ops.CheckStore(ctx) }))
}

// Budgets returns the accounts that q selects.
func (c *Client) Budgets(ctx context.Context, q *BudgetQuery) ([]Budget, error) {
	all, err := do[[]Budget](ctx, c, http.MethodPost, "budgets/query", q)
	if err != nil {
		return nil, err
	}
	return *all, nil
}

// AdjustBudget changes a limit by hand.
func (c *Client) AdjustBudget(ctx context.Context, a *BudgetChange) (*Budget, error) {
	return do[Budget](ctx, c, http.MethodPost, "budgets/adjust", a)
}

// Records returns a page of the audit log.
func (c *Client) Records(ctx context.Context, q *RecordQuery) (*Records, error) {
	return do[Records](ctx, c, http.MethodPost, "audit/query", q)
}

// Verify verifies the audit log.
func (c *Client) Verify(ctx context.Context, q *VerifyQuery) (*Verification, error) {
	return do[Verification](ctx, c, http.MethodPost, "audit/verify", q)
}

// CheckStore walks every invariant of the state directory.
func (c *Client) CheckStore(ctx context.Context) (*StoreCheck, error) {
	return do[StoreCheck](ctx, c, http.MethodPost, "store/check", struct{}{})
}
