// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"
)

// Replayer is what a gateway gives to those who decide calls of the past again.
type Replayer interface {
	// Decisions hands w the intents and refusals of a period, in the order of the log.
	Decisions(ctx context.Context, q *DecisionQuery, w DecisionWriter) error
	// InputSchemas are those of all tools, as their upstreams define them.
	InputSchemas(ctx context.Context) ([]InputSchema, error)
	// ExplainDecision explains a decision from its records.
	ExplainDecision(ctx context.Context, q *DecisionExplainQuery) (*DecisionExplanation, error)
}

// DecisionQuery selects decisions by their time; zero = no bound.
type DecisionQuery struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"` // not included
}

// DecisionWriter takes decisions, first of all Begin.
type DecisionWriter interface {
	// Begin says what the digest of empty arguments is in the records.
	Begin(emptyDigest string) error
	// Record takes the text of one record.
	Record(text []byte) error
	// At says how many records have been read, of how many.
	At(read, of uint64) error
}

// InputSchema is that of the tool whose definition has a hash.
type InputSchema struct {
	DefinitionHash string          `json:"definition_hash"`
	Schema         json.RawMessage `json:"schema,omitempty"` // none = the tool has none
}

// Decisions are those that a gateway has recorded. Records may be read once; Close ends it.
type Decisions struct {
	EmptyDigest string // of empty arguments, in the records
	// Progress is called while Records are read: how many have been looked at, of how many. It may be nil.
	Progress func(read, of uint64)
	body     io.ReadCloser
	lines    *bufio.Reader
}

// decisionEvent is a line of the answer that is no record. Records stand in it as they are, one a line, and begin otherwise.
type decisionEvent struct {
	Event       string `json:"event"` // begin, at, end or error
	EmptyDigest string `json:"empty_digest,omitempty"`
	Read        uint64 `json:"read,omitempty"`
	Of          uint64 `json:"of,omitempty"`
	Error       *Error `json:"error,omitempty"`
}

const (
	eventPrefix = `{"event":`
	// maxLine bounds a record: arguments, annotations and what the caller was told, all of them bounded.
	maxLine = 64 << 20
)

// serveReplay adds the operations of [Replayer].
func serveReplay(mux *http.ServeMux, ops Replayer) {
	mux.HandleFunc("POST /v1/audit/decisions", func(w http.ResponseWriter, r *http.Request) { serveDecisions(ops, w, r) })
	mux.Handle("GET /v1/catalog/schemas", answer(func(ctx context.Context, _ *struct{}) (any, error) { return ops.InputSchemas(ctx) }))
	mux.Handle("POST /v1/explain/decision", answer(func(ctx context.Context, q *DecisionExplainQuery) (any, error) { return ops.ExplainDecision(ctx, q) }))
}

func serveDecisions(ops Replayer, w http.ResponseWriter, r *http.Request) {
	q := &DecisionQuery{}
	if err := json.NewDecoder(r.Body).Decode(q); err != nil && !errors.Is(err, io.EOF) {
		reply(w, nil, &Error{Message: "the request is not what this gateway understands: " + err.Error(), Hint: "use the same version of tollgate on both sides", Exit: 1})
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := &decisionLines{out: bufio.NewWriterSize(w, 1<<16), flush: http.NewResponseController(w).Flush}
	last := &decisionEvent{Event: "end"}
	if err := ops.Decisions(r.Context(), q, out); err != nil {
		last = &decisionEvent{Event: "error", Error: asError(err)}
	}
	_ = out.event(last) // the other side is gone
}

// decisionLines writes the answer.
type decisionLines struct {
	out   *bufio.Writer
	flush func() error
}

func (d *decisionLines) event(e *decisionEvent) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := d.out.Write(append(line, '\n')); err != nil {
		return err
	}
	if err := d.out.Flush(); err != nil {
		return err
	}
	return d.flush()
}

// Begin implements [DecisionWriter].
func (d *decisionLines) Begin(emptyDigest string) error {
	return d.event(&decisionEvent{Event: "begin", EmptyDigest: emptyDigest})
}

// At implements [DecisionWriter].
func (d *decisionLines) At(read, of uint64) error {
	return d.event(&decisionEvent{Event: "at", Read: read, Of: of})
}

// Record implements [DecisionWriter].
func (d *decisionLines) Record(text []byte) error {
	if _, err := d.out.Write(text); err != nil {
		return err
	}
	return d.out.WriteByte('\n')
}

// Decisions asks for the decisions of a period.
func (c *Client) Decisions(ctx context.Context, q *DecisionQuery) (*Decisions, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tollgate/v1/audit/decisions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the running gateway: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("the running gateway answered %s; is it another version?", resp.Status), resp.Body.Close())
	}
	d := &Decisions{body: resp.Body, lines: bufio.NewReaderSize(resp.Body, 1<<18)}
	_, begin, err := d.next()
	if err == nil && (begin == nil || begin.Event != "begin") {
		err = errors.New("the running gateway did not begin its answer; is it another version?")
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.EmptyDigest = begin.EmptyDigest
	return d, nil
}

// Close ends the answer.
func (d *Decisions) Close() error { return d.body.Close() }

// Records yields the texts of records. One is good until the next one is asked for.
func (d *Decisions) Records() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for {
			text, e, err := d.next()
			switch {
			case err != nil:
				yield(nil, err)
				return
			case e == nil:
				if !yield(text, nil) {
					return
				}
			case e.Event == "at" && d.Progress != nil:
				d.Progress(e.Read, e.Of)
			case e.Event == "end":
				return
			}
		}
	}
}

// next reads a line: the text of a record, or an event.
func (d *Decisions) next() (text []byte, e *decisionEvent, err error) {
	line, err := d.lines.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) && len(long) < maxLine {
			line, err = d.lines.ReadSlice('\n')
			long = append(long, line...)
		}
		line = long
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the running gateway ended before all records had come: %w", err)
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	if !bytes.HasPrefix(line, []byte(eventPrefix)) {
		return line, nil, nil
	}
	e = &decisionEvent{}
	if err := json.Unmarshal(line, e); err != nil {
		return nil, nil, fmt.Errorf("asking the running gateway: %w", err)
	}
	if e.Error != nil {
		return nil, nil, e.Error
	}
	return nil, e, nil
}

// InputSchemas asks for the input schemas of all tools.
func (c *Client) InputSchemas(ctx context.Context) ([]InputSchema, error) {
	all, err := do[[]InputSchema](ctx, c, http.MethodGet, "catalog/schemas", nil)
	if err != nil {
		return nil, err
	}
	return *all, nil
}
