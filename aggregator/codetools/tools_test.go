// SPDX-License-Identifier: Apache-2.0

package codetools_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/aggregator"
	"tollgate/aggregator/codetools"
	"tollgate/codemode"
	"tollgate/policy"
	"tollgate/store/audit"
)

// TestModes: what is listed in each mode, and that everything is callable by its name in all of them.
func TestModes(t *testing.T) {
	direct := []string{"github__create_issue", "github__fail", "github__search_repositories", "notes__read"}
	for _, tt := range []struct {
		mode  string
		embed int
		want  []string
	}{
		{"", -1, direct}, {codetools.Direct, -1, direct},
		{codetools.Search, -1, []string{"call_tool", "read_tools", "search_tools"}},
		{codetools.Code, -1, []string{"execute_code", "read_tools", "search_tools"}},
		{codetools.Code, 0, []string{"execute_code"}}, // so few types that it says them itself
		{codetools.Auto, -1, direct},
	} {
		s := start(t, setup{mode: tt.mode, tools: codetools.Options{EmbedTokens: tt.embed}})
		names, page := s.listed("reader")
		if diff := cmp.Diff(tt.want, names); diff != "" {
			t.Errorf("mode %q, embedded up to %d (-want +got):\n%s", tt.mode, tt.embed, diff)
		}
		if strings.Contains(page, "zebra") || strings.Contains(page, "vault") {
			t.Errorf("mode %q: what is hidden is in\n%s", tt.mode, page)
		}
		if reply := s.call("reader", "notes__read", map[string]string{"id": "1"}); reply.End != aggregator.Answered {
			t.Errorf("mode %q: notes__read ends as %s", tt.mode, reply.End)
		}
	}
}

// TestAutoHoldsOn: a class whose tools are many is shown programs, and one that was shown programs stays with them.
func TestAutoHoldsOn(t *testing.T) {
	s := start(t, setup{mode: codetools.Auto, tools: codetools.Options{AutoTokens: 50, EmbedTokens: -1}})
	if names, _ := s.listed("reader"); !slices.Contains(names, "execute_code") {
		t.Fatalf("above the threshold: %v", names)
	}
	s.gate.Refresh(nil)
	s.gate.Refresh(append(s.sources("notes"), s.tools.Source()))
	if names, _ := s.listed("reader"); !slices.Contains(names, "execute_code") {
		t.Errorf("after most tools are gone: %v", names)
	}
}

// TestCallTool: a call through call_tool is one of the tool itself, for limits, records and results.
func TestCallTool(t *testing.T) {
	s := start(t, setup{mode: codetools.Search})
	reply := s.call("reader", "call_tool", map[string]any{"name": "notes__read", "arguments": map[string]string{"id": "1"}})
	own := s.call("reader", "notes__read", map[string]string{"id": "1"})
	if string(reply.Result) != string(own.Result) || reply.End != aggregator.Answered {
		t.Errorf("through call_tool %s, by itself %s", reply.Result, own.Result)
	}
	for _, name := range []string{"vault__open", "nothing__here", "call_tool"} {
		reply := s.call("reader", "call_tool", map[string]any{"name": name})
		if reply.Error == nil && !strings.Contains(string(reply.Result), "isError") {
			t.Errorf("%s answers %s", name, reply.Result)
		}
	}
	for _, r := range s.records(&audit.Query{Kinds: []audit.Kind{audit.Intent}}) {
		if r.Of.Tool != "read" && r.Of.Tool != "call_tool" {
			t.Errorf("an intent of %s/%s", r.Of.Upstream, r.Of.Tool)
		}
	}
}

