// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/upstream/wire"
)

// The examples of 2026-07-28 §Value Encoding and the values of the conformance scenarios.
func TestEncodeHeaderValue(t *testing.T) {
	for value, want := range map[string]string{
		"":                   "",
		"us-west1":           "us-west1",
		"us west 1":          "us west 1",
		"Hello, 世界":          "=?base64?SGVsbG8sIOS4lueVjA==?=",
		" padded ":           "=?base64?IHBhZGRlZCA=?=",
		" a":                 "=?base64?IGE=?=",
		"a ":                 "=?base64?YSA=?=",
		" ":                  "=?base64?IA==?=",
		"line1\nline2":       "=?base64?bGluZTEKbGluZTI=?=",
		"a\r\nX-Evil: 1":     "=?base64?YQ0KWC1FdmlsOiAx?=",
		"a\tb":               "=?base64?YQli?=",
		"a\x7f":              "=?base64?YX8=?=",
		"=?base64?literal?=": "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=",
		"=?base64??=":        "=?base64?PT9iYXNlNjQ/Pz0=?=",
		"=?base64?=":         "=?base64?=",
		"=?base64?abc":       "=?base64?abc",
		"=?BASE64?YQ==?=":    "=?BASE64?YQ==?=",
		"file:///a%20b":      "file:///a%20b",
	} {
		got := wire.EncodeHeaderValue(value)
		if got != want {
			t.Errorf("EncodeHeaderValue(%q) = %q, want %q", value, got, want)
		}
		if back, err := wire.DecodeHeaderValue(got); back != value || err != nil {
			t.Errorf("DecodeHeaderValue(%q) = %q, %v, want %q", got, back, err, value)
		}
	}
}

func TestDecodeHeaderValue(t *testing.T) {
	for value, want := range map[string]string{
		"SGVsbG8=":            "SGVsbG8=",
		"=?base64?SGVsbG8=":   "=?base64?SGVsbG8=",
		"=?base64?SGVsbG8=?=": "Hello",
		"=?base64??=":         "",
		"=?BASE64?YQ==?=":     "=?BASE64?YQ==?=",
		"a\tb":                "a\tb",
	} {
		if got, err := wire.DecodeHeaderValue(value); got != want || err != nil {
			t.Errorf("DecodeHeaderValue(%q) = %q, %v, want %q", value, got, err, want)
		}
	}
	for _, value := range []string{
		"=?base64?!!?=", "=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?=", "=?base64?SGVsbG9=?=", "=?base64?_w==?=", "=?base64?/w==?=",
		"=?base64?SGVs\nbG8=?=", "ä", "a\rb", "a\nb", "a\x00", "\x7f",
	} {
		if got, err := wire.DecodeHeaderValue(value); err == nil {
			t.Errorf("DecodeHeaderValue(%q) = %q, want an error", value, got)
		}
	}
}

func TestMirrorName(t *testing.T) {
	const params = `{"name":"n","uri":"u","taskId":"t"}`
	for method, want := range map[string]string{
		"tools/call": "n", "prompts/get": "n", "resources/read": "u", "tasks/get": "t", "tasks/update": "t", "tasks/cancel": "t",
		"tools/list": "", "resources/subscribe": "", "tasks/list": "", "": "",
	} {
		if got, ok := wire.MirrorName(method, []byte(params)); got != want || ok != (want != "") {
			t.Errorf("MirrorName(%q) = %q, %t, want %q", method, got, ok, want)
		}
	}
	for _, params := range []string{``, `{}`, `{"name":1}`, `{"name":null}`, `{"Name":"x"}`} {
		if got, ok := wire.MirrorName("tools/call", []byte(params)); ok {
			t.Errorf("MirrorName of %s = %q, want none", params, got)
		}
	}
}

var annotated = []wire.ParamHeader{
	{Header: "Region", Path: []string{"region"}, Type: "string"},
	{Header: "Limit", Path: []string{"options", "limit"}, Type: "integer"},
	{Header: "Dry", Path: []string{"dry"}, Type: "boolean"},
}

