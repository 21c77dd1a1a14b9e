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
	"net"
	"net/http"
	"net/url"
	"time"
)

// Client asks a gateway. Safe for concurrent use.
type Client struct {
	http *http.Client
	dial func(ctx context.Context) (net.Conn, error)
}

// NewClient returns a client of the gateway that dial reaches.
func NewClient(dial func(ctx context.Context) (net.Conn, error)) *Client {
	return &Client{dial: dial, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}}}
}

// Close releases idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks for the state of the gateway.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return do[Status](ctx, c, http.MethodGet, "status", nil)
}

// Keys lists the API keys.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	keys, err := do[[]Key](ctx, c, http.MethodGet, "keys", nil)
	if err != nil {
		return nil, err
	}
	return *keys, nil
}

// CreateKey makes an API key.
func (c *Client) CreateKey(ctx context.Context, k *Key) (*NewKey, error) {
	return do[NewKey](ctx, c, http.MethodPost, "keys", k)
}

// RevokeKey revokes an API key at once.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	_, err := do[struct{}](ctx, c, http.MethodDelete, "keys/"+url.PathEscape(id), nil)
	return err
}

// RotateKey makes an API key that takes the place of another. The old one works for grace longer.
func (c *Client) RotateKey(ctx context.Context, id string, grace time.Duration) (*NewKey, error) {
	return do[NewKey](ctx, c, http.MethodPost, "keys/"+url.PathEscape(id)+"/rotate", &Rotation{Grace: grace})
}

// Catalog asks what a role sees.
func (c *Client) Catalog(ctx context.Context, q *CatalogQuery) (*Catalog, error) {
	return do[Catalog](ctx, c, http.MethodPost, "catalog", q)
}

// Call calls a tool.
func (c *Client) Call(ctx context.Context, call *Call) (*Outcome, error) {
	return do[Outcome](ctx, c, http.MethodPost, "call", call)
}

// Reload reads the configuration again.
func (c *Client) Reload(ctx context.Context) (*Reloaded, error) {
	return do[Reloaded](ctx, c, http.MethodPost, "reload", struct{}{})
}

// Login logs in to an upstream. show is called with the address of the page on which a person lets the gateway in.
func (c *Client) Login(ctx context.Context, upstream string, show func(address string)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tollgate/v1/upstreams/"+url.PathEscape(upstream)+"/login", nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("asking the running gateway: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the running gateway answered %s; is it another version?", resp.Status)
	}
	for events := json.NewDecoder(resp.Body); ; {
		var e LoginEvent
		if err := events.Decode(&e); err != nil {
			return fmt.Errorf("the running gateway ended before the login did: %w", err)
		}
		switch {
		case e.Error != nil:
			return e.Error
		case e.Done:
			return nil
		case e.Address != "":
			show(e.Address)
		}
	}
}

// Logout forgets the login at an upstream.
func (c *Client) Logout(ctx context.Context, upstream string) error {
	_, err := do[struct{}](ctx, c, http.MethodPost, "upstreams/"+url.PathEscape(upstream)+"/logout", struct{}{})
	return err
}

func do[Out any](ctx context.Context, c *Client, method, path string, in any) (*Out, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://tollgate/v1/"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the running gateway: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnprocessableEntity {
		var e Error
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
			return nil, fmt.Errorf("asking the running gateway: %w", err)
		}
		return nil, &e
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the running gateway answered %s; is it another version?", resp.Status)
	}
	out := new(Out)
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return nil, fmt.Errorf("asking the running gateway: %w", err)
	}
	return out, nil
}

// Pipe is the gateway's side of one stdio client.
type Pipe struct {
	Requests io.WriteCloser // closing it is the end of the client's input; answers still come
	Answers  io.Reader      // ends when the gateway is done, or gone
	Close    func() error   // ends everything
}

// ErrNoAnswer says that a gateway took the connection and closed it without a word: it is ending.
var ErrNoAnswer = errors.New("no answer")

// Stdio opens a pipe to the gateway. It returns [ErrNoAnswer] when the gateway is ending.
func (c *Client) Stdio(ctx context.Context, who *StdioClient) (*Pipe, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	answers, err := upgrade(ctx, conn, who)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Pipe{Requests: halfConn{conn}, Answers: answers, Close: conn.Close}, nil
}

// upgrade turns the connection into a pipe.
func upgrade(ctx context.Context, conn net.Conn, who *StdioClient) (io.Reader, error) {
	q := url.Values{"role": {who.Role}, "subject": {who.Subject}, "toolset": {who.Toolset}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tollgate/v1/stdio?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", upgradeProtocol)
	if err := req.Write(conn); err != nil {
		return nil, fmt.Errorf("attaching to the running gateway: %w: %w", ErrNoAnswer, err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, fmt.Errorf("attaching to the running gateway: %w: %w", ErrNoAnswer, err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return r, nil
	}
	defer resp.Body.Close()
	var e Error
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
		return nil, fmt.Errorf("attaching to the running gateway: it answered %s", resp.Status)
	}
	return nil, &e
}

// halfConn closes only the writing half of a connection.
type halfConn struct{ net.Conn }

func (h halfConn) Close() error {
	if half, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return h.Conn.Close()
}
