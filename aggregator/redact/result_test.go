// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"testing"

	"tollgate/aggregator/redact"
	"tollgate/upstream/wire"
)

// row is a result and what the rules for /ssn and /**/card make of it. An empty text stands for "as it came".
type row struct{ name, method, in, want, kept string }

func testRows(t *testing.T, rows []row) {
	t.Helper()
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			for _, half := range []struct {
				keep bool
				want string
			}{{false, tt.want}, {true, tt.kept}} {
				r := rule(t, half.keep, "/ssn", "/**/card")
				if half.want == "" {
					half.want = tt.in
				}
				got := string(r.Result(tt.method, []byte(tt.in)))
				if got != half.want {
					t.Errorf("keep_text %t:\n%s, want\n%s", half.keep, got, half.want)
				}
				if again := string(r.Result(tt.method, []byte(got))); again != got {
					t.Errorf("keep_text %t: a second pass makes\n%s of\n%s", half.keep, again, got)
				}
			}
		})
	}
}

func TestToolResults(t *testing.T) {
	testRows(t, []row{
		{
			"structured", "tools/call",
			` { "structuredContent" : {"ssn": {"a":[1]} , "n":9007199254740993, "e":1.0, "s":"\u00e9\ud800", "p":[{"card":"4"}]}, "isError":false } `,
			` { "structuredContent" : {"ssn": "[redacted]" , "n":9007199254740993, "e":1.0, "s":"\u00e9\ud800", "p":[{"card":"[redacted]"}]}, "isError":false } `,
			` { "structuredContent" : {"ssn": "[redacted]" , "n":9007199254740993, "e":1.0, "s":"\u00e9\ud800", "p":[{"card":"[redacted]"}]}, "isError":false } `,
		},
		{
			"escaped and repeated names", "tools/call",
			`{"structuredContent":{"\u0073sn":1,"ssn":2,"x":{"card":3,"c\u0061rd":{"card":4}}}}`,
			`{"structuredContent":{"\u0073sn":"[redacted]","ssn":"[redacted]","x":{"card":"[redacted]","c\u0061rd":"[redacted]"}}}`,
			`{"structuredContent":{"\u0073sn":"[redacted]","ssn":"[redacted]","x":{"card":"[redacted]","c\u0061rd":"[redacted]"}}}`,
		},
		{
			"text that is JSON", "tools/call",
			`{"content":[{"type":"text","text":" {\n\"ssn\": \"1\",\"o\":1.0}\n","annotations":{"priority":0.5}},{"type":"text","text":"[\n1 ]"}]}`,
			`{"content":[{"type":"text","text":" {\n\"ssn\": \"[redacted]\",\"o\":1.0}\n","annotations":{"priority":0.5}},{"type":"text","text":"[\n1 ]"}]}`,
			`{"content":[{"type":"text","text":" {\n\"ssn\": \"[redacted]\",\"o\":1.0}\n","annotations":{"priority":0.5}},{"type":"text","text":"[\n1 ]"}]}`,
		},
		{
			"other text", "tools/call",
			`{"content":[{"type":"text","text":"SSN is 1"},{"type":"text","text":"42"},{"type":"text","text":""},{"type":"text","text":"\"quoted\""}],"isError":true}`,
			`{"content":[{"type":"text","text":"[withheld by policy]"},{"type":"text","text":"[withheld by policy]"},{"type":"text","text":""},{"type":"text","text":"[withheld by policy]"}],"isError":true}`,
			"",
		},
		{
			"bytes and links", "tools/call",
			`{"content":[{"type":"image","data":"aGk=","mimeType":"image/png"},{"data":"aGk=","type":"audio","mimeType":"audio/wav; rate=1"},` +
				`{"type":"resource_link","uri":"db://ssn/1","name":"1","size":5},{"type":"video","url":"u"},{"type":"4111111111111111"},{"type":"image","mimeType":"4111 1111/x y"}]}`,
			`{"content":[{"type":"text","text":"[withheld by policy: image, image/png]"},{"type":"text","text":"[withheld by policy: audio, audio/wav]"},` +
				`{"type":"text","text":"[withheld by policy: resource_link]"},{"type":"text","text":"[withheld by policy: video]"},` +
				`{"type":"text","text":"[withheld by policy: content]"},{"type":"text","text":"[withheld by policy: image]"}]}`,
			"",
		},
		{
			"embedded resources", "tools/call",
			`{"content":[{"type":"resource","resource":{"uri":"a:b","mimeType":"application/json","text":"{\"ssn\":1}","_meta":{"x":1}}},` +
				`{"type":"resource","resource":{"uri":"a:c","text":"prose"}},{"type":"resource","resource":{"uri":"a:d","blob":"aGk=","mimeType":"application/pdf"}}]}`,
			`{"content":[{"type":"resource","resource":{"uri":"a:b","mimeType":"application/json","text":"{\"ssn\":\"[redacted]\"}","_meta":{}}},` +
				`{"type":"resource","resource":{"uri":"a:c","text":"[withheld by policy]"}},{"type":"text","text":"[withheld by policy: resource, application/pdf]"}]}`,
			`{"content":[{"type":"resource","resource":{"uri":"a:b","mimeType":"application/json","text":"{\"ssn\":\"[redacted]\"}","_meta":{"x":1}}},` +
				`{"type":"resource","resource":{"uri":"a:c","text":"prose"}},{"type":"resource","resource":{"uri":"a:d","blob":"aGk=","mimeType":"application/pdf"}}]}`,
		},
		{
			"unknown members", "tools/call",
			`{"content":[{"type":"text","text":"{}","note":"ssn 1","more":{"ssn":2}}],"ssn":3,"extra":{"ssn":4,"s":"t"},"note":"ssn 5","n":6,"status":"ssn 7","ttlMs":{"card":8}}`,
			`{"content":[{"type":"text","text":"{}","note":"[withheld by policy]","more":{"ssn":"[redacted]"}}],"ssn":"[redacted]","extra":{"ssn":"[redacted]","s":"t"},` +
				`"note":"[withheld by policy]","n":6,"status":"[withheld by policy]","ttlMs":{"card":"[redacted]"}}`,
			`{"content":[{"type":"text","text":"{}","note":"ssn 1","more":{"ssn":"[redacted]"}}],"ssn":"[redacted]","extra":{"ssn":"[redacted]","s":"t"},` +
				`"note":"ssn 5","n":6,"status":"ssn 7","ttlMs":{"card":"[redacted]"}}`,
		},
		{
			"meta", "tools/call",
			`{"_meta":{"io.modelcontextprotocol/serverInfo":{"card":1}, "trace\ud800":"t", "tollgate/x":2,"vendor/x":{"card":3}},"content":[]}`,
			`{"_meta":{"io.modelcontextprotocol/serverInfo":{"card":"[redacted]"}},"content":[]}`,
			`{"_meta":{"io.modelcontextprotocol/serverInfo":{"card":"[redacted]"}, "trace\ud800":"t","vendor/x":{"card":"[redacted]"}},"content":[]}`,
		},
		{
			"audience", "tools/call", `{"content":[{"type":"text","text":"","annotations":{"audience":["user",{"card":1},["x"],"a b"],"lastModified":"{\"card\":1}"}}]}`,
			`{"content":[{"type":"text","text":"","annotations":{"audience":["user"],"lastModified":"{\"card\":\"[redacted]\"}"}}]}`,
			`{"content":[{"type":"text","text":"","annotations":{"audience":["user"],"lastModified":"{\"card\":\"[redacted]\"}"}}]}`,
		},
		{
			"meta of the gateway", "tools/call", `{"_meta":{ "tollgate/a":1, "TOLLGATE\/b":2, "io.modelcontextprotocol/x":"ssn 1","tollgate/c":3},"content":[]}`,
			`{"_meta":{ "io.modelcontextprotocol/x":"[withheld by policy]"},"content":[]}`,
			`{"_meta":{ "io.modelcontextprotocol/x":"ssn 1"},"content":[]}`,
		},
		{
			"case of names", "tools/call",
			`{"Content":[{"type":"text","Text":"ssn 1"},{"Type":"text","text":"ssn 2"},{"Type":"image","type":"text","text":"ssn 3"}],"_META":{"x":1}}`,
			`{"Content":[{"type":"text","Text":"[withheld by policy]"},{"type":"text","text":"[withheld by policy: text]"},{"type":"text","text":"[withheld by policy: text]"}],"_META":{}}`,
			`{"Content":[{"type":"text","Text":"ssn 1"},{"type":"text","text":"[withheld by policy: text]"},{"type":"text","text":"[withheld by policy: text]"}],"_META":{"x":1}}`,
		},
		{
			"invalid content", "tools/call",
			`{"content":["ssn 1",null,{"type":5},{"type":"resource","resource":"ssn"},{"type":"resource","resource":{"text":"{}"},"Resource":{"blob":"x"}}]}`,
			`{"content":[{"type":"text","text":"[withheld by policy: content]"},{"type":"text","text":"[withheld by policy: content]"},{"type":"text","text":"[withheld by policy: content]"},` +
				`{"type":"text","text":"[withheld by policy: resource]"},{"type":"text","text":"[withheld by policy: resource]"}]}`,
			`{"content":[{"type":"text","text":"[withheld by policy: content]"},{"type":"text","text":"[withheld by policy: content]"},{"type":"text","text":"[withheld by policy: content]"},` +
				`{"type":"text","text":"[withheld by policy: resource]"},{"type":"text","text":"[withheld by policy: resource]"}]}`,
		},
		{"no array", "tools/call", `{"content":"ssn 1"}`, `{"content":[{"type":"text","text":"[withheld by policy]"}]}`, `{"content":[{"type":"text","text":"[withheld by policy]"}]}`},
		{"null and bare", "tools/call", `{"content":null,"structuredContent":"ssn 1"}`, `{"content":null,"structuredContent":"[withheld by policy]"}`, ""},
		{"modern", "tools/call", `{"resultType":"complete","structuredContent":[1,null],"content":[],"isError":false}`, "", ""},
		{
			"questions", "tools/call",
			`{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"message":"which card?","card":1}}},"requestState":"ssn"}`, "", "",
		},
		{
			"no questions", "tools/call", `{"content":[],"inputRequests":{"card":1},"requestState":"s"}`,
			`{"content":[],"inputRequests":{"card":"[redacted]"},"requestState":"[withheld by policy]"}`,
			`{"content":[],"inputRequests":{"card":"[redacted]"},"requestState":"s"}`,
		},
		{
			"new task", "tools/call",
			`{"resultType":"task","taskId":"t","status":"working","statusMessage":"reads 1","createdAt":"2026-11-25T10:00:00Z","lastUpdatedAt":"2026-11-25T10:00:00.5+01:00","ttlMs":null,"pollIntervalMs":5}`,
			`{"resultType":"task","taskId":"t","status":"working","statusMessage":"[withheld by policy]","createdAt":"2026-11-25T10:00:00Z","lastUpdatedAt":"2026-11-25T10:00:00.5+01:00","ttlMs":null,"pollIntervalMs":5}`,
			"",
		},
	})
}