func TestParamHeaderValue(t *testing.T) {
	p := wire.ParamHeader{Header: "X", Path: []string{"a", "b"}, Type: "integer"}
	for arg, want := range map[string]string{
		`42`: "42", `-7`: "-7", `42.0`: "42", `4.2e1`: "42", `4200e-2`: "42", `0.42E+2`: "42", `-0`: "0", `0.0`: "0", `0e999999999999`: "0",
		`1e3`: "1000", `9007199254740993`: "9007199254740993", `-12345678901234567890`: "-12345678901234567890",
		`1.5`: "-", `1e-1`: "-", `1e400`: "-", `1e99999999999999999999`: "-", `10e9223372036854775807`: "-", `0.1e-9223372036854775808`: "-",
		`true`: "true", `false`: "false", `"x\u0041"`: "xA", `""`: "", `"null"`: "null", `null`: "-", `{}`: "-", `[1]`: "-",
	} {
		got, ok := p.Value([]byte(`{"a":{"b":` + arg + `}}`))
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("value for %s = %q, want %q", arg, got, want)
		}
	}
	for _, arguments := range []string{``, `{}`, `{"a":1}`, `{"a":{}}`, `{"b":1}`, `[]`} {
		if got, ok := p.Value([]byte(arguments)); ok {
			t.Errorf("value for arguments %s = %q, want none", arguments, got)
		}
	}
}

func TestSetHeaders(t *testing.T) {
	const params = `{"name":"größe","arguments":{"region":" eu ","options":{"limit":4.2e1},"dry":null,"name":"x"}}`
	stale := func() http.Header {
		return http.Header{
			"Mcp-Method": {"x"}, "Mcp-Name": {"x"}, "Mcp-Param-Region": {"x"}, "Mcp-Param-Other": {"x"}, "mcp-param-lower": {"x"},
			"Mcp-Protocol-Version": {"x"}, "Authorization": {"Bearer t"},
		}
	}
	for _, tt := range []struct {
		name   string
		rev    wire.Revision
		method string
		want   http.Header
	}{
		{"modern call", wire.R20260728, "tools/call", http.Header{
			"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {"=?base64?Z3LDtsOfZQ==?="},
			"Mcp-Param-Region": {"=?base64?IGV1IA==?="}, "Mcp-Param-Limit": {"42"}, "Authorization": {"Bearer t"},
		}},
		{"modern prompt", wire.R20260728, "prompts/get", http.Header{
			"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"prompts/get"}, "Mcp-Name": {"=?base64?Z3LDtsOfZQ==?="}, "Authorization": {"Bearer t"},
		}},
		{"modern list", wire.R20260728, "tools/list", http.Header{
			"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/list"}, "Authorization": {"Bearer t"},
		}},
		{"legacy call", wire.R20251125, "tools/call", http.Header{"Mcp-Protocol-Version": {"2025-11-25"}, "Authorization": {"Bearer t"}}},
		{"before initialize", "", "initialize", http.Header{"Authorization": {"Bearer t"}}},
	} {
		h := stale()
		wire.SetHeaders(h, tt.rev, tt.method, []byte(params), annotated)
		if diff := cmp.Diff(tt.want, h); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// What SetHeaders writes, CheckHeaders accepts.
func TestHeadersAgree(t *testing.T) {
	for _, params := range []string{
		`{"name":"a b","arguments":{"region":"","options":{"limit":9007199254740993},"dry":false}}`,
		`{"name":"日本","arguments":{"region":"=?base64?x?=","options":{"limit":1e2}}}`,
		`{"name":"","arguments":{"options":{"limit":1.5}}}`,
		`{"name":"x"}`,
	} {
		h := http.Header{}
		wire.SetHeaders(h, wire.R20260728, "tools/call", []byte(params), annotated)
		e := parse(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":`+params+`}`)
		if err := wire.CheckHeaders(h, e, annotated); err != nil {
			t.Errorf("CheckHeaders after SetHeaders for %s = %v", params, err)
		}
	}
}

func parse(t *testing.T, text string) *wire.Envelope {
	t.Helper()
	e, err := wire.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%s) = %v", text, err)
	}
	return e
}

