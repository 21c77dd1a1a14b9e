// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"context"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/aggregator/rest"
	"tollgate/policy"
	"tollgate/upstream"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// TestMain fails the package when a goroutine outlives the tests.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() != "" {
		os.Exit(code) // the fuzzing engine leaves some of its own
	}
	http.DefaultClient.CloseIdleConnections()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			os.Exit(code)
		}
		runtime.GC()
		<-time.After(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	os.Stderr.Write(buf[:runtime.Stack(buf, true)])
	os.Stderr.WriteString("goroutines are left after the tests\n")
	os.Exit(1)
}

// theContract is the OpenAPI document, read once.
var theContract = sync.OnceValues(readContract)

// tokens authenticates test clients: the bearer token is the subject, and the role too. "ops" comes of no organization.
type tokens struct{}

func (tokens) Request(r *http.Request) (*auth.Principal, *auth.Challenge) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, &auth.Challenge{Status: http.StatusUnauthorized, Header: `Bearer realm="test"`, Message: "an API key is needed"}
	}
	if token == "busy" {
		return nil, &auth.Challenge{Status: http.StatusServiceUnavailable, RetryAfter: 1500 * time.Millisecond, Message: "keys cannot be judged"}
	}
	p := &auth.Principal{Subject: token, Method: auth.MethodAPIKey, KeyID: "key-" + token, Roles: []string{token}, Org: "acme", Team: "growth"}
	if token == "ops" {
		p.Org, p.Team = "", ""
	}
	if token == "token" {
		p.Method = auth.MethodOAuth
	}
	return p, nil
}

func (tokens) InsufficientScope(*auth.Principal, []string) *auth.Challenge {
	return &auth.Challenge{Status: http.StatusForbidden, Header: `Bearer realm="test", error="insufficient_scope", scope="mail.send"`}
}

func (tokens) Source(*http.Request) string { return "192.0.2.1" }

// mayRead lets ops read everything, lead its team, and nobody else.
func mayRead(p *auth.Principal) rest.Reads {
	switch {
	case slices.Contains(p.Roles, "ops"):
		return rest.Reads{All: true}
	case slices.Contains(p.Roles, "lead"):
		return rest.Reads{Teams: []string{p.Team}}
	}
	return rest.Reads{}
}

// decider hides what has "secret" in its name from everybody but ops and admin, refuses arguments with "forbidden", and
// wants a scope for mail.
type decider struct{ aggregator.Unconditional }

func (decider) Class(p *policy.Principal) string { return strings.Join(p.Roles, ",") }
func (decider) Revision() string                 { return "test" }
func (decider) Dynamic() bool                    { return true }

func (decider) Access(_ context.Context, p *policy.Principal, objects []policy.Object) ([]bool, error) {
	out := make([]bool, len(objects))
	for i, o := range objects {
		out[i] = slices.Contains(p.Roles, "ops") || slices.Contains(p.Roles, "admin") || !strings.Contains(o.OriginalName, "secret")
	}
	return out, nil
}

func (decider) Decide(_ context.Context, in *policy.Input) policy.Decision {
	if strings.Contains(string(in.Arguments), "forbidden") {
		return policy.Decision{Code: policy.CodeDenied, Reasons: []string{"that is forbidden on weekends"}}
	}
	return policy.Decision{Allow: true}
}

func (decider) Conditional(o *policy.Object) bool { return o.OriginalName == "mail" }

func (decider) Conditions(_ context.Context, _ *policy.Principal, objects []policy.Object) ([]policy.Conditions, error) {
	out := make([]policy.Conditions, len(objects))
	for i := range out {
		out[i].Scopes = []string{"mail.send"}
	}
	return out, nil
}

// seam is the gate's ledger: it admits what admit lets through and remembers what was noted.
type seam struct {
	aggregator.Unmetered
	admit func(in *aggregator.Intent) error

	mu    sync.Mutex // guards notes
	notes []*aggregator.Note
}

func (s *seam) Reserve(ctx context.Context, in *aggregator.Intent) (aggregator.Reservation, error) {
	if s.admit != nil {
		if err := s.admit(in); err != nil {
			return nil, err
		}
	}
	return s.Unmetered.Reserve(ctx, in)
}

func (s *seam) Note(_ context.Context, n *aggregator.Note) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, n)
	return nil
}

// setup is what a test may want otherwise.
type setup struct {
	rest    rest.Options
	gate    aggregator.Options
	rules   aggregator.Rules
	seam    seam
	servers map[string]*upstreamtest.Server // instead of the usual one, "up"
	bare    []string                        // upstreams whose names have no prefix
}

// stack is everything between a client and scripted upstreams.
type stack struct {
	set  *upstream.Set
	gate *aggregator.Gate
	url  string
	up   *upstreamtest.Server
}

