// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/aggregator/redact"
	"tollgate/upstream/wire"
)

// message is what an upstream sends, with a slot «as it should be» for every value that a rule may edit or keep.
type message struct{ kind, method, text string }

const slotMeta = `«{"io.modelcontextprotocol/serverInfo":«{"name":«"n"»,"title":«"A server"»,"version":«"1.0"»,"x":«1»}»,` +
	`"io.modelcontextprotocol/related-task":{"taskId":«"t"»},"io.modelcontextprotocol/subscriptionId":«"s"»,` +
	`"io.modelcontextprotocol/x":«1»,"tollgate/x":«1»,"Tollgate/y":«1»,"vendor":«"v"»}»`

const slotNotes = `«{"audience":«["user",«"assistant"»]»,"priority":«1»,"lastModified":«"2026-11-25"»,"x":«1»}»`

// messages are all messages with slots. The questions of a result that asks have none: they stay as they are.
func messages() []message {
	block := func(s string) string {
		return `{"type":«"` + s + `"»,"_meta":` + slotMeta + `,"annotations":` + slotNotes
	}
	content := block("text") + `,"text":«"x"»},` + block("image") + `,"data":«"aGk="»,"mimeType":«"image/png"»},` +
		block("resource") + `,"resource":«{"uri":«"a:b"»,"mimeType":«"text/plain; charset=utf-8"»,"text":«"x"»,"_meta":` + slotMeta + `}»},` +
		block("resource") + `,"resource":{"uri":«"a:b"»,"blob":«"aGk="»,"annotations":` + slotNotes + `}},` +
		block("resource_link") + `,"uri":«"a:b"»,"name":«"n"»,"title":«"t"»,"description":«"d"»,"mimeType":«"text/html"»,"size":«1»,` +
		`"icons":«[«{"src":«"a:c"»,"mimeType":«"image/png"»,"sizes":«["8x8",«"any"»]»,"theme":«"dark"»}»]»},` + block("video") + `,"url":«"u"»}`
	tool := `"_meta":` + slotMeta + `,"content":«[` + content + `,«null»]»,"structuredContent":«{"r":«"x"»,"l":[«1»]}»,"isError":«false»,"x":«1»`
	task := `"taskId":«"t"»,"status":«"working"»,"statusMessage":«"m"»,"createdAt":«"2026-11-25T10:00:00Z"»,` +
		`"lastUpdatedAt":«"2026-11-25T10:00:00Z"»,"ttlMs":«null»,"pollIntervalMs":«5»`
	failure := `{"code":«1»,"message":«"m"»,"data":«{"d":«1»}»,"x":«1»}`
	return []message{
		{"result", "tools/call", `{"resultType":«"complete"»,"nextCursor":«"c"»,` + tool + `}`},
		{"result", "tools/call", `{"resultType":"task",` + task + `}`},
		{"result", "tools/call", `{"status":"input_required","inputRequests":«{"k":«1»}»,"requestState":«"s"»,"content":[]}`},
		{"result", "resources/read", `{"contents":«[{"uri":«"a:b"»,"mimeType":«"text/plain"»,"text":«"x"»,"_meta":` + slotMeta + `},` +
			`{"uri":«"a:b"»,"mimeType":«"image/png"»,"blob":«"aGk="»},«{}»]»,"ttlMs":«1»,"cacheScope":«"public"»}`},
		{"result", "prompts/get", `{"description":«"d"»,"messages":«[{"role":«"user"»,"content":«{"type":"text","text":«"x"»}»},{"role":"user","content":«[` + content + `]»},«{}»]»}`},
		{"result", "completion/complete", `{"completion":«{"values":«[«"v"»]»,"total":«1»,"hasMore":«true»,"x":«1»}»}`},
		{"result", "tasks/get", `{` + task + `,"result":«{` + tool + `}»,"error":«` + failure + `»,"requestState":«"s"»}`},
		{"result", "vendor/x", `{"x":«{"y":«"z"»}»,"nextCursor":«"c"»}`},
		{"note", "notifications/progress", `{"progressToken":«"p"»,"progress":«1»,"total":«2»,"message":«"m"»,"_meta":` + slotMeta + `}`},
		{"note", "notifications/message", `{"level":«"info"»,"logger":«"a.b"»,"data":«{"d":«1»}»,"x":«1»}`},
		{"note", "notifications/tasks", `{` + task + `,"result":«{` + tool + `}»}`},
		{"note", "vendor/x", `{"x":«"y"»}`},
		{"error", "", failure},
	}
}

// fill puts value into slot n of text and what should be there into the others, which may stand in each other.
func fill(text string, n int, value string) string {
	var out strings.Builder
	skip := 0 // how many slots are open, from the one with value on
	for next := 0; text != ""; {
		i := strings.IndexAny(text, "«»")
		if i < 0 {
			i = len(text)
		}
		if skip == 0 {
			out.WriteString(text[:i])
		}
		if text = text[i:]; text == "" {
			break
		}
		if strings.HasPrefix(text, "«") {
			if next == n {
				out.WriteString(value)
			}
			if skip > 0 || next == n {
				skip++
			}
			next++
		} else {
			skip = max(skip-1, 0)
		}
		text = text[len("«"):]
	}
	return out.String()
}

func (m *message) slots() int { return strings.Count(m.text, "«") }