// The parts of the requests that the tests of CheckHeaders send.
const (
	version = "MCP-Protocol-Version: 2026-07-28"
	call    = `"method":"tools/call","params":{"name":"danger","arguments":%,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}`
	region  = `{"region":"eu"}`
	limit   = `{"options":{"limit":42}}`
	named   = version + "\nMcp-Method: tools/call\nMcp-Name: danger"
)

// exchange is a request as CheckHeaders sees it; want is a part of the error, or nothing.
type exchange struct{ name, headers, body, arguments, want string }

func TestCheckHeaders(t *testing.T) {
	testHeaders(t, []exchange{
		{"agrees", named, call, `{}`, ""},
		{"lower case names", strings.ToLower(version) + "\nmcp-method: tools/call\nMCP-NAME: danger", call, `{}`, ""},
		{"white space around values", version + "\nMcp-Method:  tools/call \nMcp-Name: \tdanger ", call, `{}`, ""},
		{"encoded name", version + "\nMcp-Method: tools/call\nMcp-Name: =?base64?ZGFuZ2Vy?=", call, `{}`, ""},
		{"foreign parameter header", named + "\nMcp-Param-Foreign: x", call, `{}`, ""},
		{"17 other name", version + "\nMcp-Method: tools/call\nMcp-Name: safe", call, `{}`, `Mcp-Name is "safe", but the body says "danger"`},
		{"18 broken base64", version + "\nMcp-Method: tools/call\nMcp-Name: =?base64?!!?=", call, `{}`, "Mcp-Name: not valid base64"},
		{"name in other case", version + "\nMcp-Method: tools/call\nMcp-Name: Danger", call, `{}`, `Mcp-Name is "Danger"`},
		{"name with raw UTF-8", version + "\nMcp-Method: tools/call\nMcp-Name: dängér", call, `{}`, "only printable ASCII"},
		{"no name", version + "\nMcp-Method: tools/call", call, `{}`, "Mcp-Name is missing"},
		{"empty name", version + "\nMcp-Method: tools/call\nMcp-Name:", call, `{}`, `Mcp-Name is ""`},
		{"name twice", named + "\nMcp-Name: danger", call, `{}`, "Mcp-Name is sent 2 times"},
		{"no method", version + "\nMcp-Name: danger", call, `{}`, "Mcp-Method is missing"},
		{"other method", version + "\nMcp-Method: tools/list\nMcp-Name: danger", call, `{}`, `Mcp-Method is "tools/list"`},
		{"method in other case", version + "\nMcp-Method: TOOLS/CALL\nMcp-Name: danger", call, `{}`, `Mcp-Method is "TOOLS/CALL"`},
		{"no version", "Mcp-Method: tools/call\nMcp-Name: danger", call, `{}`, "MCP-Protocol-Version is missing"},
		{"other version", "MCP-Protocol-Version: 2025-11-25\nMcp-Method: tools/call\nMcp-Name: danger", call, `{}`, `MCP-Protocol-Version is "2025-11-25"`},
		{"version twice", version + "\n" + named, call, `{}`, "MCP-Protocol-Version is sent 2 times"},
		{"no version in the body", version + "\nMcp-Method: ping", `"method":"ping"`, ``, ""},
		{"name without one in the body", version + "\nMcp-Method: tools/call\nMcp-Name: x", `"method":"tools/call","params":{}`, ``, "Mcp-Name is sent, but the body has no params.name"},
		{"list with a name", version + "\nMcp-Method: tools/list\nMcp-Name: x", `"method":"tools/list"`, ``, ""},
		{"task without a name", version + "\nMcp-Method: tasks/get", `"method":"tasks/get","params":{"taskId":"t"}`, ``, ""},
		{"task with other name", version + "\nMcp-Method: tasks/get\nMcp-Name: u", `"method":"tasks/get","params":{"taskId":"t"}`, ``, `Mcp-Name is "u"`},
	})
}

