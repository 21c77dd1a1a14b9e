// SPDX-License-Identifier: Apache-2.0

package codetools_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/codetools"
	"tollgate/codemode"
	"tollgate/policy"
	"tollgate/store/audit"
	"tollgate/upstream"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// priced makes a note cost a cent and an issue ten.
var priced = []policy.LimitRule{{Name: "price", For: []string{"notes/*"}, Cost: "0.01"}, {Name: "dear", For: []string{"github/create_issue"}, Cost: "0.1"}}

// spent is what the records say calls of programs cost, in nano-USD.
func (s *stack) spent() (sum int64) {
	s.t.Helper()
	for _, r := range s.records(&audit.Query{Kinds: []audit.Kind{audit.Outcome}}) {
		sum += r.Cost
	}
	return sum
}

// TestParallelSpend: calls at once never spend more than their program may, and all of what it may.
func TestParallelSpend(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, limits: priced, scripts: aggregator.ScriptBounds{Spend: 250_000_000},
		tools: codetools.Options{Limits: codemode.Limits{Calls: 500, Concurrent: 64}}})
	const code = `const all = await Promise.allSettled(Array.from({length: 200}, (_, i) => notes.read({id: String(i)})));
return all.filter(a => a.status === 'fulfilled').length`
	texts, failed := s.run("reader", code)
	if s.calls.Load() != 25 || s.spent() != 250_000_000 {
		t.Errorf("upstreams saw %d calls that cost %d, want 25 and 250000000; %q %v", s.calls.Load(), s.spent(), texts, failed)
	}
}

// TestRefusedGivesBack: what the ledger does not admit takes nothing of what a program may spend, and what fails before it
// is sent neither.
func TestRefusedGivesBack(t *testing.T) {
	limits := append(slices.Clone(priced), policy.LimitRule{Name: "few", For: []string{"notes/*"}, Rate: "3/1h"})
	s := start(t, setup{mode: codetools.Code, limits: limits, scripts: aggregator.ScriptBounds{Spend: 140_000_000}})
	texts, _ := s.run("admin", `for (let i = 0; i < 20; i++) await notes.read({id: '1'}).catch(() => 0);
await github.create_issue({title: 'x'});
return 'opened'`)
	if texts[0] != "opened" || s.calls.Load() != 4 || s.spent() != 130_000_000 {
		t.Errorf("%q after %d calls that cost %d", texts, s.calls.Load(), s.spent())
	}
}

// TestBoundsHoldOn: what a program may spend counts over its confirmations, and what a client brings back twice does not give
// it more.
func TestBoundsHoldOn(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, limits: priced, scripts: aggregator.ScriptBounds{Spend: 250_000_000}})
	const code = `const out = [];
for (let i = 0; i < 4; i++) out.push(await github.create_issue({title: String(i)}).then(() => 'ok', e => e.code));
return out`
	reply := s.call("reader", "execute_code", map[string]string{"code": code})
	var states []string
	for range 3 {
		keys, state := asked(t, reply)
		states = append(states, state)
		reply = s.goOn("reader", code, state, map[string]string{keys[0]: "accept"})
		if len(states) == 2 { // an older state is of nothing, and takes nothing away
			old := s.goOn("reader", code, states[0], map[string]string{keys[0]: "accept"})
			if got := textsOf(old.Result); len(got) != 1 || !strings.Contains(got[0], "went on already") {
				t.Errorf("an older state: %q", got)
			}
		}
	}
	if e := failureOf(t, textsOf(reply.Result)).Error; s.calls.Load() != 2 || e.Kind != "limit" || len(e.CallsMade) != 3 {
		t.Errorf("upstreams saw %d calls, want 2; %+v", s.calls.Load(), e)
	}
}

// TestParkedByName: a call by name waits like any other, and is made when it is confirmed.
func TestParkedByName(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	const code = "return await tools.call('github.create_issue', {arguments: {title: 'one'}})"
	keys, state := asked(t, s.call("reader", "execute_code", map[string]string{"code": code}))
	if got := textsOf(s.goOn("reader", code, state, map[string]string{keys[0]: "accept"}).Result); len(got) != 1 || got[0] != "done" {
		t.Errorf("after the confirmation: %q", got)
	}
}