// TestSearchAndRead: tools are found by what they do, and read as types.
func TestSearchAndRead(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, tools: codetools.Options{EmbedTokens: -1}})
	get := func(tool string, arguments any) string {
		t.Helper()
		return strings.Join(textsOf(s.call("reader", tool, arguments).Result), "\n")
	}
	tests := []struct {
		tool      string
		arguments map[string]any
		has       string
	}{
		{"search_tools", map[string]any{"query": ""}, "github: 3 tools\nnotes: 1 tools"},
		{"search_tools", map[string]any{"query": "find repos"}, "github.search_repositories [read]: Finds repositories by words."},
		{"search_tools", map[string]any{"query": "open issue", "server": "github"}, "github.create_issue [write]: Opens an issue."},
		{"search_tools", map[string]any{"query": "repository", "detail": "types"}, "github.search_repositories(input: {query: string; per_page?: number}): Promise<unknown>;"},
		{"search_tools", map[string]any{"query": "x", "server": "vault"}, `there is no server "vault"; servers: github, notes`},
		{"search_tools", map[string]any{"query": "zebra"}, "Nothing fits"},
		{"read_tools", map[string]any{"names": []string{"notes.read"}}, "text: string"},
		{"read_tools", map[string]any{"names": []string{"notes__read"}}, "notes.read("},
		{"read_tools", map[string]any{"names": []string{"github.*"}}, "github.create_issue(input"},
		{"read_tools", map[string]any{"names": []string{"github.create_isue"}}, "Did you mean github.create_issue?"},
		{"read_tools", map[string]any{"names": []string{"github.list_secrets"}}, "github.list_secrets is not a tool."},
		{"read_tools", map[string]any{"names": 7}, "the arguments are not what the tool takes"},
	}
	for _, tt := range tests {
		if got := get(tt.tool, tt.arguments); !strings.Contains(got, tt.has) {
			t.Errorf("%s %v: got\n%s\nwant %q in it", tt.tool, tt.arguments, got, tt.has)
		}
	}
}

