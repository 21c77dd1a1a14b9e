// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// callback receives the answer of one login: a listener on the loopback that serves one path until it has an answer with the
// right state. Anything else that finds it learns nothing and ends nothing.
type callback struct {
	redirect string // as the authorization server is told
	state    string
	answer   chan url.Values // one slot
	server   *http.Server
	served   chan struct{}
}

// listenCallback opens a callback. redirect is the URL to be reached at; without a port a free one is taken, and "" is a path
// nobody can guess at a free port.
func listenCallback(redirect string) (*callback, error) {
	if redirect == "" {
		redirect = "http://127.0.0.1/callback/" + rand.Text()
	}
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" || !isLoopbackName(u.Hostname()) || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("redirect_url must be an http URL of the loopback without a query")
	}
	host, port := u.Hostname(), u.Port()
	if net.ParseIP(host) == nil {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "0"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	if port == "0" {
		u.Host = net.JoinHostPort(u.Hostname(), fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
	}
	c := &callback{redirect: u.String(), state: rand.Text(), answer: make(chan url.Values, 1), served: make(chan struct{})}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	c.server = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, path) }),
		ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, MaxHeaderBytes: 64 << 10,
	}
	go func() {
		defer close(c.served)
		_ = c.server.Serve(l) // ends with close
	}()
	return c, nil
}

func (c *callback) serve(w http.ResponseWriter, r *http.Request, path string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Connection", "close")
	q := r.URL.Query()
	if r.Method != http.MethodGet || r.URL.EscapedPath() != path || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(c.state)) != 1 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	select {
	case c.answer <- q:
		_, _ = io.WriteString(w, "Tollgate has the answer. You can close this page.\n")
	default:
		w.WriteHeader(http.StatusGone)
	}
}

// wait returns the answer, or an error when showing the URL failed or ctx ended.
func (c *callback) wait(ctx context.Context, shown <-chan error) (url.Values, error) {
	for {
		select {
		case q := <-c.answer:
			return q, nil
		case err := <-shown:
			if err != nil {
				return nil, err
			}
			shown = nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// close stops listening and waits for what is being served. A page that is being written is given a moment.
func (c *callback) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c.server.Shutdown(ctx) != nil {
		_ = c.server.Close() // nobody reads the page any more
	}
	<-c.served
}
