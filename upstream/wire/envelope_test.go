// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/upstream/wire"
)

// fields are the parts of an envelope as text; absent parts are "-".
type fields struct{ ID, Method, Params, Result, Error string }

func show(e *wire.Envelope) fields {
	text := func(b []byte) string {
		if b == nil {
			return "-"
		}
		return string(b)
	}
	return fields{text(e.ID), e.Method, text(e.Params), text(e.Result), text(e.Error)}
}

func TestParse(t *testing.T) {
	const (
		request = iota
		notification
		response
	)
	for _, tt := range []struct {
		text string
		kind int
		want fields
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"ping"}`, request, fields{"1", "ping", "-", "-", "-"}},
		{` {"params":{"a":1e2},"method":"m","id":"x\u0041","jsonrpc":"2.0"} `, request, fields{`"x\u0041"`, "m", `{"a":1e2}`, "-", "-"}},
		{`{"jsonrpc":"2.0","id":9007199254740993,"method":"m"}`, request, fields{"9007199254740993", "m", "-", "-", "-"}},
		{`{"jsonrpc":"2.0","id":-123456789012345678901234567890,"method":"m"}`, request, fields{"-123456789012345678901234567890", "m", "-", "-", "-"}},
		{`{"jsonrpc":"2.0","id":"","method":"m"}`, request, fields{`""`, "m", "-", "-", "-"}},
		{`{"jsonrpc":"2.\u0030","i\u0064":0,"m\u0065thod":"\u006d"}`, request, fields{"0", "m", "-", "-", "-"}},
		{`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}`, notification, fields{"-", "notifications/cancelled", "{}", "-", "-"}},
		{`{"jsonrpc":"2.0","id":1,"method":"m","Method":"x","paramſ":[],"extra":null}`, request, fields{"1", "m", "-", "-", "-"}},
		{`{"jsonrpc":"2.0","id":1,"result":{"a":1}}`, response, fields{"1", "", "-", `{"a":1}`, "-"}},
		{`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}`, response, fields{"1", "", "-", "-", `{"code":1,"message":""}`}},
	} {
		for name, parse := range map[string]func([]byte) (*wire.Envelope, error){"Parse": wire.Parse, "ParseReply": wire.ParseReply} {
			e, err := parse([]byte(tt.text))
			if err != nil {
				t.Errorf("%s(%s) = %v", name, tt.text, err)
				continue
			}
			if diff := cmp.Diff(tt.want, show(e)); diff != "" {
				t.Errorf("%s(%s) (-want +got):\n%s", name, tt.text, diff)
			}
			if e.IsRequest() != (tt.kind == request) || e.IsNotification() != (tt.kind == notification) || e.IsResponse() != (tt.kind == response) {
				t.Errorf("%s(%s) is request %t, notification %t, response %t", name, tt.text, e.IsRequest(), e.IsNotification(), e.IsResponse())
			}
			if got := string(e.Raw); got != strings.TrimSpace(tt.text) {
				t.Errorf("%s(%s).Raw = %s", name, tt.text, got)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		text string
		code int64
		id   string // of the envelope that comes along, "" = no envelope
		want string
	}{
		{`{`, wire.CodeParse, "", "invalid JSON at byte 1"},
		{`{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"safe","name":"danger"}}`, wire.CodeParse, "", `duplicate member "name"`},
		{`{"jsonrpc":"2.0","id":1,"method":"m"}{}`, wire.CodeParse, "", "unexpected text after the value"},
		{`[{"jsonrpc":"2.0","id":1,"method":"m"}]`, wire.CodeInvalidRequest, "", "batches are not supported"},
		{`"x"`, wire.CodeInvalidRequest, "", "a message is a JSON object"},
		{`null`, wire.CodeInvalidRequest, "", "a message is a JSON object"},
		{`{}`, wire.CodeInvalidRequest, "", `jsonrpc must be "2.0"`},
		{`{"id":1,"method":"m"}`, wire.CodeInvalidRequest, "1", `jsonrpc must be "2.0"`},
		{`{"jsonrpc":"1.0","id":1,"method":"m"}`, wire.CodeInvalidRequest, "1", `jsonrpc must be "2.0"`},
		{`{"jsonrpc":2.0,"id":1,"method":"m"}`, wire.CodeInvalidRequest, "1", `jsonrpc must be "2.0"`},
		{`{"jsonrpc":"2.0","id":null,"method":"m"}`, wire.CodeInvalidRequest, "", "id must be a string or an integer"},
		{`{"jsonrpc":"2.0","id":{},"method":"m"}`, wire.CodeInvalidRequest, "", "id must be a string or an integer"},
		{`{"jsonrpc":"2.0","id":[1],"method":"m"}`, wire.CodeInvalidRequest, "", "id must be a string or an integer"},
		{`{"jsonrpc":"2.0","id":true,"method":"m"}`, wire.CodeInvalidRequest, "", "id must be a string or an integer"},
		{`{"jsonrpc":"2.0","id":1.5,"method":"m"}`, wire.CodeInvalidRequest, "", "id must be a string or an integer"},
		{`{"jsonrpc":"2.0","id":1.0,"method":"m"}`, wire.CodeInvalidRequest, "", "id must be a string or an integer"},
		{`{"jsonrpc":"2.0","id":1e400,"method":"m"}`, wire.CodeInvalidRequest, "", "id must be a string or an integer"},
		{`{"jsonrpc":"2.0","id":"` + strings.Repeat("x", 1<<20) + `","method":"m"}`, wire.CodeInvalidRequest, "", "id is longer than 1024 bytes"},
		{`{"jsonrpc":"2.0","id":` + strings.Repeat("1", 1025) + `,"method":"m"}`, wire.CodeInvalidRequest, "", "id is longer than 1024 bytes"},
		{`{"jsonrpc":"2.0","id":1}`, wire.CodeInvalidRequest, "1", "needs a method, a result or an error"},
		{`{"jsonrpc":"2.0","id":1,"Method":"m"}`, wire.CodeInvalidRequest, "1", "needs a method, a result or an error"},
		{`{"jsonrpc":"2.0","id":1,"method":""}`, wire.CodeInvalidRequest, "1", "method must be a non-empty string"},
		{`{"jsonrpc":"2.0","id":1,"method":1}`, wire.CodeInvalidRequest, "1", "method must be a non-empty string"},
		{`{"jsonrpc":"2.0","id":1,"method":null}`, wire.CodeInvalidRequest, "1", "method must be a non-empty string"},
		{`{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}`, wire.CodeInvalidRequest, "1", "params must be an object"},
		{`{"jsonrpc":"2.0","id":1,"method":"m","params":null}`, wire.CodeInvalidRequest, "1", "params must be an object"},
		{`{"jsonrpc":"2.0","id":1,"method":"m","result":{}}`, wire.CodeInvalidRequest, "1", "either a method or a result or error"},
		{`{"jsonrpc":"2.0","id":1,"method":"m","error":{}}`, wire.CodeInvalidRequest, "1", "either a method or a result or error"},
		{`{"jsonrpc":"2.0","id":1,"result":{},"error":{}}`, wire.CodeInvalidRequest, "1", "either a result or an error"},
		{`{"jsonrpc":"2.0","id":1,"result":{},"error":null}`, wire.CodeInvalidRequest, "1", "either a result or an error"},
		{`{"jsonrpc":"2.0","id":1,"error":"boom"}`, wire.CodeInvalidRequest, "1", "error must be an object"},
		{`{"jsonrpc":"2.0","result":{}}`, wire.CodeInvalidRequest, "", "needs the id of its request"},
		{`{"jsonrpc":"2.0","error":{"code":1}}`, wire.CodeInvalidRequest, "", "needs the id of its request"},
		{`{"jsonrpc":"2.0","id":null,"error":{"code":1}}`, wire.CodeInvalidRequest, "", "id must be a string or an integer"},
	} {
		e, err := wire.Parse([]byte(tt.text))
		var rpc *wire.Error
		if !errors.As(err, &rpc) || rpc.Code != tt.code || !strings.Contains(rpc.Message, tt.want) {
			t.Errorf("Parse(%.80s) = %v, want code %d and %q", tt.text, err, tt.code, tt.want)
		}
		if got := e != nil; got != (tt.id != "") || got && string(e.ID) != tt.id {
			t.Errorf("Parse(%.80s) comes with %v, want id %q", tt.text, e, tt.id)
		}
	}
}

func TestParseReply(t *testing.T) {
	for _, tt := range []struct {
		text string
		want fields
	}{
		{`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}`, fields{"-", "", "-", "-", `{"code":-32700,"message":"x"}`}},
		{`{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}`, fields{"-", "", "-", "-", `{"code":-32700,"message":"x"}`}},
		{`{"jsonrpc":"2.0","id":1,"result":{},"error":null}`, fields{"1", "", "-", "{}", "-"}},
		{`{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":1}}`, fields{"1", "", "-", "-", `{"code":1}`}},
		{`{"jsonrpc":"2.0","id":1,"result":null}`, fields{"1", "", "-", "null", "-"}},
		{`{"jsonrpc":"2.0","id":1,"result":null,"error":null}`, fields{"1", "", "-", "null", "-"}},
		{`{"jsonrpc":"2.0","method":"n","params":null}`, fields{"-", "n", "-", "-", "-"}},
		{`{"jsonrpc":"2.0","id":1,"result":{"a":{"b":1,"b":2},"c":"\ud800"}}`, fields{"1", "", "-", `{"a":{"b":1,"b":2},"c":"\ud800"}`, "-"}},
	} {
		e, err := wire.ParseReply([]byte(tt.text))
		if err != nil {
			t.Errorf("ParseReply(%s) = %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, show(e)); diff != "" {
			t.Errorf("ParseReply(%s) (-want +got):\n%s", tt.text, diff)
		}
	}
	for _, text := range []string{
		`{"jsonrpc":"2.0","id":null,"result":{}}`,
		`{"jsonrpc":"2.0","result":{}}`,
		`{"jsonrpc":"2.0","id":null,"method":"m"}`,
		`{"jsonrpc":"2.0","id":1,"result":{},"error":{}}`,
		`{"jsonrpc":"2.0","id":1,"id":2,"result":{}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}`,
		`[{"jsonrpc":"2.0","id":1,"result":{}}]`,
		`{"jsonrpc":"2.0","id":1,"result":{}}x`,
		``,
	} {
		if e, err := wire.ParseReply([]byte(text)); err == nil {
			t.Errorf("ParseReply(%s) = %v, want an error", text, show(e))
		}
	}
}