func TestCheckParamHeaders(t *testing.T) {
	testHeaders(t, []exchange{
		{"parameter agrees", named + "\nMcp-Param-Region: eu", call, region, ""},
		{"parameter encoded", named + "\nMcp-Param-Region: =?base64?ZXU=?=", call, region, ""},
		{"parameter differs", named + "\nMcp-Param-Region: us", call, region, `Mcp-Param-Region is "us", but the body says "eu"`},
		{"parameter missing", named, call, region, "Mcp-Param-Region is missing"},
		{"parameter twice", named + "\nMcp-Param-Region: eu\nMcp-Param-Region: eu", call, region, "Mcp-Param-Region is sent 2 times"},
		{"parameter with bad padding", named + "\nMcp-Param-Region: =?base64?ZXU?=", call, region, "Mcp-Param-Region: not valid base64"},
		{"parameter only in the header", named + "\nMcp-Param-Region: eu", call, `{}`, "the body has no arguments.region"},
		{"parameter null", named, call, `{"region":null}`, ""},
		{"parameter null but in the header", named + "\nMcp-Param-Region: null", call, `{"region":null}`, "the body has no arguments.region"},
		{"parameter empty", named + "\nMcp-Param-Region:", call, `{"region":""}`, ""},
		{"parameter empty in the header only", named + "\nMcp-Param-Region:", call, `{}`, "the body has no arguments.region"},
		{"parameter is an object", named, call, `{"region":{}}`, ""},
		{"integer", named + "\nMcp-Param-Limit: 42", call, limit, ""},
		{"integer written differently", named + "\nMcp-Param-Limit: 42.0", call, limit, ""},
		{"integer written differently in the body", named + "\nMcp-Param-Limit: 42", call, `{"options":{"limit":4.2e1}}`, ""},
		{"other integer", named + "\nMcp-Param-Limit: 43", call, limit, `Mcp-Param-Limit is "43"`},
		{"integer beyond 2^53", named + "\nMcp-Param-Limit: 9007199254740992", call, `{"options":{"limit":9007199254740993}}`, `Mcp-Param-Limit is "9007199254740992"`},
		{"no integer", named + "\nMcp-Param-Limit: 0x2a", call, limit, `Mcp-Param-Limit is "0x2a"`},
		{"integer as a string", named + "\nMcp-Param-Limit: 42.0", call, `{"options":{"limit":"42"}}`, `Mcp-Param-Limit is "42.0"`},
		{"integer missing", named, call, limit, "Mcp-Param-Limit is missing"},
		{"boolean", named + "\nMcp-Param-Dry: true", call, `{"dry":true}`, ""},
		{"boolean in other case", named + "\nMcp-Param-Dry: True", call, `{"dry":true}`, `Mcp-Param-Dry is "True"`},
	})
}

func testHeaders(t *testing.T, tests []exchange) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			for line := range strings.Lines(tt.headers) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
				h.Add(name, value)
			}
			body := strings.Replace(tt.body, "%", tt.arguments, 1)
			err := wire.CheckHeaders(h, parse(t, `{"jsonrpc":"2.0","id":1,`+body+`}`), annotated)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("CheckHeaders = %v, want nil", err)
			case tt.want != "" && (err == nil || err.Code != wire.CodeHeaderMismatch || !strings.Contains(err.Message, tt.want)):
				t.Errorf("CheckHeaders = %v, want code -32020 and %q", err, tt.want)
			}
		})
	}
}

// Header rules for notifications are not defined, so only a contradiction is refused.
func TestCheckHeadersOfNotification(t *testing.T) {
	e := parse(t, `{"jsonrpc":"2.0","method":"notifications/x"}`)
	h := http.Header{"Mcp-Protocol-Version": {"2026-07-28"}}
	if err := wire.CheckHeaders(h, e, nil); err != nil {
		t.Errorf("CheckHeaders without Mcp-Method = %v, want nil", err)
	}
	h.Set("Mcp-Method", "tools/call")
	if err := wire.CheckHeaders(h, e, nil); err == nil {
		t.Error("CheckHeaders with another Mcp-Method = nil, want an error")
	}
}
