// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"testing"

	"tollgate/upstream/wire"
)

func TestResult(t *testing.T) {
	const modern, legacy = wire.R20260728, wire.R20251125
	for _, tt := range []struct {
		name, method, in, want string
		down, up               wire.Revision
		fails                  bool
	}{
		{name: "same era modern", method: "tools/call", down: modern, up: modern, in: `{"resultType":"task","taskId":"x"}`, want: `{"resultType":"task","taskId":"x"}`},
		{name: "same era legacy", method: "tools/call", down: legacy, up: legacy, in: `{"content":[] ,"b":1}`, want: `{"content":[] ,"b":1}`},
		{name: "newer client", method: "tools/call", down: modern, up: legacy, in: `{"z":1.0,"a":9007199254740993}`, want: `{"z":1.0,"a":9007199254740993,"resultType":"complete"}`},
		{name: "newer client reads", method: "resources/read", down: modern, up: legacy, in: `{"contents":[]}`, want: `{"contents":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`},
		{name: "newer client reads what anybody may cache", method: "resources/read", down: modern, up: legacy, in: `{"ttlMs":9,"cacheScope":"public"}`, want: `{"ttlMs":9,"cacheScope":"private","resultType":"complete"}`},
		{name: "modern reads what anybody may cache", method: "resources/read", down: modern, up: modern, in: `{"resultType":"complete","cacheScope":"public","contents":[]}`, want: `{"resultType":"complete","cacheScope":"private","contents":[]}`},
		{name: "modern is asked while it reads", method: "resources/read", down: modern, up: modern, in: `{"resultType":"input_required","requestState":"s"}`, want: `{"resultType":"input_required","requestState":"s"}`},
		{name: "modern upstream forgot", method: "tools/call", down: modern, up: modern, in: `{"content":[]}`, want: `{"content":[],"resultType":"complete"}`},
		{name: "older client", method: "resources/read", down: legacy, up: modern, in: `{"contents":[],"resultType":"complete","ttlMs":5,"cacheScope":"public","x":1}`, want: `{"contents":[],"x":1}`},
		{name: "older client, question", method: "tools/call", down: legacy, up: modern, in: `{"resultType":"input_required","requestState":"s"}`, fails: true},
		{name: "older client, task", method: "tools/call", down: legacy, up: modern, in: `{"resultType":"task"}`, fails: true},
	} {
		got, err := Result(tt.down, tt.up, tt.method, []byte(tt.in))
		if (err != nil) != tt.fails || string(got) != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestErrorCodes(t *testing.T) {
	const modern, legacy = wire.R20260728, wire.R20251125
	for _, tt := range []struct {
		method   string
		down, up wire.Revision
		in, want int64
	}{
		{"resources/read", modern, legacy, -32002, -32602},
		{"resources/read", legacy, modern, -32602, -32002},
		{"resources/read", legacy, legacy, -32602, -32602},
		{"tools/call", legacy, modern, -32602, -32602},
		{"resources/read", modern, legacy, -32050, -32050},
	} {
		e := &wire.Error{Code: tt.in, Message: "m", Data: []byte(`{"uri":"x"}`), Raw: []byte(`{"code":0}`)}
		got := Error(tt.down, tt.up, tt.method, e)
		if got.Code != tt.want || string(got.Data) != `{"uri":"x"}` || got.Message != "m" {
			t.Errorf("%+v: got %+v", tt, got)
		}
		if got.Code == tt.in && got != e {
			t.Errorf("%+v: an error that needs no translation was copied", tt)
		}
	}
}

func TestCapabilities(t *testing.T) {
	caps := []byte(`{"elicitation":{},"sampling":{},"roots":{},"experimental":{"x":{"n":9007199254740993}}}`)
	if got := Capabilities(&Client{Revision: wire.R20260728, Capabilities: caps}); string(got) != string(caps) {
		t.Errorf("modern: %s", got)
	}
	if got := Capabilities(&Client{Revision: wire.R20251125, Capabilities: caps}); string(got) != string(caps) {
		t.Errorf("legacy: %s", got)
	}
}
