// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/rest"
	"tollgate/policy"
	"tollgate/policy/limit"
	"tollgate/store"
	"tollgate/store/ledger"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// TestContents: what a program gets of a result, byte for byte.
func TestContents(t *testing.T) {
	text := func(s string) string { return `{"type":"text","text":` + string(wire.AppendString(nil, s)) + `}` }
	for _, c := range []struct{ result, want string }{
		{`"content":[` + text("x") + `],"structuredContent":{"n":9007199254740993, "e":1e400}`, `{"n":9007199254740993, "e":1e400}`},
		{`"content":[` + text(`{"n":9007199254740993}`) + `]`, `{"n":9007199254740993}`},
		{`"content":[` + text(` [1, 2]`) + `]`, `[1, 2]`},
		{`"content":[` + text(`{"a":1,"a":2}`) + `]`, `"{\"a\":1,\"a\":2}"`},
		{`"content":[` + text(`42`) + `]`, `"42"`},
		{`"content":[` + text(`null`) + `],"structuredContent":null`, `"null"`},
		{`"content":[` + text(`plain {`) + `]`, `"plain {"`},
		{`"content":[{"type":"text","text":"\ud800"}]`, `"\ud800"`},
		{`"content":[` + text("a") + `,` + text("b") + `]`, `[` + text("a") + `,` + text("b") + `]`},
		{`"content":[{"type":"image","data":"AA==","mimeType":"image/png"}]`, `[{"type":"image","data":"AA==","mimeType":"image/png"}]`},
		{`"content":[]`, `[]`},
	} {
		result := `{` + c.result + `,"resultType":"complete"}`
		s := start(t, &setup{servers: map[string]*upstreamtest.Server{"up": answering(result)}})
		a := s.call(t, "reader", `{"tool":"echo"}`)
		data, _ := wire.Lookup([]byte(a.body), "data")
		whole, _ := wire.Lookup([]byte(a.body), "result")
		if a.status != http.StatusOK || strings.TrimSpace(string(data)) != c.want || string(whole) != result {
			t.Errorf("%s: got %d %s", c.result, a.status, a.body)
		}
	}
}

