// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"tollgate/upstream/wire"
)

// FuzzResult gives rules anything at all.
func FuzzResult(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `{"content":[{"type":"text","text":"{\"a\":1}"}],"structuredContent":{"a":[{"b":1}]}}`, `{"content":"x","_meta":1}`,
		`{"contents":[{"uri":"u","blob":"x"}],"messages":[{"role":"user","content":{"type":"image"}}],"completion":{"values":["a","{\"a\":1}"]}}`,
		`{"taskId":"t","status":"failed","result":{"content":[]},"error":{"code":1,"message":"m","data":{"a":"\"{\\\"a\\\":1}\""}}}`,
		`{"a":"{\"a\":\"{\\\"a\\\":\\\"[1]\\\"}\"}","b":"\ud800","c":"{\"a\":1,\"a\":2}"}`, `{"structuredContent":"\ufeff[1]","resultType":"input_required"}`,
		` {"x":[[],{},[ ],{ }],"y":-1.5e3,"z":[true,false,null]} `, `{"\ud800":{"_META":{"\ud800":1}}}`, `{"_meta":{"tollgate/a":1,"b":2}}`,
	} {
		f.Add([]byte(s), uint8(0))
		f.Add([]byte(s), uint8(255))
	}
	f.Fuzz(func(t *testing.T, b []byte, choice uint8) {
		methods := []string{"tools/call", "prompts/get", "resources/read", "completion/complete", "tasks/get", "tasks/cancel", "x", "tools/call"}
		pointers := [][]string{{"/a"}, {"/**/a", "/*/b/0"}, {"/*"}, {""}}
		method := methods[choice&7]
		r := rule(t, choice&32 != 0, pointers[choice>>3&3]...)
		before := bytes.Clone(b)
		got := r.Result(method, b)
		if !bytes.Equal(b, before) {
			t.Fatal("the argument was changed")
		}
		if !json.Valid(got) || wire.Kind(got) != '{' || wire.CheckReply(got) != nil {
			t.Fatalf("%q became %q, which is no result", b, got)
		}
		if again := r.Result(method, got); !bytes.Equal(again, got) {
			t.Fatalf("a second pass makes\n%s of\n%s", again, got)
		}
		checkShape(t, method, got)
		for _, n := range []string{"notifications/progress", "notifications/message", "notifications/tasks", "x"} {
			if p := r.Notification(n, b); len(b) > 0 && (wire.Kind(p) != '{' || wire.CheckReply(p) != nil) {
				t.Fatalf("params %q became %q", b, p)
			}
		}
		e := r.Error(&wire.Error{Code: 5, Message: string(b), Data: b, Raw: nil})
		if e.Code != 5 || wire.CheckReply(wire.AppendError(nil, []byte("1"), e)) != nil {
			t.Fatalf("an error with data %q became %+v", b, e)
		}
	})
}

// FuzzText puts any text wherever a string may stand. A text that begins with a brace, or with a bracket and has a brace, must
// not be seen when it is no document, whatever a rule keeps; the canary after it makes sure that it is none.
func FuzzText(f *testing.F) {
	for i, s := range []string{
		`{`, `{}`, "{}\n", `{"email":"a"}`, `{"email":"`, `{email:"`, `{'email':'`, `[1,{"email":"`, `[{"email":1}]`, `[NaN,{"email":"`, `[1]`, `[info] {`, `[] [a] {"email":"`,
		"\u00a0{}", "\v{}", "\ufeff{}", "\x1e{}", "\u2028[{}] ", "null\n{}", "\"a\"\n{}", `"{\"email\":\"`, `"\u007b\"email\":`, "a {", "\u2003\ufeff\n[[{",
	} {
		f.Add(s, uint16(i*7), i%2 == 0)
	}
	all := messages()
	f.Fuzz(func(t *testing.T, text string, slot uint16, keep bool) {
		m := &all[int(slot)%len(all)]
		n := int(slot) / len(all) % m.slots()
		text = strings.ToValidUTF8(text, "")
		lead := strings.TrimLeftFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
		if !strings.HasPrefix(lead, "{") && (!strings.HasPrefix(lead, "[") || !strings.Contains(lead, "{")) {
			t.Skip("may be prose")
		}
		leaks(t, rule(t, keep, "/**/email"), m, n, string(wire.AppendString(nil, text+canary)))
	})
}

// checkShape checks what a client's parser insists on, of the members a rule makes anew.
func checkShape(t *testing.T, method string, result []byte) {
	t.Helper()
	if method != "tools/call" {
		return
	}
	content, ok := wire.Lookup(result, "content")
	if !ok || wire.Kind(content) == 'n' {
		return
	}
	if wire.Kind(content) != '[' {
		t.Fatalf("content is no array: %s", result)
	}
	for b := range wire.Elements(content) {
		if kind, _ := wire.Lookup(b, "type"); wire.Kind(kind) != '"' {
			t.Fatalf("%s is no block: %s", b, result)
		}
	}
}