// start runs the API in front of scripted upstreams and stops it with the test.
func start(t testing.TB, o *setup) *stack {
	t.Helper()
	if o == nil {
		o = &setup{}
	}
	if o.servers == nil {
		o.servers = map[string]*upstreamtest.Server{"up": usual()}
	}
	s := &stack{up: o.servers["up"]}
	s.set = upstream.NewSet(&upstream.Options{})
	o.gate.Upstreams = s.set
	if o.gate.Ledger == nil {
		o.gate.Ledger = &o.seam
	}
	var err error
	if s.gate, err = aggregator.New(&o.gate); err != nil {
		t.Fatal(err)
	}
	if o.rules.Decider == nil {
		o.rules.Decider = decider{}
	}
	if o.rules.Delegations == nil {
		o.rules.Delegations = map[string]auth.Delegation{"agent": {Subjects: []string{"alice", "bob"}, Roles: []string{"reader", "admin"}}}
	}
	if err := s.gate.Publish(o.rules); err != nil {
		t.Fatal(err)
	}
	var cfgs []upstream.Config
	for name, server := range o.servers {
		cfgs = append(cfgs, upstream.Config{Name: name, InProcess: server.InProcess})
	}
	s.set.Apply(cfgs)
	if err := s.set.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.gate.Start(t.Context(), func() {
		var sources []catalog.Source
		for _, snap := range s.set.Snapshots() {
			sources = append(sources, catalog.Source{Upstream: snap.Upstream, PrefixSet: slices.Contains(o.bare, snap.Upstream), Snapshot: snap})
		}
		s.gate.Refresh(sources)
	})
	o.rest.Gate, o.rest.Auth, o.rest.MayRead = s.gate, tokens{}, mayRead
	api, err := rest.New(&o.rest)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api)
	s.url = server.URL
	t.Cleanup(func() {
		server.Close()
		s.gate.Close()
		if err := s.set.Close(context.Background()); err != nil {
			t.Errorf("Set.Close: %v", err)
		}
	})
	return s
}

// usual is a server with tools that answer with their arguments.
func usual() *upstreamtest.Server {
	return &upstreamtest.Server{
		Results: map[string]string{"tools/list": listOf("echo", "secret", "mail", "größe")},
		Handle: func(r *upstreamtest.Request) bool {
			if r.Method != "tools/call" {
				return false
			}
			arguments, _ := wire.Lookup(r.Params, "arguments")
			r.Result(`{"content":[{"type":"text","text":"ok"}],"structuredContent":` + string(arguments) + `,"resultType":"complete"}`)
			return true
		},
	}
}

// answering is a server whose only tool gives one result.
func answering(result string) *upstreamtest.Server {
	return &upstreamtest.Server{Results: map[string]string{"tools/list": listOf("echo"), "tools/call": result}}
}

func listOf(names ...string) string {
	var tools []string
	for _, name := range names {
		tools = append(tools, `{"name":"`+name+`","description":"Does `+name+`.","inputSchema":{"type":"object"}}`)
	}
	return `{"tools":[` + strings.Join(tools, ",") + `],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
}

// member is a part of the body as text, "" when it is not there.
func (a *answer) member(path ...string) string {
	raw, ok := wire.Lookup([]byte(a.body), path...)
	if !ok {
		return ""
	}
	if s, ok := wire.String(raw); ok {
		return s
	}
	return string(raw)
}

const execute = "/v1/mcp/tool/execute"

// ask sends a request as who ("" = nobody) and holds the answer against the OpenAPI document. change may alter the headers.
func (s *stack) ask(t testing.TB, who, method, path, body string, change func(h http.Header)) *answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	if who != "" {
		req.Header.Set("Authorization", "Bearer "+who)
	}
	if change != nil {
		change(req.Header)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := &answer{resp.StatusCode, resp.Header, string(b)}
	keepsContract(t, method, req.URL.Path, body, a)
	return a
}

// call executes a body as who.
func (s *stack) call(t testing.TB, who, body string) *answer {
	t.Helper()
	return s.ask(t, who, http.MethodPost, execute, body, nil)
}

// get reads a path as who.
func (s *stack) get(t testing.TB, who, path string) *answer {
	t.Helper()
	return s.ask(t, who, http.MethodGet, path, "", nil)
}

// says fails the test unless the answer has this status, error and part of its message.
func (a *answer) says(t testing.TB, status int, name, message string) {
	t.Helper()
	if a.status != status || a.member("error") != name || !strings.Contains(a.member("message"), message) {
		t.Errorf("got %d %s, want %d %q with %q in its message", a.status, a.body, status, name, message)
	}
}

// arguments are those of the last call that the upstream saw.
func (s *stack) arguments(t testing.TB) string {
	t.Helper()
	seen := s.up.Seen("tools/call")
	if len(seen) == 0 {
		t.Fatal("the upstream saw no call")
	}
	raw, _ := wire.Lookup(seen[len(seen)-1].Params, "arguments")
	return string(raw)
}