// TestToolErrors: a tool that says it failed has answered.
func TestToolErrors(t *testing.T) {
	s := start(t, &setup{servers: map[string]*upstreamtest.Server{"up": answering(`{"content":[{"type":"text","text":"no such city"},{"type":"text","text":"try Rome"}],"isError":true,"resultType":"complete"}`)}})
	a := s.call(t, "reader", `{"tool":"echo"}`)
	if a.status != http.StatusOK || a.member("success") != "false" || a.member("error") != "Tool Error" || a.member("message") != "no such city\ntry Rome" || a.member("result", "isError") != "true" {
		t.Errorf("got %d %s", a.status, a.body)
	}
	broken := answering("")
	broken.Handle = func(r *upstreamtest.Request) bool {
		if r.Method == "tools/call" {
			r.Error(`{"code":-32602,"message":"city is missing","data":{"n":9007199254740993}}`)
		}
		return r.Method == "tools/call"
	}
	s = start(t, &setup{servers: map[string]*upstreamtest.Server{"up": broken}})
	a = s.call(t, "reader", `{"tool":"echo"}`)
	if a.status != http.StatusOK || a.member("error") != "Tool Error" || a.member("message") != "city is missing" || a.member("rpc_error", "data", "n") != "9007199254740993" {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// limited are rules with a time for each call.
func limited(t *testing.T, rule policy.LimitRule) aggregator.Rules {
	t.Helper()
	set, err := limit.Compile([]limit.Rule{{LimitRule: rule}})
	if err != nil {
		t.Fatal(err)
	}
	return aggregator.Rules{Limits: set}
}

// TestUpstreamEnds: a failure names the upstream and says whether the tool may have been executed.
func TestUpstreamEnds(t *testing.T) {
	slow := answering("")
	slow.Handle = func(r *upstreamtest.Request) bool { return r.Method == "tools/call" }
	s := start(t, &setup{servers: map[string]*upstreamtest.Server{"up": slow}, rules: limited(t, policy.LimitRule{Timeout: 20 * time.Millisecond})})
	a := s.call(t, "reader", `{"tool":"echo"}`)
	a.says(t, http.StatusGatewayTimeout, "Upstream Timeout", `upstream "up"`)
	if a.member("upstream") != "up" || a.member("outcome_unknown") != "true" || a.member("decision_id") == "" {
		t.Errorf("got %s", a.body)
	}
	gone := answering("")
	gone.Handle = func(r *upstreamtest.Request) bool {
		if r.Method == "tools/call" {
			r.HangUp()
		}
		return r.Method == "tools/call"
	}
	s = start(t, &setup{servers: map[string]*upstreamtest.Server{"up": gone}})
	a = s.call(t, "reader", `{"tool":"echo"}`)
	a.says(t, http.StatusBadGateway, "Upstream Failed", `upstream "up"`)
	if a.member("upstream") != "up" || a.member("outcome_unknown") != "true" || a.member("kind") == "" {
		t.Errorf("got %s", a.body)
	}
	s.set.Apply(nil)
	a = s.call(t, "reader", `{"tool":"echo"}`)
	a.says(t, http.StatusBadGateway, "Upstream Failed", "")
	if a.member("outcome_unknown") != "false" {
		t.Errorf("got %s", a.body)
	}
}

// TestRefusals: each reason not to make a call has its status, its name and what a client needs to go on.
func TestRefusals(t *testing.T) {
	o := &setup{}
	s := start(t, o)
	refuse := func(err error) *answer {
		o.seam.admit = func(*aggregator.Intent) error { return err }
		return s.call(t, "reader", `{"tool":"up__echo"}`)
	}
	a := refuse(&store.ExceededError{Claim: store.Claim{Limit: "calls", Rate: 5, Window: time.Minute}, Used: 5, RetryAfter: 1200 * time.Millisecond})
	a.says(t, http.StatusTooManyRequests, "Rate Limit Exceeded", `limit reached: "calls"`)
	if a.member("retryAfter") != "2" || a.header.Get("Retry-After") != "2" || a.member("limit") != "calls" || a.member("code") != aggregator.CodeRate {
		t.Errorf("got %v %s", a.header, a.body)
	}
	a = refuse(&store.ExceededError{Claim: store.Claim{Limit: "at once", Concurrency: 2}, Used: 2})
	a.says(t, http.StatusTooManyRequests, "Rate Limit Exceeded", "2 of 2 calls are running")
	if a.member("retryAfter") != "1" || a.header.Get("Retry-After") != "1" {
		t.Errorf("got %v %s", a.header, a.body)
	}
	a = refuse(&ledger.UnavailableError{Retry: 4 * time.Second, Err: errors.New("/var/lib/secret: no space")})
	a.says(t, http.StatusServiceUnavailable, "Ledger Unavailable", "")
	if a.header.Get("Retry-After") != "4" || strings.Contains(a.body, "/var/lib") {
		t.Errorf("got %v %s", a.header, a.body)
	}
	a = refuse(errors.New("/var/lib/secret is on fire"))
	a.says(t, http.StatusInternalServerError, "Internal Server Error", "its log says why")
	if a.member("decision_id") == "" || strings.Contains(a.body, "fire") {
		t.Errorf("got %s", a.body)
	}
	o.seam.admit = nil
	a = s.call(t, "reader", `{"tool":"up__echo","arguments":{"day":"forbidden"}}`)
	a.says(t, http.StatusForbidden, "Access Denied", "that is forbidden on weekends")
	if a.member("decision_id") == "" || a.member("code") == "" {
		t.Errorf("got %s", a.body)
	}
	a = s.call(t, "token", `{"tool":"up__mail"}`)
	a.says(t, http.StatusForbidden, "Insufficient Scope", "mail.send")
	if a.member("scopes") != `["mail.send"]` || !strings.Contains(a.header.Get("WWW-Authenticate"), "insufficient_scope") {
		t.Errorf("got %v %s", a.header, a.body)
	}
	if n := len(s.up.Seen("tools/call")); n != 0 {
		t.Errorf("the upstream saw %d calls", n)
	}
}

// TestResultTooLarge: a result that is withheld says that the tool was executed, and nobody is sent to try again.
func TestResultTooLarge(t *testing.T) {
	s := start(t, &setup{rules: limited(t, policy.LimitRule{MaxResultBytes: 10})})
	s.call(t, "reader", `{"tool":"up__echo"}`).says(t, http.StatusForbidden, "Result Too Large", "the tool answered")
}

// TestInputRequired: a tool that asks its user is refused: there is nobody to ask.
func TestInputRequired(t *testing.T) {
	asking := answering(`{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"mode":"form","message":"Sure?","requestedSchema":{"type":"object","properties":{}}}}}}`)
	s := start(t, &setup{servers: map[string]*upstreamtest.Server{"up": asking}})
	s.call(t, "reader", `{"tool":"echo"}`).says(t, http.StatusForbidden, "Input Required", "needs input")
}

// TestProblemDetails: RFC 9457 for who asks for it.
func TestProblemDetails(t *testing.T) {
	o := &setup{}
	o.seam.admit = func(*aggregator.Intent) error {
		return &store.ExceededError{Claim: store.Claim{Limit: "calls", Rate: 5, Window: time.Minute}, Used: 5, RetryAfter: 3 * time.Second}
	}
	s := start(t, o)
	for accept, details := range map[string]bool{
		"application/problem+json": true, "application/json, application/problem+json;q=0.5": true, "application/json": false, "*/*": false, "": false,
		"application/problem+json;q=0": false, "text/html, application/problem+json": true, "bad/;;": false,
	} {
		a := s.ask(t, "reader", http.MethodPost, execute, `{"tool":"up__echo"}`, func(h http.Header) { h.Set("Accept", accept) })
		if kind := a.header.Get("Content-Type"); (kind == "application/problem+json") != details {
			t.Errorf("Accept %q: Content-Type %q", accept, kind)
		}
		if !details {
			continue
		}
		if a.member("type") != "urn:tollgate:problem:rate-limit-exceeded" || a.member("title") != "Rate Limit Exceeded" || a.member("status") != "429" || a.member("instance") != a.member("decision_id") || a.member("retryAfter") != "3" || !strings.Contains(a.member("detail"), "calls") {
			t.Errorf("got %s", a.body)
		}
	}
}

// TestDisconnect: a client that goes away cancels its call at the upstream.
func TestDisconnect(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	slow := answering("")
	slow.Handle = func(r *upstreamtest.Request) bool {
		if r.Method != "tools/call" {
			return false
		}
		close(begun)
		<-r.Context.Done()
		close(ended)
		return true
	}
	s := start(t, &setup{servers: map[string]*upstreamtest.Server{"up": slow}})
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+execute, strings.NewReader(`{"tool":"echo"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer reader")
	done := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	<-begun
	leave()
	<-ended
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
}

// TestSlowBody: a client that does not send what it announced is answered and does not hold on to the gateway.
func TestSlowBody(t *testing.T) {
	o := &setup{rest: rest.Options{BodyTimeout: 30 * time.Millisecond}}
	s := start(t, o)
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST "+execute+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer reader\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"tool\":"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 408 ") || !strings.Contains(string(got), `"error":"Request Timeout"`) {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestSlowCall: the time for writing an answer begins with the answer.
func TestSlowCall(t *testing.T) {
	release := make(chan struct{})
	slow := answering("")
	slow.Handle = func(r *upstreamtest.Request) bool {
		if r.Method == "tools/call" {
			<-release
			r.Result(`{"content":[],"resultType":"complete"}`)
		}
		return r.Method == "tools/call"
	}
	s := start(t, &setup{servers: map[string]*upstreamtest.Server{"up": slow}, rest: rest.Options{WriteTimeout: 30 * time.Millisecond, BodyTimeout: 30 * time.Millisecond}})
	time.AfterFunc(120*time.Millisecond, func() { close(release) })
	if a := s.call(t, "reader", `{"tool":"echo"}`); a.status != http.StatusOK {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// TestIdempotencyKey: what is none is refused before anything else happens.
func TestIdempotencyKey(t *testing.T) {
	s := start(t, nil)
	for _, key := range []string{"", "a b", "ü", strings.Repeat("x", 256), `"`, `a"b`, "\\"} {
		s.ask(t, "reader", http.MethodPost, execute, `{"tool":"up__echo"}`, func(h http.Header) { h["Idempotency-Key"] = []string{key} }).
			says(t, http.StatusBadRequest, "Bad Request", "Idempotency-Key")
	}
	s.ask(t, "reader", http.MethodPost, execute, `{"tool":"up__echo"}`, func(h http.Header) { h["Idempotency-Key"] = []string{"a", "b"} }).
		says(t, http.StatusBadRequest, "Bad Request", "Idempotency-Key")
	if n := len(s.up.Seen("tools/call")); n != 0 {
		t.Errorf("the upstream saw %d calls", n)
	}
}
