// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/upstream"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// lossRows are what typed middle forms lose: each is a tools/call result as the upstream sends it, without resultType.
var lossRows = []struct{ name, result string }{
	{"unknown content type", `{"content":[{"type":"video","data":"AA==","mimeType":"video/mp4"}]}`},
	{"unknown fields", `{"content":[{"type":"text","text":"x","zeta":{"b":1,"a":2},"annotations":{"audience":["user"],"extra":1}}],"vendor":{"k":[]},"_meta":{"x.y/z":1}}`},
	{"embedded resource annotations", `{"content":[{"type":"resource","resource":{"uri":"file:///a","mimeType":"text/plain","text":"","annotations":{"audience":["user"],"priority":0}}}],"isError":false}`},
	{"structuredContent null", `{"content":[],"structuredContent":null}`},
	{"structuredContent scalars", `{"content":[],"structuredContent":false}`},
	{"numbers", `{"content":[],"structuredContent":{"a":9007199254740993,"b":12345678901234567890,"c":0.1234567890123456789,"d":1.0,"e":1e2,"f":-0},"_meta":{"n":9007199254740993}}`},
	{"base64 unpadded", `{"content":[{"type":"image","data":"AQI","mimeType":"image/png"}]}`},
	{"base64 url-safe", `{"content":[{"type":"image","data":"_-8=","mimeType":"image/png"}]}`},
	{"base64 with newline", `{"content":[{"type":"image","data":"AQID\nBAUG","mimeType":"image/png"}]}`},
	{"key order", `{"structuredContent":{"z":1,"a":{"y":1,"b":2}},"content":[],"_meta":{"q":1,"b":2}}`},
	{"content missing", `{"structuredContent":{}}`},
	{"content null", `{"content":null}`},
	{"escapes and spaces", `{ "content" : [ {"type":"text","text":"\u00e9\/\ud83d\ude00 é"} ] }`},
	{"lone surrogate from a real server", `{"content":[{"type":"text","text":"\ud800"}]}`},
}

// modernRows exist between modern peers only; they carry their own resultType.
var modernRows = []struct{ name, result string }{
	{"task", `{"resultType":"task","taskId":"t1","status":"working","createdAt":"2026-01-01T00:00:00Z","lastUpdatedAt":"2026-01-01T00:00:00Z","ttlMs":null,"pollIntervalMs":5}`},
	{"unknown resultType", `{"resultType":"hologram","x":1}`},
	{"requestState only", `{"resultType":"input_required","requestState":"c3RhdGU="}`},
	{"roots/list without params", `{"resultType":"input_required","inputRequests":{"r":{"method":"roots/list"}},"requestState":"s"}`},
	{"unknown fields of a question", `{"resultType":"input_required","inputRequests":{"r":{"method":"sampling/createMessage","zz":1,"params":{"b":1,"a":9007199254740993}}},"requestState":"s"}`},
}

const lossTools = `{"tools":[{"execution":{"taskSupport":"optional"},"name":"odd","title":"Odd","icons":[{"src":"data:,","theme":"dark","zz":1}],"inputSchema":{"type":"object","properties":{"z":{"type":"integer","maximum":9007199254740993},"a":{"$ref":"#/$defs/x"}},"additionalProperties":false,"$defs":{"x":{"const":1.0}}},"outputSchema":{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object"},"annotations":{"destructiveHint":false,"vendorHint":[1.0]},"_meta":{"n":12345678901234567890}}]}`