// TestFiles: the same under the names of a folder of files, inside programs too.
func TestFiles(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, tools: codetools.Options{EmbedTokens: -1, Names: codetools.Files}})
	if names, _ := s.listed("reader"); !slices.Equal(names, []string{"executeToolCode", "listToolFiles", "readToolFile"}) {
		t.Fatalf("listed: %v", names)
	}
	list := textsOf(s.call("reader", "listToolFiles", map[string]string{}).Result)[0]
	if list != "servers/github.d.ts (3 tools)\nservers/notes.d.ts (1 tools)" {
		t.Errorf("list:\n%s", list)
	}
	for name, want := range map[string]string{"servers/notes.d.ts": "declare const notes", "servers/github/fail.d.ts": "github.fail(", "servers/vault.d.ts": "there is no file"} {
		if got := textsOf(s.call("reader", "readToolFile", map[string]string{"fileName": name}).Result)[0]; !strings.Contains(got, want) {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
	reply := s.call("reader", "executeToolCode", map[string]string{"code": "return [await listToolFiles(), await readToolFile('servers/notes.d.ts')]"})
	if got := textsOf(reply.Result)[0]; !strings.Contains(got, "servers/github.d.ts (3 tools)") || !strings.Contains(got, "declare const notes") {
		t.Errorf("inside a program:\n%s", got)
	}
}

// TestPrograms: results reach programs as values, and only what they return or log comes back.
func TestPrograms(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	tests := []struct{ name, code, want string }{
		{"text that is JSON", "const r = await github.search_repositories({query: 'tea'});\nreturn r.items.map(x => x.name)", `["tea","pot"]`},
		{"an integer that a number cannot hold", "return (await github.search_repositories({query: 'tea'})).items[0].id", "12345678901234567890"},
		{"structured", "return (await notes.read({id: '1'})).text", `{"a":1}`},
		{"parallel", "const all = await Promise.all([1, 2, 3].map(i => notes.read({id: String(i)})));\nreturn all.length", "3"},
		{"a failure that is caught", "try { await github.fail({}) } catch (e) { return [e instanceof ToolError, e.code, e.message] }", `[true,"tool_error","no such thing"]`},
		{"search inside", "return (await tools.search('repositories')).map(t => t.name)", `["github.search_repositories"]`},
		{"describe inside", "return (await tools.describe('notes.read')).includes('text: string')", "true"},
		{"call by name", "return (await tools.call('notes__read', {arguments: {id: '1'}})).text", `{"a":1}`},
		{"nothing returned", "await notes.read({id: '1'})", "(the program returned nothing: return what you need)"},
	}
	for _, tt := range tests {
		texts, failed := s.run("reader", tt.code)
		if failed || len(texts) != 1 || texts[0] != tt.want {
			t.Errorf("%s: %q, failed %v, want %q", tt.name, texts, failed, tt.want)
		}
	}
	texts, failed := s.run("reader", "console.log('seen', 1); console.error('bad'); return 1")
	if failed || len(texts) != 2 || texts[1] != "log:\nseen 1\nerror: bad" {
		t.Errorf("with a log: %q", texts)
	}
}

// TestHiddenInPrograms: a tool that a role may not call is in no search, type or error; called by name it ends like one that
// does not exist, and the records say why.
func TestHiddenInPrograms(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, tools: codetools.Options{EmbedTokens: -1}})
	errorOf := func(call string) string {
		t.Helper()
		texts, failed := s.run("reader", "try { await "+call+" } catch (e) { return {code: e.code, message: e.message} }")
		if failed {
			t.Fatalf("%s: %q", call, texts)
		}
		return texts[0]
	}
	hidden, missing := errorOf("github.list_secrets({})"), errorOf("github.list_zecrets({})")
	if strings.ReplaceAll(missing, "zecrets", "secrets") != hidden || !strings.Contains(hidden, "unknown_tool") {
		t.Errorf("hidden %s\nmissing %s", hidden, missing)
	}
	hidden, missing = errorOf("tools.call('vault__open')"), errorOf("tools.call('fault__open')")
	if strings.ReplaceAll(missing, "fault", "vault") != hidden {
		t.Errorf("hidden %s\nmissing %s", hidden, missing)
	}
	texts, failed := s.run("reader", "return await vault.open({})")
	if !failed || !strings.Contains(texts[0], "vault is not defined") || !strings.Contains(texts[0], "servers: github, notes") {
		t.Errorf("a hidden server: %q", texts)
	}
	if texts, failed := s.run("admin", "return await vault.open({})"); failed || texts[0] != "done" {
		t.Errorf("an admin: %q", texts)
	}
	codes := map[string]string{}
	for _, r := range s.records(&audit.Query{Kinds: []audit.Kind{audit.Refusal}}) {
		codes[r.Of.Name] = r.Code
		if r.Script == nil || r.Script.Seq == 0 || r.Script.Program == "" || r.Of.Origin != "code" {
			t.Errorf("the refusal of %s has no link to its program: %+v", r.Of.Name, r.Script)
		}
	}
	want := map[string]string{"github__list_secrets": "hidden", "github__list_zecrets": "missing", "vault__open": "hidden", "fault__open": "missing"}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// failureOf reads the error that a program ends with.
func failureOf(t *testing.T, texts []string) (out struct {
	Error struct {
		Kind, Message, Hint string
		Line                int
		SourceLine          string `json:"source_line"`
		CallsMade           []struct {
			Seq          int
			Tool, Status string
			Code         string
		} `json:"calls_made"`
		MoreCalls int    `json:"more_calls"`
		LogsTail  string `json:"logs_tail"`
	}
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(texts[0]), &out); err != nil {
		t.Fatalf("%v: %q", err, texts)
	}
	return out
}

// TestFailureListsCalls: a failure names the line and what was done before it.
func TestFailureListsCalls(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	texts, failed := s.run("reader", "await notes.read({id: '1'});\nconsole.log('so far');\nawait github.fail({});\nreturn 1")
	e := failureOf(t, texts).Error
	if !failed || e.Kind != "tool_error" || e.Line != 3 || e.SourceLine != "await github.fail({});" || e.LogsTail != "so far" || len(e.CallsMade) != 2 {
		t.Fatalf("got %+v", e)
	}
	if c := e.CallsMade; c[0].Tool != "notes.read" || c[0].Status != "ok" || c[1].Tool != "github.fail" || c[1].Status != "error" {
		t.Errorf("calls made: %+v", c)
	}
}

