// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/upstream/wire"
)

func TestRevisions(t *testing.T) {
	all := wire.Revisions()
	if all[0] != wire.R20260728 || !slices.IsSortedFunc(all, func(a, b wire.Revision) int { return strings.Compare(string(b), string(a)) }) {
		t.Errorf("Revisions() = %v, want the newest first", all)
	}
	all[0] = "x"
	for _, tt := range []struct {
		rev           wire.Revision
		known, modern bool
		negotiated    wire.Revision
	}{
		{"2026-07-28", true, true, "2025-11-25"},
		{"2025-11-25", true, false, "2025-11-25"},
		{"2025-06-18", true, false, "2025-06-18"},
		{"2025-03-26", true, false, "2025-03-26"},
		{"2024-11-05", true, false, "2024-11-05"},
		{"2099-01-01", false, false, "2025-11-25"},
		{"2024-10-07", false, false, "2025-11-25"},
		{"", false, false, "2025-11-25"},
	} {
		if tt.rev.Known() != tt.known || tt.rev.Modern() != tt.modern {
			t.Errorf("%q is known %t, modern %t, want %t, %t", tt.rev, tt.rev.Known(), tt.rev.Modern(), tt.known, tt.modern)
		}
		if got := wire.Negotiate(tt.rev); got != tt.negotiated {
			t.Errorf("Negotiate(%q) = %q, want %q", tt.rev, got, tt.negotiated)
		}
	}
}

func TestParseMeta(t *testing.T) {
	const raw = `{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c"},` +
		`"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"warning","progressToken":9007199254740993,` +
		`"traceparent":"00-1","com.example/x":null}`
	got, err := wire.ParseMeta([]byte(`{"name":"x","_meta":` + raw + `}`))
	if err != nil {
		t.Fatalf("ParseMeta = %v", err)
	}
	want := wire.Meta{
		Raw: []byte(raw), ProtocolVersion: "2026-07-28", ClientInfo: []byte(`{"name":"c"}`), ClientCapabilities: []byte(`{}`),
		ProgressToken: []byte("9007199254740993"), LogLevel: "warning",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseMeta (-want +got):\n%s", diff)
	}
	for _, params := range []string{``, `{}`, `{"a":{"_meta":{}}}`} {
		if got, err := wire.ParseMeta([]byte(params)); err != nil || !cmp.Equal(got, wire.Meta{}) {
			t.Errorf("ParseMeta(%s) = %v, %v, want nothing", params, got, err)
		}
	}
}

func TestParseMetaRefuses(t *testing.T) {
	for meta, want := range map[string]string{
		`null`: "_meta must be an object",
		`[]`:   "_meta must be an object",
		`{"io.modelcontextprotocol/protocolVersion":20260728}`:   "protocolVersion must be a string",
		`{"io.modelcontextprotocol/clientInfo":"c"}`:             "clientInfo must be an object",
		`{"io.modelcontextprotocol/clientCapabilities":[]}`:      "clientCapabilities must be an object",
		`{"io.modelcontextprotocol/clientCapabilities":null}`:    "clientCapabilities must be an object",
		`{"io.modelcontextprotocol/logLevel":"warn"}`:            "logLevel must be one of debug,",
		`{"io.modelcontextprotocol/logLevel":3}`:                 "logLevel must be one of debug,",
		`{"progressToken":1.5}`:                                  "progressToken must be a string or an integer",
		`{"progressToken":null}`:                                 "progressToken must be a string or an integer",
		`{"progressToken":{}}`:                                   "progressToken must be a string or an integer",
		`{"io.modelcontextprotocol\/protocol\u0056ersion":null}`: "protocolVersion must be a string",
	} {
		_, err := wire.ParseMeta([]byte(`{"_meta":` + meta + `}`))
		if err == nil || err.Code != wire.CodeInvalidParams || !strings.Contains(err.Message, want) {
			t.Errorf("ParseMeta of %s = %v, want code -32602 and %q", meta, err, want)
		}
	}
}

func TestStripMeta(t *testing.T) {
	const reserved = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{},` +
		`"io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/logLevel":"debug",` +
		`"io.modelcontextprotocol/subscriptionId":"1","baggage":"tenant=a"`
	for _, tt := range []struct{ params, want string }{
		{``, ``},
		{`{"name":"x"}`, `{"name":"x"}`},
		{`{"_meta":{` + reserved + `},"name":"x","n":1.0}`, `{"name":"x","n":1.0}`},
		{`{"name":"x", "_meta":{` + reserved + `,"progressToken":1,"traceparent":"00-1","a":1e2}}`, `{"name":"x", "_meta":{"progressToken":1,"traceparent":"00-1","a":1e2}}`},
		{`{"_meta":{"b":"\u0041",` + reserved + `},"name":"x"}`, `{"_meta":{"b":"\u0041"},"name":"x"}`},
		{`{"_meta":{}}`, `{"_meta":{}}`},
		{`{"_meta":null}`, `{"_meta":null}`},
		{`{"_meta":{"io.modelcontextprotocol\/logLevel":"debug"}}`, `{}`},
		{`{"arguments":{"_meta":{"baggage":"x"}}}`, `{"arguments":{"_meta":{"baggage":"x"}}}`},
	} {
		if got := string(wire.StripMeta([]byte(tt.params))); got != tt.want {
			t.Errorf("StripMeta(%s) = %s, want %s", tt.params, got, tt.want)
		}
	}
}

func TestLogLevel(t *testing.T) {
	for rank, name := range []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"} {
		if got, ok := wire.LogLevel(name); got != rank || !ok {
			t.Errorf("LogLevel(%q) = %d, %t, want %d", name, got, ok, rank)
		}
	}
	for _, name := range []string{"", "warn", "Debug", "trace"} {
		if got, ok := wire.LogLevel(name); ok {
			t.Errorf("LogLevel(%q) = %d, want none", name, got)
		}
	}
}
