// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxHeaderBytes = 256 << 10        // of an answer
	maxRedirects   = 3                // all within one origin
	sideGrace      = 10 * time.Second // for messages nobody waits for: cancellations, answers to the server's requests
)

// errElsewhere is the cause when a server points to another origin.
var errElsewhere = errors.New("another origin")

// httpConn is what both HTTP links stand on: one connection pool, the configured headers and the life of the link.
// All methods are safe for concurrent use.
type httpConn struct {
	cfg       *Config
	o         *linkOptions
	url       *url.URL
	transport *http.Transport
	client    *http.Client
	asks      *askSet

	alive context.Context // ends with close; requests under way end with it
	stop  context.CancelFunc
	dead  chan struct{}
	ids   atomic.Int64

	mu      sync.Mutex           // guards why, running and tokens, and orders users.Add before users.Wait
	why     error                // set once, with dead closed
	running map[string]*liveCall // by request id
	tokens  map[string]*liveCall // by tokenKey of the progress token
	users   sync.WaitGroup       // exchanges and goroutines of the link
}

func newHTTPConn(cfg *Config, o *linkOptions) (*httpConn, *Error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, failf(cfg, KindUnavailable, false, nil, "has no usable url: it must start with http:// or https:// and name a host")
	}
	u.Fragment = ""
	own := *o
	if own.onNotify == nil {
		own.onNotify = func(string, []byte) {}
	}
	if own.onAsk == nil {
		own.onAsk = nobody
	}
	h := &httpConn{
		cfg: cfg, o: &own, url: u, transport: newTransport(cfg), asks: newAskSet(),
		dead: make(chan struct{}), running: map[string]*liveCall{}, tokens: map[string]*liveCall{},
	}
	h.client = &http.Client{Transport: h.transport, CheckRedirect: checkRedirect}
	h.alive, h.stop = context.WithCancel(context.Background())
	return h, nil
}

// newTransport makes a pool of its own for one link, so that closing the link closes its connections and nothing else. There is
// no timeout for answers, since calls may be long: the caller's ctx rules. Compression is off because proxies that compress
// event streams tend to hold them back.
func newTransport(cfg *Config) *http.Transport {
	n := cfg.Concurrency
	if n <= 0 {
		n = defaultConcurrency
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 20 * time.Second, PingTimeout: 15 * time.Second},
		MaxIdleConns:           n + 2, // and a listen stream and a spare
		MaxIdleConnsPerHost:    n + 2,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
	}
}

// checkRedirect follows at most [maxRedirects] redirects that keep the method and the origin, so that neither headers nor
// arguments reach a host the operator did not name. Others are returned as they are and become errors.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects || req.Method != via[0].Method || !sameOrigin(req.URL, via[0].URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

// request builds a request to u with the configured headers. body nil = none.
func (h *httpConn) request(ctx context.Context, method string, u *url.URL, body []byte) (*http.Request, error) {
	var content io.Reader = http.NoBody
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "tollgate")
	for name, value := range h.cfg.Headers {
		if strings.EqualFold(name, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	req.Header.Set("Accept", "text/event-stream")
	if body != nil {
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// roundTrip sends req once. sent is false only when no connection was there to write to. The transport repeats a POST by itself
// only when it knows that nothing of it was written, and then asks for a connection again.
func (h *httpConn) roundTrip(req *http.Request) (resp *http.Response, sent bool, err error) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}
	resp, err = h.client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the URL may hold secrets
		}
		return nil, connected.Load(), err
	}
	return resp, true, nil
}

// failure turns an error of do, or of reading an answer, into an *Error. ctx is the caller's.
func (h *httpConn) failure(ctx context.Context, method string, sent bool, err error) *Error {
	var known *Error
	switch {
	case errors.As(err, &known):
		return known
	case ctx.Err() != nil:
		return ctxError(ctx, h.cfg, method, sent)
	case h.alive.Err() != nil:
		return failf(h.cfg, KindClosed, sent, errLinkClosed, "was disconnected during %s", method)
	case !sent:
		return failf(h.cfg, KindUnavailable, false, err, "is not reachable: %s", dialReason(err))
	}
	return failf(h.cfg, KindClosed, true, err, "broke the connection during %s", method)
}

// dialReason names why no connection was made, without addresses.
func dialReason(err error) string {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "its host name does not resolve"
	case errors.As(err, &cert):
		return "its TLS certificate is not trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no connection in time"
	}
	return "no connection"
}

// newID returns a request id not used before on this link.
func (h *httpConn) newID() []byte { return strconv.AppendInt(nil, h.ids.Add(1), 10) }

// enter adds a user that close waits for; leave it with users.Done. It fails once the link is dead.
func (h *httpConn) enter() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.why != nil {
		return h.why
	}
	h.users.Add(1)
	return nil
}

// spawn runs f on a goroutine that close waits for, unless the link is dead.
func (h *httpConn) spawn(f func()) bool {
	if h.enter() != nil {
		return false
	}
	go func() {
		defer h.users.Done()
		f()
	}()
	return true
}

// fail marks the link as dead. What is under way may still end well.
func (h *httpConn) fail(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.why == nil {
		h.why = why
		close(h.dead)
	}
}

func (h *httpConn) done() <-chan struct{} { return h.dead }

func (h *httpConn) cause() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.why
}

func (h *httpConn) stderr() string { return "" }
func (h *httpConn) pid() int       { return 0 }
