// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// A stream that ends some time after the response, when the caller's ctx is long over, still does not cost its connection.
func TestHTTPConnectionIsReused(t *testing.T) {
	var mu sync.Mutex // guards addrs
	addrs := map[string]bool{}
	finish := make(chan struct{})
	l := modernHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		addrs[r.RemoteAddr] = true
		mu.Unlock()
		answerEvents("data: {\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{}}\n\n")(w, r)
		_ = http.NewResponseController(w).Flush()
		<-finish
	})
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := l.exchange(ctx, toolCall("a", nil)); err != nil {
			t.Fatal(err)
		}
		cancel()
		finish <- struct{}{}
		l.users.Wait()
	}
	mu.Lock()
	defer mu.Unlock()
	if len(addrs) != 1 {
		t.Errorf("5 calls took %d connections", len(addrs))
	}
}

// brittleConn fails to write once it was told to.
type brittleConn struct {
	net.Conn
	broken atomic.Bool
}

func (c *brittleConn) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(p)
}

// A connection that turns out to be dead before anything was written on it does not make a request sent.
func TestHTTPStaleConnection(t *testing.T) {
	l := modernHTTP(t, answerJSON(`{"jsonrpc":"2.0","id":ID,"result":{}}`))
	var conn *brittleConn
	down := errors.New("down")
	l.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if conn != nil {
			return nil, down
		}
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		conn = &brittleConn{Conn: c}
		return conn, err
	}
	if _, err := l.exchange(t.Context(), toolCall("a", nil)); err != nil {
		t.Fatal(err)
	}
	conn.broken.Store(true)
	_, err := l.exchange(t.Context(), toolCall("a", nil))
	if e := wantError(t, err, KindUnavailable, false, "is not reachable"); !errors.Is(e, down) {
		t.Errorf("cause %v, want %v", e.Err, down)
	}
}

func TestHTTPOverTLS(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if (r.ProtoMajor == 2) != http2 {
				t.Errorf("the request came as %s", r.Proto)
			}
			answerEvents("data: {\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{}}\n\n")(w, r)
		}))
		srv.EnableHTTP2 = http2
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.StartTLS()
		t.Cleanup(srv.Close)
		l := httpTestLink(t, srv.URL, false, nil)
		_, err := l.exchange(t.Context(), toolCall("a", nil))
		wantError(t, err, KindUnavailable, false, "is not reachable: its TLS certificate is not trusted")
		l.transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		l.transport.TLSClientConfig.RootCAs.AddCert(srv.Certificate())
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if _, err := l.exchange(t.Context(), toolCall("a", nil)); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
	}
}
