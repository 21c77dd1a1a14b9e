// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// AuditReader is what a gateway lets its operator take out of the audit log, byte for byte.
type AuditReader interface {
	// Texts returns a page of the records that q selects, the oldest first.
	Texts(ctx context.Context, q *RecordQuery) (*Texts, error)
	// Follow returns the records behind a place of the log, and waits for some if there are none.
	Follow(ctx context.Context, q *FollowQuery) (*Texts, error)
	Prove(ctx context.Context, q *ProofQuery) (*Proofs, error)
}

// Texts is a page of the audit log.
type Texts struct {
	Records []Text `json:"records"`
	Next    string `json:"next,omitempty"` // cursor of the next page
	First   uint64 `json:"first"`          // oldest record that retention has left
	Size    uint64 `json:"size"`           // records of the log before the page was made, those included that are gone
	Origin  string `json:"origin"`         // of the log
	Key     string `json:"key"`            // that verifies its checkpoints
}

// Text is one record. Its text is no JSON document here, because such a document may be written in another way.
type Text struct {
	Seq  uint64 `json:"seq"`
	Text []byte `json:"text"`
}

// FollowQuery says where to go on. Its selection has no cursor and no limit.
type FollowQuery struct {
	RecordQuery
	// Last asks for that many records before the end, and does not wait; 0 = those from place From on.
	Last int           `json:"last,omitempty"`
	From uint64        `json:"from"`
	Wait time.Duration `json:"wait_ns"` // at most; the answer is then a page without records
}

// ProofQuery names records to be proven.
type ProofQuery struct {
	Record string `json:"record"`          // a place in the log, or an id
	Older  string `json:"older,omitempty"` // a checkpoint that was kept elsewhere
}

// Proofs are documents that verify without the log, one for each record.
type Proofs struct {
	Proofs []json.RawMessage `json:"proofs"`
	Key    string            `json:"key"` // that they verify with
}

// serveAudit adds the operations of [AuditReader].
func serveAudit(mux *http.ServeMux, ops AuditReader) {
	mux.Handle("POST /v1/audit/texts", answer(func(ctx context.Context, q *RecordQuery) (any, error) { return ops.Texts(ctx, q) }))
	mux.Handle("POST /v1/audit/follow", answer(func(ctx context.Context, q *FollowQuery) (any, error) { return ops.Follow(ctx, q) }))
	mux.Handle("POST /v1/audit/prove", answer(func(ctx context.Context, q *ProofQuery) (any, error) { return ops.Prove(ctx, q) }))
}

// Texts returns a page of the audit log, the oldest record first.
func (c *Client) Texts(ctx context.Context, q *RecordQuery) (*Texts, error) {
	return do[Texts](ctx, c, http.MethodPost, "audit/texts", q)
}

// Follow returns what came into the audit log.
func (c *Client) Follow(ctx context.Context, q *FollowQuery) (*Texts, error) {
	return do[Texts](ctx, c, http.MethodPost, "audit/follow", q)
}

// Prove makes proofs of records.
func (c *Client) Prove(ctx context.Context, q *ProofQuery) (*Proofs, error) {
	return do[Proofs](ctx, c, http.MethodPost, "audit/prove", q)
}
