// SPDX-License-Identifier: Apache-2.0

//lint:file-ignore SA1019 logging is deprecated since 2026-07-28, and has to work for those who still use it

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// goSession is a client session of go-sdk that remembers its notifications.
type goSession struct {
	t   *testing.T
	ctx context.Context
	*mcp.ClientSession

	mu       sync.Mutex    // guards the rest
	arrived  chan struct{} // capacity 1
	progress []string
	logs     []string
}

func newGoSession(t *testing.T, transport mcp.Transport, revision string) *goSession {
	t.Helper()
	return newGoSessionWith(t, transport, revision, &mcp.ClientCapabilities{})
}

// everythingAsked are the capabilities under which servers list all their tools, as they do to the gateway.
func everythingAsked() *mcp.ClientCapabilities {
	return &mcp.ClientCapabilities{
		//lint:ignore SA1019 deprecated capabilities are still declared by clients and looked at by servers
		RootsV2: &mcp.RootCapabilities{}, Sampling: &mcp.SamplingCapabilities{},
		Elicitation: &mcp.ElicitationCapabilities{Form: &mcp.FormElicitationCapabilities{}, URL: &mcp.URLElicitationCapabilities{}},
	}
}

func newGoSessionWith(t *testing.T, transport mcp.Transport, revision string, capabilities *mcp.ClientCapabilities) *goSession {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	s := &goSession{t: t, ctx: ctx, arrived: make(chan struct{}, 1)}
	c := mcp.NewClient(&mcp.Implementation{Name: "interop", Version: "1"}, &mcp.ClientOptions{
		Capabilities: capabilities,
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			s.note(&s.progress, r.Params.Progress)
		},
		LoggingMessageHandler: func(_ context.Context, r *mcp.LoggingMessageRequest) { s.note(&s.logs, r.Params.Data) },
	})
	var err error
	if s.ClientSession, err = c.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: revision}); err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(cancel)
	return s
}

func (s *goSession) close() {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Errorf("close: %v", err)
	}
}

func (s *goSession) note(list *[]string, v any) {
	s.mu.Lock()
	*list = append(*list, fmt.Sprint(v))
	s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

func (s *goSession) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress, s.logs = nil, nil
}

// joined waits until the list is what is wanted and returns it, or what there is after some seconds: the client handles
// its notifications on its own time, even after the answer.
func (s *goSession) joined(list *[]string, sep string, want []string) string {
	for limit := time.After(5 * time.Second); ; {
		s.mu.Lock()
		got := strings.Join(*list, sep)
		s.mu.Unlock()
		for _, w := range want {
			if strings.HasSuffix(w, ": "+got) {
				return got
			}
		}
		select {
		case <-s.arrived:
		case <-limit:
			return got
		}
	}
}

func namesOf[T any](s *goSession, all iter.Seq2[T, error], name func(T) string) []string {
	s.t.Helper()
	var names []string
	for e, err := range all {
		var wire *jsonrpc.Error
		if errors.As(err, &wire) && wire.Code == jsonrpc.CodeMethodNotFound {
			return names // the server has none of the kind
		}
		if err != nil {
			s.t.Fatal(err)
		}
		names = append(names, name(e))
	}
	return names
}

// lists reads all pages of all lists.
func (s *goSession) lists() *report {
	s.t.Helper()
	return &report{
		Revision:  s.InitializeResult().ProtocolVersion,
		Tools:     namesOf(s, s.Tools(s.ctx, nil), func(e *mcp.Tool) string { return e.Name }),
		Prompts:   namesOf(s, s.ClientSession.Prompts(s.ctx, nil), func(e *mcp.Prompt) string { return e.Name }),
		Resources: namesOf(s, s.ClientSession.Resources(s.ctx, nil), func(e *mcp.Resource) string { return e.URI }),
		Templates: namesOf(s, s.ResourceTemplates(s.ctx, nil), func(e *mcp.ResourceTemplate) string { return e.URITemplate }),
	}
}

func goSDK(revision string) func(*testing.T, way, []step) *report {
	return func(t *testing.T, w way, steps []step) *report {
		var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: w.url, HTTPClient: &http.Client{Transport: bearer(w.token)}}
		if w.url == "" {
			transport = command(t, w.command, w.env)
		}
		s := newGoSession(t, transport, revision)
		defer s.close()
		r := s.lists()
		if r.Revision < "2026-07-28" {
			if err := s.SetLoggingLevel(s.ctx, &mcp.SetLoggingLevelParams{Level: "info"}); err != nil {
				t.Errorf("logging/setLevel: %v", err)
			}
		}
		for _, st := range steps {
			r.Results = append(r.Results, s.step(st))
		}
		return r
	}
}

func (s *goSession) step(st step) looseJSON {
	s.t.Helper()
	v, err := s.do(st)
	var wire *jsonrpc.Error
	switch {
	case errors.As(err, &wire):
		v = map[string]any{"error": wire}
	case err != nil:
		v = map[string]string{"failed": err.Error()}
	}
	b, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *goSession) do(st step) (any, error) {
	switch st.Op {
	case "call":
		return s.CallTool(s.ctx, &mcp.CallToolParams{Name: st.Name, Arguments: st.Args})
	case "progress":
		s.forget()
		p := &mcp.CallToolParams{Name: st.Name, Arguments: st.Args}
		p.SetProgressToken("token of " + st.Name)
		r, err := s.CallTool(s.ctx, p)
		return map[string]any{"result": r, "progress": s.joined(&s.progress, " ", st.want)}, err
	case "log":
		s.forget()
		r, err := s.CallTool(s.ctx, &mcp.CallToolParams{Name: st.Name, Arguments: st.Args, Meta: mcp.Meta{mcp.MetaKeyLogLevel: "info"}})
		return map[string]any{"result": r, "log": s.joined(&s.logs, ", ", st.want)}, err
	case "prompt":
		p := &mcp.GetPromptParams{Name: st.Name}
		if err := json.Unmarshal(st.Args, &p.Arguments); err != nil {
			return nil, err
		}
		return s.GetPrompt(s.ctx, p)
	case "read":
		return s.ReadResource(s.ctx, &mcp.ReadResourceParams{URI: st.Name})
	case "complete":
		p := &mcp.CompleteParams{Ref: &mcp.CompleteReference{Type: "ref/prompt", Name: st.Name}}
		if strings.Contains(st.Name, "://") {
			p.Ref = &mcp.CompleteReference{Type: "ref/resource", URI: st.Name}
		}
		if err := json.Unmarshal(st.Args, p); err != nil {
			return nil, err
		}
		return s.Complete(s.ctx, p)
	}
	return nil, fmt.Errorf("unknown operation %q", st.Op)
}

// bearer sends its value as the API key.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

func command(t *testing.T, argv []string, env map[string]string) *mcp.CommandTransport {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = complaints(t)
	cmd.Env = append(os.Environ(), pairs(env)...)
	return &mcp.CommandTransport{Command: cmd}
}