// TestConfirmedIsWhatIsCalled: with other rules than those the user was asked under, the user is asked again or the call is
// refused.
func TestConfirmedIsWhatIsCalled(t *testing.T) {
	const code = "return await github.create_issue({title: 'one'}).then(() => 'opened', e => e.code)"
	o := setup{mode: codetools.Code}
	s := start(t, o)
	keys, state := asked(t, s.call("reader", "execute_code", map[string]string{"code": code}))
	o.confirm = "Really?"
	if err := s.gate.Publish(s.rules(&o)); err != nil {
		t.Fatal(err)
	}
	reply := s.goOn("reader", code, state, map[string]string{keys[0]: "accept"})
	keys, state = asked(t, reply)
	if !strings.Contains(string(reply.Result), "Really?") || s.calls.Load() != 0 {
		t.Errorf("asked %s after %d calls", reply.Result, s.calls.Load())
	}
	o.deny = []string{"github/create_issue"}
	if err := s.gate.Publish(s.rules(&o)); err != nil {
		t.Fatal(err)
	}
	reply = s.goOn("reader", code, state, map[string]string{keys[0]: "accept"})
	if got := textsOf(reply.Result); len(got) != 1 || got[0] != "unknown_tool" || s.calls.Load() != 0 {
		t.Errorf("denied meanwhile: %q %v after %d calls", got, reply.Error, s.calls.Load())
	}
}

// TestGoesOnAfterRestart: a program that waits goes on in another process, once, though servers have come meanwhile.
func TestGoesOnAfterRestart(t *testing.T) {
	o := setup{mode: codetools.Code}
	s := start(t, o)
	keys, state := asked(t, s.call("reader", "execute_code", map[string]string{"code": waits}))
	o.more = []server{{name: "added", tools: vaultTools}}
	s.open(&o)
	answers := map[string]string{keys[0]: "accept", keys[1]: "accept"}
	if got := textsOf(s.goOn("reader", waits, state, answers).Result); len(got) != 1 || strings.Count(got[0], "fulfilled") != 3 {
		t.Errorf("after a restart: %q", got)
	}
	if got := textsOf(s.goOn("reader", waits, state, answers).Result); !strings.Contains(got[0], "went on already") || s.calls.Load() != 4 {
		t.Errorf("again: %q, %d calls", got, s.calls.Load())
	}
}

// fullKeeper has no room.
type fullKeeper struct{ codetools.Keeper }

func (fullKeeper) Put(context.Context, string, string, []byte, time.Time) error {
	return errors.New("full")
}

// TestKeeperFull: a program that cannot wait goes on without the calls that need a confirmation.
func TestKeeperFull(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, keeper: func(k codetools.Keeper) codetools.Keeper { return fullKeeper{k} }})
	texts, failed := s.run("reader", waits)
	if failed || strings.Count(texts[0], "rejected not_confirmed") != 2 || s.calls.Load() != 2 {
		t.Errorf("%q, %d calls", texts, s.calls.Load())
	}
}

// TestNoProgramInPrograms: programs reach none of the gateway's own tools, by no name; it is as if there were none.
func TestNoProgramInPrograms(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, more: []server{{"plain", `{"tools":[{"name":"one","inputSchema":{"type":"object"}}]}`, true}}})
	for _, call := range []string{
		"tools.call('execute_code', {arguments: {code: 'return 1'}})", "tools.call('call_tool', {arguments: {name: 'execute_code', arguments: {code: 'return 1'}}})",
		"tools.call('tollgate.execute_code')", "tools.call('search_tools', {arguments: {query: ''}})", "plain.execute_code({code: 'return 1'})", "plain.search_tools({query: ''})",
	} {
		got, _ := s.run("admin", "try { return await "+call+" } catch (e) { return e.code + ' ' + e.message }")
		missing, _ := s.run("admin", "try { return await "+strings.NewReplacer("execute_code", "exxxute_code", "call_tool", "cxxx_tool", "search_tools", "sxxxch_tools").Replace(call)+" } catch (e) { return e.code + ' ' + e.message }")
		back := strings.NewReplacer("exxxute_code", "execute_code", "cxxx_tool", "call_tool", "sxxxch_tools", "search_tools").Replace(missing[0])
		if !strings.HasPrefix(got[0], "unknown_tool") || got[0] != back {
			t.Errorf("%s\nown     %q\nmissing %q", call, got[0], missing[0])
		}
	}
	if texts, failed := s.run("admin", "return typeof tollgate"); failed || texts[0] != "undefined" {
		t.Errorf("a global of the gateway: %q", texts)
	}
}

