// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	defaultEvery   = time.Minute
	defaultTimeout = 30 * time.Second
	firstPause     = time.Second     // after the first failure, doubling from there
	mostPause      = 5 * time.Minute // unless polls are further apart
)

// Options configure [New].
type Options struct {
	URL     string            // https, or http on this machine
	Headers map[string]string // sent with each request, such as Authorization
	Every   time.Duration     // between polls, give or take a tenth; 0 = a minute
	Timeout time.Duration     // of one request with its body; 0 = 30 s
	// Verification is what [Read] wants; nil takes unsigned bundles.
	Verification *Verification
	// Copy is a file in which the last accepted bundle is kept for a start
	// without the server; "" = none.
	Copy string
	// OnBundle is handed each bundle whose bytes differ from the last accepted
	// one, one at a time. An error refuses the bundle: it is not kept, and
	// offered again at the next poll.
	OnBundle func(*Bundle) error
	// Transport is for tests; nil is the standard one with its proxy settings.
	Transport http.RoundTripper
	Log       *slog.Logger // nil = discard
}

// State is what a [Fetcher] did last.
type State struct {
	URL         string    `json:"url"` // without its query
	Revision    string    `json:"revision"`
	ETag        string    `json:"etag"` // of the accepted bundle
	Verified    bool      `json:"verified"`
	FromCopy    bool      `json:"from_copy"` // the accepted bundle is the kept copy
	LastSuccess time.Time `json:"last_success"`
	LastError   string    `json:"last_error,omitempty"` // of the last poll; "" = it succeeded
	Failures    int       `json:"failures"`             // polls since LastSuccess
	CopyError   string    `json:"copy_error,omitempty"` // why the bundle could not be kept
}

// Fetcher keeps up with the bundle at one URL. State may be called at any time,
// Start and Run by one goroutine.
type Fetcher struct {
	o      Options
	client *http.Client
	log    *slog.Logger

	started bool
	digest  [sha256.Size]byte // of the accepted bundle's bytes

	mu    sync.Mutex // guards state
	state State
}

// New checks the options. It does not connect.
func New(o *Options) (*Fetcher, error) {
	if o == nil || o.OnBundle == nil {
		return nil, errors.New("a fetcher needs a URL and OnBundle")
	}
	f := &Fetcher{o: *o, log: o.Log}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	shown, err := checkURL(o.URL)
	if err != nil {
		return nil, err
	}
	if err := checkHeaders(o.Headers); err != nil {
		return nil, err
	}
	if err := o.Verification.Check(); err != nil {
		return nil, err
	}
	if o.Every < 0 || o.Timeout < 0 {
		return nil, errors.New("the time between polls and the timeout cannot be negative")
	}
	if o.Every == 0 {
		f.o.Every = defaultEvery
	}
	if o.Timeout == 0 {
		f.o.Timeout = defaultTimeout
	}
	f.state.URL, f.client = shown, newClient(o.Transport)
	return f, nil
}

// State returns what is known of the last poll. It is safe for concurrent use.
func (f *Fetcher) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// Start gets the first bundle and returns when OnBundle has accepted one: the
// server's, or the copy when the server gives none. The error says why there is
// neither; [Fetcher.Run] may be called all the same and tries on.
func (f *Fetcher) Start(ctx context.Context) error {
	f.started = true
	err := f.poll(ctx)
	if err == nil || f.o.Copy == "" || ctx.Err() != nil {
		return err
	}
	if copyErr := f.useCopy(); copyErr != nil {
		return errors.Join(err, copyErr)
	}
	return nil
}

// Run polls until ctx ends. It calls Start unless that has been done.
func (f *Fetcher) Run(ctx context.Context) {
	if !f.started {
		_ = f.Start(ctx) // is in State, and in the log
	}
	timer := time.NewTimer(f.pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		_ = f.poll(ctx) // is in State, and in the log
		timer.Reset(f.pause())
	}
}

// pause is the time until the next poll. Gateways that were started together
// should not ask together, least of all a server that has just come back.
func (f *Fetcher) pause() time.Duration {
	n := f.State().Failures
	if n == 0 {
		return f.o.Every + spread(f.o.Every/5)
	}
	limit := max(mostPause, f.o.Every)
	pause := firstPause
	for ; n > 1 && pause < limit; n-- {
		pause *= 2
	}
	pause = min(pause, limit)
	return pause + spread(pause)
}

// spread is a random duration from -width/2 to width/2.
func spread(width time.Duration) time.Duration {
	if width <= 0 {
		return 0
	}
	return rand.N(width) - width/2
}

// poll asks once and records what came of it.
func (f *Fetcher) poll(ctx context.Context) error {
	etag := f.State().ETag
	answer, err := f.ask(ctx, etag)
	if err == nil && !answer.same {
		err = f.offer(answer.body, answer.etag, false)
	}
	if ctx.Err() != nil { // the poll was given up, nothing failed
		return fmt.Errorf("fetch bundle: %w", ctx.Err())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.state.LastError = err.Error()
		f.state.Failures++
		f.log.Warn("policy bundle not updated", "url", f.state.URL, "failures", f.state.Failures, "error", err)
		return err
	}
	f.state.LastSuccess, f.state.LastError, f.state.Failures = time.Now(), "", 0
	return nil
}

// offer reads a bundle and hands it on unless it is the accepted one.
func (f *Fetcher) offer(body []byte, etag string, fromCopy bool) error {
	digest := sha256.Sum256(body)
	if digest == f.digest {
		f.accept(func(s *State) { s.ETag, s.FromCopy = etag, fromCopy })
		return nil
	}
	b, err := Read(bytes.NewReader(body), f.o.Verification)
	if err != nil {
		return err
	}
	if err := f.o.OnBundle(b); err != nil {
		return fmt.Errorf("%s is refused: %w", b, err)
	}
	f.digest = digest
	copyError := ""
	if !fromCopy && f.o.Copy != "" {
		if err := keep(f.o.Copy, body); err != nil {
			copyError = err.Error()
			f.log.Warn("policy bundle not kept", "error", err)
		}
	}
	f.accept(func(s *State) {
		s.Revision, s.ETag, s.Verified, s.FromCopy, s.CopyError = b.Revision, etag, b.Verified, fromCopy, copyError
	})
	f.log.Info("policy bundle accepted", "revision", b.Revision, "modules", len(b.Modules),
		"verified", b.Verified, "from_copy", fromCopy)
	return nil
}

func (f *Fetcher) accept(change func(*State)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.state)
}