func TestOtherResults(t *testing.T) {
	testRows(t, []row{
		{
			"resources", "resources/read",
			`{"contents":[{"uri":"u","text":"{\"card\":1}"},{"uri":"v","text":"prose"},{"uri":"w\"","blob":"aGk=","mimeType":"application/pdf"},"x"],"ttlMs":5,"cacheScope":"public","resultType":"complete"}`,
			`{"contents":[{"uri":"u","text":"{\"card\":\"[redacted]\"}"},{"uri":"v","text":"[withheld by policy]"},` +
				`{"uri":"","mimeType":"text/plain","text":"[withheld by policy: blob, application/pdf]"},` +
				`{"uri":"","mimeType":"text/plain","text":"[withheld by policy: blob]"}],"ttlMs":5,"cacheScope":"public","resultType":"complete"}`,
			`{"contents":[{"uri":"u","text":"{\"card\":\"[redacted]\"}"},{"uri":"v","text":"prose"},{"uri":"w\"","blob":"aGk=","mimeType":"application/pdf"},` +
				`{"uri":"","mimeType":"text/plain","text":"[withheld by policy: blob]"}],"ttlMs":5,"cacheScope":"public","resultType":"complete"}`,
		},
		{
			"prompts", "prompts/get",
			`{"description":"of 1","messages":[{"role":"user","content":{"type":"text","text":"{\"ssn\":1}"}},{"role":"assistant","content":[{"type":"text","text":"prose"}]},{"role":"user","content":"bare"},1]}`,
			`{"description":"[withheld by policy]","messages":[{"role":"user","content":{"type":"text","text":"{\"ssn\":\"[redacted]\"}"}},` +
				`{"role":"assistant","content":[{"type":"text","text":"[withheld by policy]"}]},{"role":"user","content":{"type":"text","text":"[withheld by policy]"}},` +
				`{"role":"user","content":{"type":"text","text":"[withheld by policy]"}}]}`,
			`{"description":"of 1","messages":[{"role":"user","content":{"type":"text","text":"{\"ssn\":\"[redacted]\"}"}},` +
				`{"role":"assistant","content":[{"type":"text","text":"prose"}]},{"role":"user","content":{"type":"text","text":"[withheld by policy]"}},` +
				`{"role":"user","content":{"type":"text","text":"[withheld by policy]"}}]}`,
		},
		{
			"completion", "completion/complete",
			`{"completion":{"values":["ssn 1", "{\"ssn\":1}",2,"[1]"],"total":3,"hasMore":true}}`,
			`{"completion":{"values":["{\"ssn\":\"[redacted]\"}","[1]"],"total":3,"hasMore":true}}`,
			`{"completion":{"values":["ssn 1","{\"ssn\":\"[redacted]\"}","[1]"],"total":3,"hasMore":true}}`,
		},
		{"no arrays", "", `{"contents":{"a":1},"messages":"x","completion":{"values":1},"Completion":1}`, `{"contents":[],"messages":[],"completion":{"values":[]},"Completion":{"values":[]}}`, `{"contents":[],"messages":[],"completion":{"values":[]},"Completion":{"values":[]}}`},
		{
			"task", "tasks/get",
			`{"resultType":"complete","taskId":"t","status":"completed","statusMessage":"of 1","result":{"content":[{"type":"text","text":"prose"}],"structuredContent":{"ssn":1},"isError":false,"_meta":{"x":1}}}`,
			`{"resultType":"complete","taskId":"t","status":"completed","statusMessage":"[withheld by policy]","result":{"content":[{"type":"text","text":"[withheld by policy]"}],"structuredContent":{"ssn":"[redacted]"},"isError":false,"_meta":{}}}`,
			`{"resultType":"complete","taskId":"t","status":"completed","statusMessage":"of 1","result":{"content":[{"type":"text","text":"prose"}],"structuredContent":{"ssn":"[redacted]"},"isError":false,"_meta":{"x":1}}}`,
		},
		{
			"failed task", "tasks/get",
			`{"taskId":"t","status":"failed","error":{"code":-32603,"message":"no row 1","data":{"card":1}}}`,
			`{"taskId":"t","status":"failed","error":{"code":-32603,"message":"[withheld by policy]","data":{"card":"[redacted]"}}}`,
			`{"taskId":"t","status":"failed","error":{"code":-32603,"message":"no row 1","data":{"card":"[redacted]"}}}`,
		},
		{
			"no objects", "tasks/get", `{"taskId":"t","result":"of 1","error":"of 1"}`,
			`{"taskId":"t","result":"[withheld by policy]","error":{"code":-32603,"message":"[withheld by policy]"}}`,
			`{"taskId":"t","result":"of 1","error":{"code":-32603,"message":"[withheld by policy]"}}`,
		},
		{"opaque ids", "tasks/get", `{"taskId":"eyJhIjoxfQ== [a] \"b\"","status":"working","nextCursor":"ssn/1?<>"}`, "", ""},
		{
			"ids that are JSON", "tasks/get", `{"taskId":"{\"id\":1}","status":"ssn 1","nextCursor":"{\"ssn\":1}","createdAt":"078-05-1120"}`,
			`{"taskId":"{\"id\":1}","status":"[withheld by policy]","nextCursor":"{\"ssn\":\"[redacted]\"}","createdAt":"[withheld by policy]"}`,
			`{"taskId":"{\"id\":1}","status":"ssn 1","nextCursor":"{\"ssn\":\"[redacted]\"}","createdAt":"078-05-1120"}`,
		},
		{"no task", "tools/call", `{"resultType":"complete","status":"of 1","content":[]}`, `{"resultType":"complete","status":"[withheld by policy]","content":[]}`, ""},
		{"asking task", "tasks/get", `{"taskId":"t","status":"input_required","inputRequests":{"k":{"method":"m","params":{"card":1}}}}`, "", ""},
		{"acknowledgement", "tasks/cancel", `{"resultType":"complete"}`, "", ""},
		{"unknown method", "vendor/x", `{"content":[{"type":"text","text":"x"}],"card":1}`, `{"content":[{"type":"text","text":"[withheld by policy]"}],"card":"[redacted]"}`, `{"content":[{"type":"text","text":"x"}],"card":"[redacted]"}`},
	})
}