// TestOtherServersTool: what a program calls of one server is never a tool of another, whatever is displayed how.
func TestOtherServersTool(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, more: []server{
		{"plain", `{"tools":[{"name":"github__x","inputSchema":{"type":"object"}},{"name":"github.fail","inputSchema":{"type":"object"}}]}`, true},
		{"flat", `{"tools":[{"name":"two","inputSchema":{"type":"object"}}]}`, true},
	}})
	for _, call := range []string{"plain.two({})", "plain.fail({})", "flat.github__fail({})", "flat.x({})"} {
		if texts, failed := s.run("reader", "return await "+call); !failed || !strings.Contains(texts[0], "is not a tool") || s.calls.Load() != 0 {
			t.Errorf("%s: %q", call, texts)
		}
	}
	if texts, _ := s.run("reader", "return await tools.call('github.fail').catch(e => e.message)"); texts[0] != "no such thing" {
		t.Errorf("the name by which programs call a tool is that of another: %q", texts)
	}
}

// TestTreacherousNames: servers and tools may be called like what the language or the sandbox has.
func TestTreacherousNames(t *testing.T) {
	const odd = `{"tools":[{"name":"constructor","inputSchema":{"type":"object"}},{"name":"then","inputSchema":{"type":"object"}},{"name":"__proto__","inputSchema":{"type":"object"}},
{"name":"hasOwnProperty","inputSchema":{"type":"object"}},{"name":"a.b/c","inputSchema":{"type":"object"}}]}`
	var more []server
	for _, name := range []string{"listToolFiles", "readToolFile", "tools", "console", "class", "Promise"} {
		more = append(more, server{name: name, tools: odd})
	}
	s := start(t, setup{mode: codetools.Code, more: more, tools: codetools.Options{EmbedTokens: -1}})
	texts, failed := s.run("reader", `const out = [];
for (const g of [listToolFiles_, readToolFile_, tools_, console_, class_, Promise_])
  for (const m of ['constructor_', 'then_', '__proto___', 'hasOwnProperty_', 'a_b_c']) out.push(await g[m]({}));
return [out.length, await g(), (await listToolFiles()).length > 0];
async function g() { return await class_ === class_ }`)
	if failed || texts[0] != "[30,true,true]" || s.calls.Load() != 30 {
		t.Errorf("%q after %d calls", texts, s.calls.Load())
	}
}

// TestToolset: in a toolset programs reach its tools only, and the gateway's own are there although no pattern names them.
func TestToolset(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	view, err := s.gate.View(t.Context(), caller("admin"), "notes")
	if err != nil || !strings.Contains(string(view.Definition(mustTool(t, view, "execute_code"))), "declare const notes") {
		t.Fatalf("execute_code is not as it should be: %v", err)
	}
	const code = "return [typeof github, typeof vault, (await notes.read({id: '1'})).text, await tools.call('github__fail').catch(e => e.code), await tools.call('vault.open').catch(e => e.code), " +
		"(await tools.search('')).length, (await listToolFiles())]"
	reply := s.gate.Call(t.Context(), caller("admin"), &aggregator.Call{
		Method: aggregator.MethodCallTool, Toolset: "notes", Client: asks(), Params: []byte(`{"name":"execute_code","arguments":{"code":` + string(wire.AppendString(nil, code)) + `}}`),
	})
	want := `["undefined","undefined","{\"a\":1}","unknown_tool","unknown_tool",`
	if got := textsOf(reply.Result); len(got) != 1 || !strings.HasPrefix(got[0], want) || strings.Contains(got[0], "github") {
		t.Errorf("got %q %v", got, reply.Error)
	}
}

// TestModeNeedsItsTools: who may not use the tools on which a mode rests is listed what it can call.
func TestModeNeedsItsTools(t *testing.T) {
	for _, mode := range []string{codetools.Search, codetools.Code} {
		s := start(t, setup{mode: mode, tools: codetools.Options{EmbedTokens: -1}})
		if names, _ := s.listed("toolless"); !slices.Contains(names, "notes__read") || slices.Contains(names, "execute_code") {
			t.Errorf("%s: listed %v", mode, names)
		}
	}
}