// TestLossTable sends every row through the gateway for each pair of eras: the bytes arrive as they left, except for the
// members that era translation adds or removes.
func TestLossTable(t *testing.T) {
	for _, legacyUp := range []bool{false, true} {
		up := &upstreamtest.Server{Legacy: legacyUp, Results: map[string]string{"tools/list": era(lossTools, !legacyUp, true)}}
		results := make(chan string, 1)
		up.Handle = func(r *upstreamtest.Request) bool {
			if r.Method != "tools/call" {
				return false
			}
			if answer := <-results; strings.HasPrefix(answer, "error") {
				r.Error(strings.TrimPrefix(answer, "error"))
			} else {
				r.Result(answer)
			}
			return true
		}
		s := newStack(t, upstream.Config{Name: "up", InProcess: up.InProcess})
		for _, rev := range []wire.Revision{wire.R20260728, wire.R20251125} {
			c := s.client(t, rev)
			pair := fmt.Sprintf("client %s, legacy upstream %v", rev, legacyUp)
			check := func(name, sent, want string) {
				t.Helper()
				results <- sent
				if got := c.request(`"id-1"`, "tools/call", `"name":"odd"`, ""); got != want {
					t.Errorf("%s: %s\ngot  %s\nwant %s", pair, name, got, want)
				}
			}
			for _, row := range lossRows {
				check(row.name, era(row.result, !legacyUp, false), `{"jsonrpc":"2.0","id":"id-1","result":`+era(row.result, rev.Modern(), false)+`}`)
			}
			check("error with data", `error{"code":-32050,"message":"boom","data":{"b":1,"a":9007199254740993},"extra":true}`,
				`{"jsonrpc":"2.0","id":"id-1","error":{"code":-32050,"message":"boom","data":{"b":1,"a":9007199254740993},"extra":true}}`)
			if !legacyUp && rev.Modern() {
				for _, row := range modernRows {
					results <- row.result
					got := c.request(`"id-1"`, "tools/call", `"name":"odd"`, "")
					// What a client brings back comes sealed, in the place of the upstream's own; nothing else differs.
					for _, member := range []string{"requestState", "taskId"} {
						if own, ok := wire.Lookup([]byte(row.result), member); ok {
							sealed, _ := wire.Lookup([]byte(got), "result", member)
							got = strings.Replace(got, string(sealed), string(own), 1)
						}
					}
					if want := `{"jsonrpc":"2.0","id":"id-1","result":` + row.result + `}`; got != want {
						t.Errorf("%s: %s\ngot  %s\nwant %s", pair, row.name, got, want)
					}
				}
			}
			list := c.request("1", "tools/list", "", "")
			if tool := strings.TrimSuffix(strings.TrimPrefix(lossTools, `{"tools":[`), `]}`); !strings.Contains(list, `{"tools":[`+tool+`]`) {
				t.Errorf("%s: the definition changed: %s", pair, list)
			}
		}
	}
}

// era adds what 2026-07-28 requires of a result when modern.
func era(result string, modern, list bool) string {
	if !modern {
		return result
	}
	extra := `,"resultType":"complete"`
	if list {
		extra += `,"ttlMs":0,"cacheScope":"private"`
	}
	return strings.TrimRight(strings.TrimSuffix(result, "}"), " ") + extra + tail(result)
}

func tail(result string) string {
	if strings.HasSuffix(result, " }") {
		return " }"
	}
	return "}"
}

// TestParamsGoUpWhole: what the client sends arrives, except what belongs to its own connection.
func TestParamsGoUpWhole(t *testing.T) {
	for _, legacyUp := range []bool{false, true} {
		up := &upstreamtest.Server{Legacy: legacyUp, Results: map[string]string{
			"tools/list": era(lossTools, !legacyUp, true), "tools/call": era(`{"content":[]}`, !legacyUp, false),
		}}
		s := newStack(t, upstream.Config{Name: "up", InProcess: up.InProcess})
		for _, rev := range []wire.Revision{wire.R20260728, wire.R20251125} {
			c := s.client(t, rev)
			before := len(up.Seen("tools/call"))
			const args = `"name":"odd","arguments":{"z":9007199254740993, "a":1.0,"n":null,"e":"\u00e9"},"vendor":{"b":1,"a":12345678901234567890}`
			c.request("1", "tools/call", args, `"progressToken":9007199254740993,"vendor/x":12345678901234567890,"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","baggage":"user=1"`)
			got := string(up.Seen("tools/call")[before].Params)
			for _, want := range []string{args, `"vendor/x":12345678901234567890`, `"traceparent":"00-`} {
				if !strings.Contains(got, want) {
					t.Errorf("client %s, legacy upstream %v: %s is not in %s", rev, legacyUp, want, got)
				}
			}
			for _, never := range []string{"baggage", `"progressToken":9007199254740993`} {
				if strings.Contains(got, never) {
					t.Errorf("client %s, legacy upstream %v: %s went up: %s", rev, legacyUp, never, got)
				}
			}
			if modern := strings.Contains(got, wire.MetaProtocolVersion); modern == legacyUp {
				t.Errorf("client %s, legacy upstream %v: %s", rev, legacyUp, got)
			}
		}
	}
}