// TestProtocolMembersStay has pointers that name members of the protocol.
func TestProtocolMembersStay(t *testing.T) {
	const result = `{"content":[{"type":"resource_link","uri":"u:v","name":"n","size":1,"icons":[{"src":"s"}],"annotations":{"audience":["user"],"priority":1}},` +
		`{"type":"image","data":"aGk=","mimeType":"image/png"},{"type":"resource","resource":{"uri":"u:w","blob":"aGk="}},` +
		`{"type":"text","text":"hi","annotations":{"lastModified":"2026-11-25","priority":0}}],"isError":false,"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"n"}}}`
	r := rule(t, true, "/*/size", "/**/priority", "/**/name", "/**/icons", "/**/uri", "/**/mimeType", "/**/type", "/*/isError", "/isError", "/**/blob")
	if got := string(r.Result("tools/call", []byte(result))); got != result {
		t.Errorf("got\n%s, want\n%s", got, result)
	}
}

func TestEverything(t *testing.T) {
	const result = `{"content":[{"type":"text","text":"[1]"},{"type":"text","text":"prose"}],"structuredContent":{"a":1},"x":[2],"isError":false}`
	want := `{"content":[{"type":"text","text":"[redacted]"},{"type":"text","text":"[withheld by policy]"}],"structuredContent":{"redacted":"[redacted]"},"x":"[redacted]","isError":false}`
	r := rule(t, false, "")
	got := string(r.Result("tools/call", []byte(result)))
	if got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	if again := string(r.Result("tools/call", []byte(got))); again != got {
		t.Errorf("a second pass makes\n%s", again)
	}
	if got := string(r.Result("tools/call", []byte(`{"structuredContent":"x"}`))); got != `{"structuredContent":"[redacted]"}` {
		t.Errorf("got %s", got)
	}
}