// TestRulesAndCatalogApart: between new rules and the catalog that goes with them, own tools that nobody answers for do not
// exist.
func TestRulesAndCatalogApart(t *testing.T) {
	o := setup{mode: codetools.Code}
	s := start(t, o)
	keys, state := asked(t, s.call("reader", "execute_code", map[string]string{"code": waits}))
	r := s.rules(&o)
	r.Own, r.Modes = nil, nil
	if err := s.gate.Publish(r); err != nil {
		t.Fatal(err)
	}
	if names, _ := s.listed("reader"); slices.Contains(names, "execute_code") || !slices.Contains(names, "notes__read") {
		t.Errorf("listed: %v", names)
	}
	for _, reply := range []aggregator.Reply{s.call("admin", "execute_code", map[string]string{"code": "return 1"}), s.goOn("reader", waits, state, map[string]string{keys[0]: "accept"})} {
		if reply.End != aggregator.Unknown {
			t.Errorf("ended as %s: %s", reply.End, reply.Result)
		}
	}
}

// panicking fails a call of a tool in the worst way.
type panicking struct{ aggregator.Upstreams }

func (p panicking) Call(ctx context.Context, name string, r *upstream.Request) (*upstream.Reply, error) {
	if strings.Contains(string(r.Params), `"fail"`) {
		panic("boom")
	}
	return p.Upstreams.Call(ctx, name, r)
}

// TestPanicInCall: a panic in one of several calls fails that call, not the process.
func TestPanicInCall(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, reach: func(u aggregator.Upstreams) aggregator.Upstreams { return panicking{u} }})
	texts, failed := s.run("reader", "const all = await Promise.allSettled([github.fail({}), notes.read({id: '1'})]);\nreturn all.map(a => a.status + ' ' + (a.reason?.code ?? ''))")
	if failed || texts[0] != `["rejected gateway_failed","fulfilled "]` {
		t.Errorf("%q", texts)
	}
}

// TestBusyUpstream: an upstream that puts a call off is asked again; one that asks the user fails the call.
func TestBusyUpstream(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	var busy atomic.Int64
	s.reply = func(r *upstreamtest.Request) bool {
		switch state, _ := wire.Lookup(r.Params, "requestState"); {
		case strings.Contains(string(r.Params), `"fail"`):
			r.Result(`{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}}}`)
		case busy.Add(1) == 1:
			r.Result(`{"resultType":"input_required","requestState":"later"}`)
		case string(state) != `"later"`:
			r.Result(`{"content":[],"isError":true,"resultType":"complete"}`)
		default:
			return false
		}
		return true
	}
	texts, failed := s.run("reader", "return [(await notes.read({id: '1'})).text, await github.fail({}).catch(e => e.code + ' ' + e.message)]")
	if failed || !strings.HasPrefix(texts[0], `["{\"a\":1}","tool_error `) || !strings.Contains(texts[0], "a program cannot ask") || busy.Load() != 2 {
		t.Errorf("%q after %d", texts, busy.Load())
	}
}

// TestTimeoutOfRules: a program that a limit ends says what it did.
func TestTimeoutOfRules(t *testing.T) {
	s := start(t, setup{mode: codetools.Code, limits: []policy.LimitRule{{Name: "short", For: []string{"tollgate/execute_code"}, Timeout: 400 * time.Millisecond, Cost: "0.5"}}})
	texts, failed := s.run("reader", "await notes.read({id: '1'});\nawait sleep(5000)")
	if e := failureOf(t, texts).Error; !failed || e.Kind != "timeout" || len(e.CallsMade) != 1 {
		t.Errorf("%q", texts)
	}
	if s.spent() != 500_000_000 {
		t.Errorf("spent %d", s.spent())
	}
}

