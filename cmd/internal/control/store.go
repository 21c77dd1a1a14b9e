// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// StoreKeeper is what a gateway does with its state directory for its operator.
type StoreKeeper interface {
	// BackupStore copies the state directory. show is told how far it is.
	BackupStore(ctx context.Context, q *BackupRequest, show func(*StoreProgress) error) (*Backup, error)
	// CompactStore makes the files smaller, one after the other.
	CompactStore(ctx context.Context) ([]CompactedFile, error)
}

// BackupRequest says where a backup goes.
type BackupRequest struct {
	Path string `json:"path"` // absolute
}

// StoreProgress is how far a backup is.
type StoreProgress struct {
	Step  string `json:"step"` // copy, check or pack
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

// Backup is what was written.
type Backup struct {
	Path    string `json:"path"`
	Bytes   int64  `json:"bytes"`
	Files   int    `json:"files"`
	First   uint64 `json:"first"`
	Records uint64 `json:"records"`
	Root    string `json:"root,omitempty"`
	Key     string `json:"key,omitempty"`
}

// CompactedFile is what became of one file.
type CompactedFile struct {
	Name   string `json:"name"`
	Before int64  `json:"before"`
	After  int64  `json:"after"`
	Why    string `json:"why,omitempty"` // it was left as it is
}

// backupEvent is one line of the answer to a backup: how far it is, then how it ended.
type backupEvent struct {
	Progress *StoreProgress `json:"progress,omitempty"`
	Done     *Backup        `json:"done,omitempty"`
	Error    *Error         `json:"error,omitempty"`
}

// serveStore adds the operations of [StoreKeeper].
func serveStore(mux *http.ServeMux, ops StoreKeeper) {
	mux.HandleFunc("POST /v1/store/backup", func(w http.ResponseWriter, r *http.Request) { serveBackup(ops, w, r) })
	mux.Handle("POST /v1/store/compact", answer(func(ctx context.Context, _ *struct{}) (any, error) { return ops.CompactStore(ctx) }))
}

// serveBackup answers with one line for each event. The backup ends with the connection.
func serveBackup(ops StoreKeeper, w http.ResponseWriter, r *http.Request) {
	q := new(BackupRequest)
	if err := json.NewDecoder(r.Body).Decode(q); err != nil {
		reply(w, nil, &Error{Message: "the request is not what this gateway understands: " + err.Error(), Hint: "use the same version of tollgate on both sides", Exit: 1})
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	event := func(e *backupEvent) error {
		if err := json.NewEncoder(w).Encode(e); err != nil {
			return err
		}
		return flush.Flush()
	}
	done, err := ops.BackupStore(r.Context(), q, func(p *StoreProgress) error { return event(&backupEvent{Progress: p}) })
	last := &backupEvent{Done: done}
	if err != nil {
		last = &backupEvent{Error: asError(err)}
	}
	_ = event(last) // the other side is gone
}

// BackupStore has the gateway copy its state directory. show is called with how far it is.
func (c *Client) BackupStore(ctx context.Context, q *BackupRequest, show func(*StoreProgress)) (*Backup, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tollgate/v1/store/backup", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the running gateway: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the running gateway answered %s; is it another version?", resp.Status)
	}
	for events := json.NewDecoder(resp.Body); ; {
		var e backupEvent
		if err := events.Decode(&e); err != nil {
			return nil, fmt.Errorf("the running gateway ended before the backup did: %w", err)
		}
		switch {
		case e.Error != nil:
			return nil, e.Error
		case e.Done != nil:
			return e.Done, nil
		case e.Progress != nil:
			show(e.Progress)
		}
	}
}

// CompactStore has the gateway make its files smaller.
func (c *Client) CompactStore(ctx context.Context) ([]CompactedFile, error) {
	files, err := do[[]CompactedFile](ctx, c, http.MethodPost, "store/compact", struct{}{})
	if err != nil {
		return nil, err
	}
	return *files, nil
}
