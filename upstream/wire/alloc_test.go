// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"testing"

	"tollgate/upstream/wire"
)

// The budget of a call: what is listed here happens for every message that passes the gateway.
func TestAllocations(t *testing.T) {
	body := callBody(300)
	e := parse(t, string(body))
	reply := wire.AppendResult(nil, []byte("1"), []byte(`{"content":[{"type":"text","text":"hello"}],"resultType":"complete"}`))
	escaped := []byte(`{"n\u0061me":"x","argum\u0065nts":{}}`)
	for _, tt := range []struct {
		name string
		most float64
		do   func()
	}{
		{"Parse", 2, func() { _, _ = wire.Parse(body) }},
		{"ParseReply", 1, func() { _, _ = wire.ParseReply(reply) }},
		{"Check", 0, func() { _ = wire.Check(body) }},
		{"CheckReply", 0, func() { _ = wire.CheckReply(body) }},
		{"Lookup", 0, func() { _, _ = wire.Lookup(body, "params", "_meta", wire.MetaProtocolVersion) }},
		{"Lookup of a missing member", 0, func() { _, _ = wire.Lookup(body, "params", "_meta", "x") }},
		{"Lookup of an escaped member", 0, func() { _, _ = wire.Lookup(escaped, "arguments") }},
		{"MirrorName", 1, func() { _, _ = wire.MirrorName(e.Method, e.Params) }},
		{"Set", 1, func() { _ = wire.Set(e.Params, "name", []byte(`"x"`)) }},
		{"Delete of nothing", 0, func() { _ = wire.Delete(e.Params, "x", "y") }},
		{"OneLine of one line", 0, func() { _ = wire.OneLine(body) }},
	} {
		if got := testing.AllocsPerRun(100, tt.do); got > tt.most {
			t.Errorf("%s allocates %v times, want at most %v", tt.name, got, tt.most)
		}
	}
}