func TestAppendMessages(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{string(wire.AppendRequest(nil, []byte("1"), "tools/call", []byte(`{"a":1e2}`))), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"a":1e2}}`},
		{string(wire.AppendRequest([]byte("x"), []byte(`"a"`), "a\"b", nil)), `x{"jsonrpc":"2.0","id":"a","method":"a\"b"}`},
		{string(wire.AppendRequest(nil, nil, "n", []byte(`{}`))), `{"jsonrpc":"2.0","method":"n","params":{}}`},
		{string(wire.AppendResult(nil, []byte("1"), []byte(`{"a":null}`))), `{"jsonrpc":"2.0","id":1,"result":{"a":null}}`},
		{string(wire.AppendResult(nil, []byte("1"), nil)), `{"jsonrpc":"2.0","id":1,"result":{}}`},
		{string(wire.AppendError(nil, nil, &wire.Error{Code: -32700, Message: "a \"b\""})), `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"a \"b\""}}`},
		{string(wire.AppendError(nil, []byte("7"), &wire.Error{Code: 1, Data: []byte(`[1.0]`)})), `{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"","data":[1.0]}}`},
	} {
		if tt.got != tt.want {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
}

// What an upstream says goes on byte for byte: code, message, data and what the protocol does not know.
func TestErrorIsRelayedVerbatim(t *testing.T) {
	const raw = `{ "data":{"n":12345678901234567890,"x":1.0}, "message":"b\u006fom","code":-32050,"hint":null }`
	e := wire.ParseError([]byte(raw))
	want := &wire.Error{Code: -32050, Message: "boom", Data: []byte(`{"n":12345678901234567890,"x":1.0}`), Raw: []byte(raw)}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("ParseError (-want +got):\n%s", diff)
	}
	if got, want := string(wire.AppendError(nil, []byte("1"), e)), `{"jsonrpc":"2.0","id":1,"error":`+raw+`}`; got != want {
		t.Errorf("AppendError = %s, want %s", got, want)
	}
	if got, want := e.Error(), "boom (code -32050)"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestParseErrorOfNonsense(t *testing.T) {
	for _, raw := range []string{`"boom"`, `{}`, `{"message":"x"}`, `{"code":"1"}`, `{"code":1.5}`} {
		got := string(wire.AppendError(nil, []byte("1"), wire.ParseError([]byte(raw))))
		want := `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"malformed error object","data":` + raw + `}}`
		if got != want {
			t.Errorf("error %s goes on as %s, want %s", raw, got, want)
		}
	}
}