// pass is what a rule makes of a message.
func (m *message) pass(r *redact.Rule, in string) string {
	switch m.kind {
	case "result":
		return string(r.Result(m.method, []byte(in)))
	case "note":
		return string(r.Notification(m.method, []byte(in)))
	}
	e := r.Error(wire.ParseError([]byte(in)))
	if e.Raw == nil {
		return fmt.Sprintf("%s %s", e.Message, e.Data)
	}
	return string(e.Raw)
}

// TestFittingMessagesStay has messages in which all values are what they should be. No pointer leads to any, and the rule
// keeps text.
func TestFittingMessagesStay(t *testing.T) {
	for _, m := range messages() {
		in := fill(m.text, -1, "")
		want := strings.ReplaceAll(in, `,"tollgate/x":1,"Tollgate/y":1`, "")
		want = strings.ReplaceAll(want, `,null]`, `,{"type":"text","text":"[withheld by policy: content]"}]`)
		if got := m.pass(rule(t, true, "/nowhere"), in); got != want {
			t.Errorf("%s %s:\n%s, want\n%s", m.kind, m.method, got, want)
		}
	}
}

const canary = "CANARY-7"

// failer is a test of the standard library or of rapid.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// leaks puts value into a slot and fails when the canary in it can be seen.
func leaks(t failer, r *redact.Rule, m *message, n int, value string) {
	t.Helper()
	in := fill(m.text, n, value)
	got := m.pass(r, in)
	if seen([]byte(got), canary) {
		t.Fatalf("%s %s lets the canary through:\n%s of\n%s", m.kind, m.method, got, in)
	}
	if m.kind == "error" {
		return
	}
	if err := wire.CheckReply([]byte(got)); err != nil {
		t.Fatalf("%s of\n%s: %v", got, in, err)
	}
	if again := m.pass(r, got); again != got {
		t.Fatalf("a second pass makes\n%s of\n%s of\n%s", again, got, in)
	}
}

// TestNoSlotLeaks puts data where anything else is expected: the canary is always the value of a member email.
func TestNoSlotLeaks(t *testing.T) {
	const doc = `{"email":"` + canary + `"}`
	quoted := string(wire.AppendString(nil, doc))
	for _, m := range messages() {
		for n := range m.slots() {
			for _, value := range []string{doc, `[` + doc + `]`, `[[` + doc + `]]`, quoted, `[` + quoted + `]`, `{"a":[` + quoted + `]}`, `{"_meta":` + doc + `}`} {
				for _, keep := range []bool{false, true} {
					leaks(t, rule(t, keep, "/**/email"), &m, n, value)
				}
			}
		}
	}
}

// spellings are texts that some parser reads as data with an email or a second element, though most are no JSON: with more before or after it, cut
// off, of a looser dialect, or encoded once more.
func spellings() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		one := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
		name := one("name", `"email"`, `"e\u006dail"`, `email`, `'email'`)
		member := name + one("colon", ":", " : ", ":/*c*/", "=") + one("quote", `"`, `'`, `"x `) + canary
		end := one("end of string", `"`, `'`)
		text := one("members", "{", "{ ", "{\n", "{\u00a0", "{/*c*/", `{"a":NaN,`, `{"a":[{}],`) + member + end + one("close", "}", ",}", "", "}}")
		if rapid.IntRange(0, 3).Draw(t, "no names") == 0 {
			text = one("elements", "[1,", "[NaN, ", "[a, ", "[[],", "[\"a\" , ", "[None,") + one("quote", `"`, `'`, "") + canary + one("close", `"]`, `']`, "]", `"`, "")
		}
		text = one("open list", "", "", "[", "[1,", "[NaN,", "[NaN ,", "[undefined,", "[[],", "[\u00a0", `["a",`) + text + one("close list", "", "]", ",]", "],[]")
		if rapid.Bool().Draw(t, "cut off") {
			text = text[:rapid.IntRange(strings.Index(text, canary)+len(canary), len(text)).Draw(t, "at")]
		}
		if rapid.Bool().Draw(t, "encoded") {
			text = string(wire.AppendString(nil, text))
			if rapid.Bool().Draw(t, "cut off again") {
				text = strings.TrimSuffix(text, `"`)
			}
		}
		before := one("before", "", " ", "\n", "\u00a0", "\v", "\u0085", "\u2003", "\ufeff", "\x1e", "\u200b", "\ufeff \ufeff", "{}\n", "{},", "[]\n", "[1]\n",
			"null\n", "1\n", "\"a\"\n", "-1.5e3 ", "01 ", "NaN,", "}, ", "]\n", ")]}'\n", `"a": `, "[a]\n", "[info] ", "[] ", "(")
		return before + text + one("after", "", " ", "\n", " x", "\n{}", "\n[2]", "}", "]", ")", ";", "\x00")
	})
}

// TestNoSpellingLeaks puts such text wherever a string may stand.
func TestNoSpellingLeaks(t *testing.T) {
	all := messages()
	rapid.Check(t, func(t *rapid.T) {
		m := &all[rapid.IntRange(0, len(all)-1).Draw(t, "message")]
		text := string(wire.AppendString(nil, spellings().Draw(t, "text")))
		value := strings.Replace(rapid.SampledFrom([]string{"%", "%", "[%]", `{"a":%}`}).Draw(t, "around"), "%", text, 1)
		r := rule(t, rapid.Bool().Draw(t, "keep"), "/**/email", "/**/1")
		leaks(t, r, m, rapid.IntRange(0, m.slots()-1).Draw(t, "slot"), value)
	})
}