func TestWithheldAsAWhole(t *testing.T) {
	for method, want := range map[string]string{
		"tools/call":          `{"content":[{"type":"text","text":"[withheld by policy]"}],"isError":true,"resultType":"complete"}`,
		"prompts/get":         `{"messages":[],"resultType":"complete"}`,
		"resources/read":      `{"contents":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`,
		"completion/complete": `{"completion":{"values":[]},"resultType":"complete"}`,
		"tasks/get": `{"resultType":"complete","taskId":"","status":"failed","createdAt":"1970-01-01T00:00:00Z",` +
			`"lastUpdatedAt":"1970-01-01T00:00:00Z","ttlMs":null,"error":{"code":-32603,"message":"[withheld by policy]"}}`,
		"tasks/cancel": `{"resultType":"complete"}`,
	} {
		for _, bad := range []string{``, `null`, `[1]`, `"x"`, `{"content":[`, `{"isError":tru}`, `{"a":1}{"ssn":2}`, "{\"a\":\"\xff\"}", `{"content":[],"content":[1]}`} {
			if got := string(rule(t, true, "/ssn").Result(method, []byte(bad))); got != want {
				t.Errorf("%s with %s: %s, want %s", method, bad, got, want)
			}
		}
	}
}

func TestNotifications(t *testing.T) {
	for _, tt := range []struct{ method, in, want, kept string }{
		{
			"notifications/progress", `{"progressToken":"ssn 1","progress":1,"total":2,"message":"reads 1","_meta":{"x":1}}`,
			`{"progressToken":"ssn 1","progress":1,"total":2,"message":"[withheld by policy]","_meta":{}}`, "",
		},
		{"notifications/progress", `{"progress":1,"message":"{\"ssn\":1}"}`, `{"progress":1,"message":"{\"ssn\":\"[redacted]\"}"}`, `{"progress":1,"message":"{\"ssn\":\"[redacted]\"}"}`},
		{"notifications/message", `{"level":"info","logger":"l","data":{"ssn":1,"s":"t"}}`, `{"level":"info","logger":"l","data":{"ssn":"[redacted]","s":"t"}}`, `{"level":"info","logger":"l","data":{"ssn":"[redacted]","s":"t"}}`},
		{"notifications/message", `{"level":"info","data":"row 1"}`, `{"level":"info","data":"[withheld by policy]"}`, ""},
		{"notifications/message", `{"level":"info","data":[{"card":1}]}`, `{"level":"info","data":[{"card":"[redacted]"}]}`, `{"level":"info","data":[{"card":"[redacted]"}]}`},
		{
			"notifications/tasks", `{"taskId":"t","status":"completed","statusMessage":"of 1","result":{"structuredContent":{"ssn":1}}}`,
			`{"taskId":"t","status":"completed","statusMessage":"[withheld by policy]","result":{"structuredContent":{"ssn":"[redacted]"}}}`,
			`{"taskId":"t","status":"completed","statusMessage":"of 1","result":{"structuredContent":{"ssn":"[redacted]"}}}`,
		},
		{"vendor/x", `{"data":"row 1","d":{"ssn":1}}`, `{"data":"[withheld by policy]","d":{"ssn":"[redacted]"}}`, `{"data":"row 1","d":{"ssn":"[redacted]"}}`},
		{"notifications/message", `{"level"`, `{"level":"info","data":"[withheld by policy]"}`, `{"level":"info","data":"[withheld by policy]"}`},
		{"notifications/progress", `[]`, `{"progressToken":"","progress":0}`, `{"progressToken":"","progress":0}`},
		{"notifications/progress", ``, ``, ``},
	} {
		if tt.kept == "" {
			tt.kept = tt.in
		}
		for keep, want := range map[bool]string{false: tt.want, true: tt.kept} {
			if got := string(rule(t, keep, "/ssn", "/**/card").Notification(tt.method, []byte(tt.in))); got != want {
				t.Errorf("%s, keep_text %t: %s, want %s", tt.method, keep, got, want)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ in, want, kept string }{
		{
			`{"code":-32050,"message":"no row 1","data":{"ssn":1,"n":9007199254740993},"extra":{"card":2}}`,
			`{"code":-32050,"message":"[withheld by policy]","data":{"ssn":"[redacted]","n":9007199254740993},"extra":{"card":"[redacted]"}}`,
			`{"code":-32050,"message":"no row 1","data":{"ssn":"[redacted]","n":9007199254740993},"extra":{"card":"[redacted]"}}`,
		},
		{`{"code":1,"message":"m","data":"row 1"}`, `{"code":1,"message":"[withheld by policy]","data":"[withheld by policy]"}`, ""},
		{`{"code":1,"message":""}`, "", ""},
		{`{"code":-32042,"message":"","data":["u",{"card":1}]}`, `{"code":-32042,"message":"","data":["u",{"card":"[redacted]"}]}`, `{"code":-32042,"message":"","data":["u",{"card":"[redacted]"}]}`},
		{
			`{"code":-32042,"message":"go","data":{"elicitations":[{"url":"u","card":1}],"ssn":2}}`,
			`{"code":-32042,"message":"[withheld by policy]","data":{"elicitations":[{"url":"u","card":1}],"ssn":"[redacted]"}}`,
			`{"code":-32042,"message":"go","data":{"elicitations":[{"url":"u","card":1}],"ssn":"[redacted]"}}`,
		},
	} {
		for keep, want := range map[bool]string{false: tt.want, true: tt.kept} {
			if want == "" {
				want = tt.in
			}
			r := rule(t, keep, "/ssn", "/**/card")
			full := wire.ParseError([]byte(tt.in))
			bare := &wire.Error{Code: full.Code, Message: full.Message, Data: full.Data}
			got := r.Error(full)
			if text := string(got.Raw); text != want || got.Code != full.Code {
				t.Errorf("keep_text %t: %s, want %s", keep, text, want)
			}
			got = r.Error(bare)
			if e := wire.ParseError([]byte(want)); got.Code != e.Code || got.Message != e.Message || string(got.Data) != string(e.Data) || got.Raw != nil {
				t.Errorf("keep_text %t, without the bytes: %+v, want %+v", keep, got, e)
			}
		}
	}
	r := rule(t, true, "/ssn")
	if got := r.Error(&wire.Error{Code: 7, Message: "row 1", Raw: []byte(`{"ssn":`)}); got.Code != 7 || got.Message != redact.Withheld || got.Data != nil || got.Raw != nil {
		t.Errorf("an error that cannot be read: %+v", got)
	}
	if got := r.Error(&wire.Error{Code: 7, Data: []byte(`{"ssn":`)}); got.Data != nil {
		t.Errorf("data that cannot be read: %s", got.Data)
	}
	if r.Error(nil) != nil {
		t.Error("no error became one")
	}
}