// TestScriptLimits: a program stops exactly at its number of calls, and at what it may spend, and says what it did.
func TestScriptLimits(t *testing.T) {
	const loop = "for (let i = 0; i < 200; i++) await notes.read({id: String(i)});\nreturn 'all'"
	price := []policy.LimitRule{{Name: "price", For: []string{"notes/*"}, Cost: "0.01"}}
	for _, tt := range []struct {
		name  string
		o     setup
		calls int64
	}{
		{"calls", setup{tools: codetools.Options{Limits: codemode.Limits{Calls: 30}}}, 30},
		{"spend", setup{tools: codetools.Options{Limits: codemode.Limits{Calls: 500}}, limits: price, scripts: aggregator.ScriptBounds{Spend: 250_000_000}}, 25},
		{"budget of the caller", setup{tools: codetools.Options{Limits: codemode.Limits{Calls: 500}}, limits: price, budget: 120_000_000}, 12},
		{"bytes", setup{tools: codetools.Options{Limits: codemode.Limits{Calls: 500}}, scripts: aggregator.ScriptBounds{Bytes: 1000}}, 10},
	} {
		tt.o.mode = codetools.Code
		s := start(t, tt.o)
		texts, failed := s.run("reader", loop)
		if !failed {
			t.Errorf("%s: ended with %q", tt.name, texts)
			continue
		}
		e, ok := failureOf(t, texts).Error, 0
		for _, c := range e.CallsMade {
			if c.Status == "ok" {
				ok++
			}
		}
		if s.calls.Load() != tt.calls || int64(ok) != min(tt.calls, 50) {
			t.Errorf("%s: the upstream saw %d calls, want %d; %d are listed; %s: %s", tt.name, s.calls.Load(), tt.calls, ok, e.Kind, e.Message)
		}
	}
}

// TestUpstreamConcurrency: parallel calls of a program wait for each other where the upstream takes four at a time.
func TestUpstreamConcurrency(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, tools: codetools.Options{Limits: codemode.Limits{Calls: 200}}})
	texts, failed := s.run("reader", "const all = await Promise.all(Array.from({length: 100}, (_, i) => notes.read({id: String(i)})));\nreturn all.length")
	if failed || texts[0] != "100" || s.peak.Load() > 4 {
		t.Errorf("%q, at most %d calls at a time", texts, s.peak.Load())
	}
}

// TestRecordsLinkPrograms: the records of a program's calls name it, its execution and their order.
func TestRecordsLinkPrograms(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	reply := s.call("reader", "execute_code", map[string]string{"code": "for (const id of ['a', 'b', 'c']) await notes.read({id});\nreturn 1"})
	program := s.tools.Program("execute_code", []byte(`{"code":"for (const id of ['a', 'b', 'c']) await notes.read({id});\nreturn 1"}`))
	var inner []string
	for _, r := range s.records(&audit.Query{Kinds: []audit.Kind{audit.Intent}}) {
		if r.Script == nil || r.Script.Execution != reply.Decision || r.Script.Program != program {
			t.Fatalf("intent of %s: %+v, want execution %s of %s", r.Of.Tool, r.Script, reply.Decision, program)
		}
		if r.Of.Tool == "execute_code" {
			if r.ID != reply.Decision || r.Script.Seq != 0 || r.Of.Upstream != "tollgate" {
				t.Errorf("the program itself: %+v of %+v", r.Script, r.Of)
			}
			continue
		}
		if !strings.Contains(string(r.Input), fmt.Sprintf(`"parent_call_id":%q`, reply.Decision)) || r.Of.Origin != "code" {
			t.Errorf("input %s, origin %s", r.Input, r.Of.Origin)
		}
		inner = append(inner, fmt.Sprint(r.Script.Seq))
	}
	if got := strings.Join(inner, " "); got != "1 2 3" {
		t.Errorf("inner calls %s", got)
	}
}