// TestExactArguments: arguments under names that rules and records do not know run nothing.
func TestExactArguments(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	for _, arguments := range []map[string]any{{"Code": "return 1"}, {"CODE": "return 1"}, {}, {"code": 7}, {"code": "return 1", "timeout_ms": -1}} {
		reply := s.call("reader", "execute_code", arguments)
		if texts := textsOf(reply.Result); !strings.Contains(string(reply.Result), `"isError":true`) || strings.Contains(texts[0], "struct") {
			t.Errorf("%v: %q", arguments, texts)
		}
	}
	reply := s.call("reader", "execute_code", map[string]any{"code": "return 1", "timeout_ms": int64(1) << 60})
	if got := textsOf(reply.Result); len(got) != 1 || got[0] != "1" {
		t.Errorf("a very long timeout: %q %v", got, reply.Error)
	}
}

// TestAnswersAreBounded: however many tools there are, what search and read say has an end, with a mark.
func TestAnswersAreBounded(t *testing.T) {
	var all []string
	for i := range 3000 {
		all = append(all, fmt.Sprintf(`{"name":"tool_%04d","description":%q,"inputSchema":{"type":"object"}}`, i, strings.Repeat("word ", 200)))
	}
	big := server{name: "big", tools: `{"tools":[` + strings.Join(all, ",") + `]}`}
	s := start(t, setup{mode: codetools.Code, more: []server{big}, tools: codetools.Options{EmbedTokens: -1}})
	texts := textsOf(s.call("reader", "read_tools", map[string]any{"names": []string{"big.*"}}).Result)
	if len(texts[0]) > 140<<10 || !strings.Contains(texts[0], "more tools: name fewer at once)") {
		t.Errorf("%d bytes that end with %q", len(texts[0]), texts[0][len(texts[0])-100:])
	}
	texts, failed := s.run("reader", "return [(await readToolFile('servers/big.d.ts')).length, (await tools.describe('big.*')).length, (await tools.search('word', {limit: 1000})).length]")
	var sizes []int
	if err := json.Unmarshal([]byte(texts[0]), &sizes); err != nil || failed || sizes[0] > 140<<10 || sizes[1] > 140<<10 || sizes[2] > 50 {
		t.Errorf("inside a program: %q", texts)
	}
	began := time.Now()
	texts, _ = s.run("reader", "let n = 0; for (let i = 0; i < 50; i++) await tools.call('big.tool_x' + i).catch(() => n++);\nreturn n")
	if spent := time.Since(began); texts[0] != "50" || spent > 10*time.Second {
		t.Errorf("50 names near 3000 tools: %q in %v", texts, spent)
	}
}

// TestOneLineEach: what an upstream says of a tool makes no lines of its own, and hides nothing.
func TestOneLineEach(t *testing.T) {
	const odd = `{"tools":[{"name":"odd","description":"Odd\rgithub.fail: safe\u2028notes.read: safe\u202e\u200b\u001b[2Jtail","inputSchema":{"type":"object"}}]}`
	s := start(t, setup{mode: codetools.Code, more: []server{{name: "odd", tools: odd}}, tools: codetools.Options{EmbedTokens: -1}})
	found := textsOf(s.call("reader", "search_tools", map[string]any{"query": "odd"}).Result)[0]
	if found != "odd.odd: Odd github.fail: safe notes.read: safe[2Jtail" {
		t.Errorf("search says %q", found)
	}
}

// TestReasonAndRedaction: the rules' own arguments are shown and wanted, for programs and their calls, and what they withhold
// reaches no program.
func TestReasonAndRedaction(t *testing.T) {
	s := start(t, setup{mode: codetools.Code})
	if _, page := s.listed("told"); !strings.Contains(page, `"reason"`) || !strings.Contains(page, `"code"`) || !strings.Contains(page, "declare const notes") {
		t.Errorf("listed: %s", page)
	}
	call := func(code string) string {
		return strings.Join(textsOf(s.call("told", "execute_code", map[string]string{"code": code, "reason": "to see"}).Result), "\n")
	}
	if got := call("return await notes.read({id: '1'}).catch(e => e.code)"); !strings.Contains(got, "constraint") && !strings.Contains(got, "reason_required") {
		t.Errorf("without a reason: %s", got)
	}
	if got := call("return await notes.read({id: '1', reason: 'why not'})"); strings.Contains(got, `{\"a\":1}`) {
		t.Errorf("what is withheld: %s", got)
	}
	if texts := textsOf(s.call("told", "execute_code", map[string]string{"code": "return 1"}).Result); texts[0] == "1" {
		t.Errorf("a program without a reason: %q", texts)
	}
}
