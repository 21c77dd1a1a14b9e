// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// How a client authenticates at the token endpoint (RFC 7591 §2).
const (
	methodBasic = "client_secret_basic"
	methodPost  = "client_secret_post"
	methodNone  = "none"
)

// refusedError is an answer of an authorization server that says no. It holds the code only: descriptions and bodies are
// written by others and may repeat what was sent.
type refusedError struct {
	status int
	code   string // "" = none
}

func (e *refusedError) Error() string {
	if e.code == "" {
		return fmt.Sprintf("HTTP status %d", e.status)
	}
	return e.code
}

// errorCode returns s if it can be an error code (RFC 6749 §5.2), else "".
func errorCode(s string) string {
	legal := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
	}
	if len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return !legal(r) }) {
		return ""
	}
	return s
}

// requestToken asks a token endpoint for a token. A *refusedError says that the server does not want to; what is asked again
// will be refused again. No error names the URL or anything sent.
func (t *authTransport) requestToken(ctx context.Context, endpoint string, c *registration, form url.Values, now func() time.Time) (*token, error) {
	if err := t.reach.checkURL(endpoint); err != nil {
		return nil, err
	}
	resp, err := t.postForm(ctx, endpoint, c, form)
	if err != nil {
		return nil, err
	}
	defer discardBody(resp)
	body, err := readBody(resp, maxDocument)
	if err != nil {
		return nil, errors.New("the answer of the token endpoint is too large, or broke off")
	}
	if resp.StatusCode != http.StatusOK {
		if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
			return nil, &statusError{status: resp.StatusCode, retryAfter: retryAfter(resp.Header)}
		}
		var answer struct{ Error string }
		_ = json.Unmarshal(body, &answer) // the status says enough
		return nil, &refusedError{resp.StatusCode, errorCode(answer.Error)}
	}
	return parseToken(body, now())
}

// postForm posts form with the client's credentials, in the way it registered for.
func (t *authTransport) postForm(ctx context.Context, endpoint string, c *registration, form url.Values) (*http.Response, error) {
	if c.Method != methodBasic {
		form.Set("client_id", c.ID)
	}
	if c.Method == methodPost {
		form.Set("client_secret", c.Secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errAddress
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "tollgate")
	if c.Method == methodBasic {
		req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret)) // RFC 6749 §2.3.1
	}
	resp, err := t.client().Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	return resp, nil
}

// withoutURL takes the URL, which may hold secrets, out of an error of net/http.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

// parseToken reads the answer of a token endpoint (RFC 6749 §5.1).
func parseToken(body []byte, now time.Time) (*token, error) {
	var answer struct {
		Access  string          `json:"access_token"`
		Type    string          `json:"token_type"`
		Refresh string          `json:"refresh_token"`
		Expires json.RawMessage `json:"expires_in"`
		Scope   *string         `json:"scope"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, errors.New("the answer of the token endpoint is no JSON object")
	}
	visible := func(s string) bool {
		return len(s) <= maxTokenSize && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
	}
	switch {
	case answer.Access == "" || !visible(answer.Access) || !visible(answer.Refresh):
		return nil, errors.New("the token endpoint sent no usable token")
	case answer.Type != "" && !strings.EqualFold(answer.Type, "bearer"):
		return nil, errors.New("the token endpoint sent a token that is not of type Bearer")
	}
	t := &token{Access: answer.Access, Refresh: answer.Refresh}
	if answer.Scope != nil && strings.TrimSpace(*answer.Scope) != "" {
		t.Scopes, t.Told = scopesIn(*answer.Scope), true
	}
	// A number, but strings are seen too.
	if s, err := strconv.ParseFloat(strings.Trim(string(answer.Expires), `"`), 64); err == nil && s > 0 && s < 1e9 {
		life := time.Duration(s * float64(time.Second))
		t.Until = now.Add(life - min(10*time.Second, life/5)) // requests take time, and clocks differ
	}
	return t, nil
}

// revoke tells an authorization server that a token is not needed any more (RFC 7009). Nothing depends on it.
func (t *authTransport) revoke(ctx context.Context, endpoint string, c *registration, value string) error {
	if err := t.reach.checkURL(endpoint); err != nil {
		return err
	}
	resp, err := t.postForm(ctx, endpoint, c, url.Values{"token": {value}})
	if err != nil {
		return err
	}
	discardBody(resp)
	if resp.StatusCode/100 != 2 {
		return &refusedError{status: resp.StatusCode}
	}
	return nil
}
