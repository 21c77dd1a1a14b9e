// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"testing"

	"tollgate/upstream/wire"
)

// FuzzParse: whatever a body is, it is refused with a sentence or becomes one call that MCP would take, whose tool and
// arguments are in the body.
func FuzzParse(f *testing.F) {
	for _, body := range []string{
		`{"tool_call":{"tool_name":"a__b","params":{"x":1}},"user_id":"u","user_role":"r","team_id":"t"}`, `{"server":"a","tool":"b","arguments":"{}"}`,
		`{"id":"c","type":"function","function":{"name":"b","arguments":"{\"x\":[1e400]}"}}`, `{"tool_calls":[{"function":{"name":"b"}}]}`, `{"tool":"\u0000"}`, `{}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if wire.Check(body) != nil {
			return // no handler sees it
		}
		in, p := parse(body)
		if p != nil {
			if in != nil || p.status != 400 || p.message == "" {
				t.Errorf("%s: %+v", body, p)
			}
			return
		}
		params, p := in.params(in.tool)
		if p != nil {
			return
		}
		raw, _ := wire.Lookup(params, "name")
		if name, _ := wire.String(raw); name != in.tool || name == "" {
			t.Errorf("%s: calls %q, want %q", body, name, in.tool)
		}
		if arguments, _ := wire.Lookup(params, "arguments"); wire.Kind(arguments) != '{' || wire.Check(params) != nil {
			t.Errorf("%s: calls with %s", body, params)
		}
		if in.acts != nil && wire.Check(in.acts) != nil {
			t.Errorf("%s: acts for %s", body, in.acts)
		}
	})
}
