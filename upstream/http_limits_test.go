// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"
)

const testReplyLimit = 1 << 20

// pour writes n MiB of filler, or less when the client has had enough, and reports how much it got rid of.
func pour(w io.Writer, mebibytes int) int64 {
	chunk := bytes.Repeat([]byte("a"), 1<<20)
	var written int64
	for range mebibytes {
		n, err := w.Write(chunk)
		written += int64(n)
		if err != nil {
			break
		}
	}
	return written
}

func TestHTTPReplyLimits(t *testing.T) {
	tests := []struct {
		name   string
		prefix string
		header []string
		status int
		kind   ErrorKind
		text   string
	}{
		{"json", `{"jsonrpc":"2.0","id":1,"result":{"x":"`, []string{"Content-Type", "application/json"}, 200, KindTooLarge, "more than 1048576 bytes"},
		{"json with its length", `{"jsonrpc":"2.0","id":1,"result":{"x":"`, []string{"Content-Type", "application/json", "Content-Length", "314572800"}, 200,
			KindTooLarge, "more than 1048576 bytes"},
		{"event", `data: {"jsonrpc":"2.0","id":1,"result":{"x":"`, []string{"Content-Type", "text/event-stream"}, 200, KindTooLarge, "more than 1048576 bytes"},
		{"error body", `{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"`, nil, 400, KindProtocol, "HTTP 400"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			poured := make(chan int64, 1)
			srv := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				answerHeader(w, test.status, test.header...)
				_, _ = io.WriteString(w, test.prefix)
				poured <- pour(w, 300)
			}))
			l := httpTestLink(t, srv.URL, false, func(_ *Config, o *linkOptions) { o.maxReply = testReplyLimit })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := l.exchange(t.Context(), toolCall("a", nil))
			wantError(t, err, test.kind, test.kind == KindTooLarge, test.text)
			if n := receive(t, poured); n > 100<<20 {
				t.Errorf("%d bytes were taken", n)
			}
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
				t.Errorf("%d bytes were allocated for a reply limited to %d", n, testReplyLimit)
			}
		})
	}
}

func answerHeader(w http.ResponseWriter, status int, header ...string) {
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
}

// The limit of one exchange is above the link's.
func TestHTTPExchangeLimit(t *testing.T) {
	l := modernHTTP(t, answerJSON(`{"jsonrpc":"2.0","id":ID,"result":{"x":"0123456789"}}`))
	x := toolCall("a", nil)
	x.maxReply = 20
	_, err := l.exchange(t.Context(), x)
	wantError(t, err, KindTooLarge, true, "more than 20 bytes")
	x.maxReply = 0
	if _, err := l.exchange(t.Context(), x); err != nil {
		t.Error(err)
	}
}

// A stream that never says anything useful ends with the caller's deadline, and the server notices.
func TestHTTPEndlessStreams(t *testing.T) {
	for name, text := range map[string]string{
		"comments": ": still here\n\n",
		"progress": "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1}}\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			gone := make(chan struct{})
			l := modernHTTP(t, func(w http.ResponseWriter, r *http.Request) {
				defer close(gone)
				w.Header().Set("Content-Type", "text/event-stream")
				for r.Context().Err() == nil {
					if _, err := io.WriteString(w, text); err != nil {
						return
					}
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := l.exchange(ctx, toolCall("a", new(discardPeer)))
			e := wantError(t, err, KindTimeout, true, "did not answer tools/call in time")
			if !errors.Is(e, context.DeadlineExceeded) {
				t.Errorf("cause %v", e.Err)
			}
			receive(t, gone)
		})
	}
}

// A server that takes the request and says nothing is left when the caller leaves.
func TestHTTPCancelClosesTheStream(t *testing.T) {
	started, gone := make(chan struct{}), make(chan struct{})
	l := modernHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(started)
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	x := toolCall("a", nil)
	_, err := l.exchange(ctx, x)
	wantError(t, err, KindClosed, true, "caller went away")
	if !x.sent {
		t.Error("exchange.sent is false")
	}
	receive(t, gone)
}

func TestHTTPCloseEndsExchanges(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		started := make(chan struct{})
		srv := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			close(started)
			<-r.Context().Done()
		}))
		l := httpTestLink(t, srv.URL, legacy, nil)
		failed := make(chan error, 1)
		go func() {
			_, err := l.exchange(context.Background(), toolCall("a", nil))
			failed <- err
		}()
		<-started
		l.close()
		l.close()
		e := wantError(t, receive(t, failed), KindClosed, true, "was disconnected during tools/call")
		if !errors.Is(e, errLinkClosed) || !errors.Is(l.cause(), errLinkClosed) {
			t.Errorf("cause %v, of the link %v", e.Err, l.cause())
		}
		receive(t, l.done())
		_, err := l.exchange(t.Context(), toolCall("a", nil))
		wantError(t, err, KindClosed, false, "is disconnected")
	}
}

// discardPeer listens to nothing.
type discardPeer struct{ recorder }

func (*discardPeer) Notify(string, []byte) {}
