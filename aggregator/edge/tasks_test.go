// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"tollgate/aggregator"
	"tollgate/policy"
	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

const (
	takesTasks = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}`
	newTask    = `{"resultType":"task", "taskId":"inner/1 é","status":"working","n":9007199254740993,"ttlMs":null, "createdAt":"2026-11-24T00:00:00Z","x":{"taskId":"inner/1 é"}}`
	askingTask = `{"resultType":"complete","status":"input_required", "taskId":"inner/1 é","inputRequests":{"k":{"method":"elicitation/create","params":{"message":"?","n":1.0,"taskId":"inner/1 é"}}}}`
	tasksOnly  = `{"tools":{"listChanged":true},"resources":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}`
)

// tasker is a modern server whose tool becomes a task.
func tasker() *upstreamtest.Server {
	up := echo()
	up.Capabilities = tasksOnly
	up.Results["tools/call"] = newTask
	up.Results["tasks/get"] = askingTask
	up.Results["tasks/update"] = `{"resultType":"complete", "n":1.0}`
	up.Results["tasks/cancel"] = `{"resultType":"complete"}`
	return up
}

func taskRequest(id, method, params string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{` + params + `,` + takesTasks + `}}`
}

func onTask(id, method, task string) string {
	return taskRequest(id, method, `"taskId":`+string(wire.AppendString(nil, task)))
}

func (g *gateway) newTask(t *testing.T, role string) (id, answer string) {
	t.Helper()
	_, answer = g.ask(t, role, taskRequest("1", "tools/call", `"name":"up__echo","arguments":{}`), nil)
	raw, _ := lookup([]byte(answer), "result", "taskId")
	id, ok := wire.String([]byte(raw))
	if !ok {
		t.Fatalf("no task in %s", answer)
	}
	return id, answer
}

// TestTaskLife: a task is created, asked after, answered and cancelled, and nothing but its id changes on the way.
func TestTaskLife(t *testing.T) {
	up := tasker()
	g := start(t, named{"up", true, up})
	id, answer := g.newTask(t, "reader")
	renamed := func(s string) string {
		return strings.Replace(s, `"taskId":"inner/1 é"`, `"taskId":"`+id+`"`, 1)
	}
	if got := result(t, answer); got != renamed(newTask) {
		t.Errorf("created:\n%s\nwant\n%s", got, renamed(newTask))
	}
	if wire.EncodeHeaderValue(id) != id || len(id) > 256 || strings.Contains(id, "inner") {
		t.Errorf("the id %q is not fit for a header", id)
	}
	if again, _ := g.newTask(t, "reader"); again == id {
		t.Error("an id can be guessed from another")
	}
	_, answer = g.ask(t, "reader", onTask("2", "tasks/get", id), nil)
	if got := result(t, answer); got != renamed(askingTask) {
		t.Errorf("tasks/get:\n%s\nwant\n%s", got, renamed(askingTask))
	}
	answers := `"inputResponses":{"k":{"action":"accept","content":{"v":9007199254740993}}}`
	_, answer = g.ask(t, "reader", taskRequest("3", "tasks/update", `"taskId":"`+id+`",`+answers), nil)
	if got := result(t, answer); got != up.Results["tasks/update"] {
		t.Errorf("tasks/update: %s", got)
	}
	_, answer = g.ask(t, "reader", onTask("4", "tasks/cancel", id), nil)
	if got := result(t, answer); got != up.Results["tasks/cancel"] {
		t.Errorf("tasks/cancel: %s", got)
	}
	for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
		seen := up.Seen(method)
		if len(seen) != 1 || !bytes.Contains(seen[0].Params, []byte(`"taskId":"inner/1 é"`)) || !bytes.Contains(seen[0].Params, []byte(`"io.modelcontextprotocol/tasks":{}`)) {
			t.Errorf("%s: the upstream saw %v", method, seen)
		}
		if method == "tasks/update" && !bytes.Contains(seen[0].Params, []byte(answers)) {
			t.Errorf("the upstream saw %s", seen[0].Params)
		}
	}
	up.Set("tasks/get", `{"resultType":"complete","taskId":"inner/1 é","status":"completed","result":{"content":[],"structuredContent":null}}`)
	if _, answer = g.ask(t, "reader", onTask("5", "tasks/get", id), nil); result(t, answer) != renamed(up.Results["tasks/get"]) {
		t.Errorf("completed: %s", answer)
	}
}

// hides is roles without the tool that became a task.
type hides struct{ roles }

func (hides) Revision() string { return "hides echo" }

func (hides) Access(_ context.Context, _ *policy.Principal, objects []policy.Object) ([]bool, error) {
	out := make([]bool, len(objects))
	for i, o := range objects {
		out[i] = o.OriginalName != "echo"
	}
	return out, nil
}

// TestUnknownTask: somebody else's id, a changed one, one made up and one whose tool is hidden by now get the same bytes.
func TestUnknownTask(t *testing.T) {
	up := tasker()
	g := start(t, named{"up", true, up})
	id, _ := g.newTask(t, "reader")
	state, _ := g.newTask(t, "admin")
	_, answer := g.ask(t, "admin", taskRequest("1", "tools/call", `"name":"up__secret"`), nil)
	raw, _ := lookup([]byte(answer), "result", "taskId")
	secret, _ := wire.String([]byte(raw))
	for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
		before := len(up.Seen(method))
		_, want := g.ask(t, "reader", onTask("7", method, "made up"), nil)
		if !strings.Contains(want, `"code":-32602`) {
			t.Fatalf("made up: %s", want)
		}
		flipped := []byte(id)
		if flipped[len(id)/2]++; flipped[len(id)/2] > 'y' {
			flipped[len(id)/2] = 'a'
		}
		for name, try := range map[string][2]string{
			"somebody else's": {"admin", id}, "another's": {"reader", state}, "changed": {"reader", string(flipped)},
			"shortened": {"reader", id[:len(id)-4]}, "empty": {"reader", ""}, "the upstream's": {"reader", "inner/1 é"},
		} {
			if _, got := g.ask(t, try[0], onTask("7", method, try[1]), nil); got != want {
				t.Errorf("%s, %s: %s, want %s", method, name, got, want)
			}
		}
		if n := len(up.Seen(method)); n != before {
			t.Errorf("%s reached the upstream %d times", method, n-before)
		}
	}
	_, want := g.ask(t, "reader", onTask("7", "tasks/get", "made up"), nil)
	if status, got := g.ask(t, "reader", onTask("7", "tasks/get", id), nil); status != http.StatusOK || got == want {
		t.Fatalf("the honest client: %s", got)
	}
	before := len(up.Seen("tasks/get"))
	if err := g.gate.Publish(aggregator.Rules{Decider: hides{}}); err != nil {
		t.Fatal(err)
	}
	if _, got := g.ask(t, "reader", onTask("7", "tasks/get", id), nil); got != want || len(up.Seen("tasks/get")) != before {
		t.Errorf("the tool is hidden: %s", got)
	}
	if _, got := g.ask(t, "admin", onTask("7", "tasks/get", secret), nil); !strings.Contains(got, `"taskId":"`+secret+`"`) {
		t.Errorf("a task of another tool: %s", got)
	}
}

// TestTaskSurvivesRestart: with the same sealing key another process knows the task; with another key it does not.
func TestTaskSurvivesRestart(t *testing.T) {
	up, key := tasker(), bytes.Repeat([]byte{7}, 32)
	id, _ := startWith(t, setup{key: key}, named{"up", true, up}).newTask(t, "reader")
	// The tool is shown under another name by then.
	again := startWith(t, setup{key: key}, named{"up", false, up})
	if _, answer := again.ask(t, "reader", onTask("2", "tasks/get", id), nil); !strings.Contains(answer, `"status":"input_required", "taskId":"`+id+`"`) {
		t.Errorf("after a restart: %s", answer)
	}
	other := startWith(t, setup{}, named{"up", true, up})
	if _, answer := other.ask(t, "reader", onTask("2", "tasks/get", id), nil); !strings.Contains(answer, `"code":-32602`) {
		t.Errorf("with another key: %s", answer)
	}
	older := echo()
	older.Legacy = true
	went := startWith(t, setup{key: key}, named{"up", true, older})
	if _, answer := went.ask(t, "reader", onTask("2", "tasks/get", id), nil); !strings.Contains(answer, `"code":-32602`) || len(older.Seen("tasks/get")) > 0 {
		t.Errorf("with a server of an earlier revision in its place: %s", answer)
	}
}

// TestUndeclaredTasks: who did not declare the extension gets no task, and no success without one either.
func TestUndeclaredTasks(t *testing.T) {
	up := tasker()
	old := echo()
	old.Legacy = true
	old.Results["tools/call"] = newTask
	g := start(t, named{"up", true, up}, named{"old", true, old})
	_, answer := g.ask(t, "reader", modernRequest("1", "tools/call", `"name":"up__echo"`), nil)
	if !strings.Contains(answer, `"error"`) || !strings.Contains(answer, `did not declare the extension \"io.modelcontextprotocol/tasks\"`) || strings.Contains(answer, "inner") {
		t.Errorf("an undeclared task: %s", answer)
	}
	if _, answer = g.ask(t, "reader", taskRequest("1", "tools/call", `"name":"old__echo"`), nil); !strings.Contains(answer, `"error"`) || !strings.Contains(answer, "2025-11-25") {
		t.Errorf("a task of an earlier revision: %s", answer)
	}
	const want = `{"requiredCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}`
	for _, body := range []string{
		modernRequest("2", "tasks/get", `"taskId":"x"`), modernRequest("2", "tasks/update", `"taskId":"x"`), modernRequest("2", "tasks/cancel", `"taskId":"x"`),
		modernRequest("2", "subscriptions/listen", `"notifications":{"taskIds":["x"]}`),
	} {
		status, answer := g.ask(t, "reader", body, nil)
		if data, _ := lookup([]byte(answer), "error", "data"); status != http.StatusBadRequest || data != want || !strings.Contains(answer, `"code":-32021`) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	up.Set("tools/call", `{"resultType":"task","status":"working"}`)
	if _, answer = g.ask(t, "reader", taskRequest("1", "tools/call", `"name":"up__echo"`), nil); !strings.Contains(answer, "no taskId") {
		t.Errorf("a task without an id: %s", answer)
	}
	for _, method := range []string{"tasks/result", "tasks/list"} {
		if _, answer := g.ask(t, "reader", onTask("3", method, "x"), nil); !strings.Contains(answer, `"code":-32601`) {
			t.Errorf("%s: %s", method, answer)
		}
	}
}

// TestLegacyClientHasNoTasks: neither is it told of them nor is it taken at its word.
func TestLegacyClientHasNoTasks(t *testing.T) {
	up := tasker()
	old := echo()
	old.Legacy = true
	g := start(t, named{"up", true, up}, named{"old", true, old})
	caps := `"capabilities":{"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{}}}`
	resp := g.post(t, "reader", strings.Replace(initialize, `"capabilities":{}`, caps, 1), nil)
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(buf.String(), "tasks") {
		t.Errorf("initialize: %s", buf.String())
	}
	session := resp.Header.Get("Mcp-Session-Id")
	_, answer := g.ask(t, "reader", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo"}}`, in(session))
	if !strings.Contains(answer, `"error"`) || !strings.Contains(answer, `type \"task\"`) {
		t.Errorf("a task: %s", answer)
	}
	if seen := up.Seen("tools/call")[0].Params; bytes.Contains(seen, []byte("/tasks")) || !bytes.Contains(seen, []byte(`"io.modelcontextprotocol/ui":{}`)) {
		t.Errorf("the upstream saw %s", seen)
	}
	for _, name := range []string{"up__echo", "old__echo"} {
		_, answer = g.ask(t, "reader", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"`+name+`","task":{"ttl":1},"more":1.0}}`, in(session))
		if answer == "" {
			t.Error("no answer")
		}
	}
	if seen := old.Seen("tools/call")[0].Params; bytes.Contains(seen, []byte(`"task"`)) || !bytes.Contains(seen, []byte(`"more":1.0`)) {
		t.Errorf("the upstream of an earlier revision saw %s", seen)
	}
	if _, answer = g.ask(t, "reader", `{"jsonrpc":"2.0","id":3,"method":"tasks/get","params":{"taskId":"x"}}`, in(session)); !strings.Contains(answer, `"code":-32601`) {
		t.Errorf("tasks/get: %s", answer)
	}
}

// TestTaskFilter: tasks are left out of what a subscription agrees to.
func TestTaskFilter(t *testing.T) {
	g := start(t, named{"up", true, tasker()})
	e := newEvents(t, g.post(t, "reader", taskRequest("9", "subscriptions/listen", `"notifications":{"taskIds":["x"],"toolsListChanged":true}`), nil))
	if ack := e.next(); !strings.Contains(ack, `"notifications":{"toolsListChanged":true}`) {
		t.Errorf("got %s", ack)
	}
}

// TestDeclaredExtensions: a client is told what works of what the upstreams it sees declare.
func TestDeclaredExtensions(t *testing.T) {
	up, hidden, old := tasker(), echo(), echo()
	up.Capabilities = `{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{"n":1.0},"io.modelcontextprotocol/oauth-client-credentials":{}}}`
	hidden.Results["tools/list"] = strings.Replace(hidden.Results["tools/list"], `"echo"`, `"secret2"`, 1)
	hidden.Capabilities = `{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{},"com.example/x":{"a":[ 1]}}}`
	old.Legacy = true
	old.Capabilities = `{"tools":{},"extensions":{"com.example/old":{}}}`
	g := start(t, named{"old", true, old}, named{"up", true, up}, named{"hidden", true, hidden})
	for role, want := range map[string]string{
		"reader": `{"io.modelcontextprotocol/tasks":{"n":1.0}}`,
		"admin":  `{"io.modelcontextprotocol/tasks":{"n":1.0},"com.example/x":{"a":[ 1]}}`,
	} {
		_, answer := g.ask(t, role, modernRequest("1", "server/discover", ""), nil)
		if got, _ := lookup([]byte(answer), "result", "capabilities", "extensions"); got != want {
			t.Errorf("%s: %s, want %s", role, got, want)
		}
	}
	plain := start(t, named{"old", true, old})
	if _, answer := plain.ask(t, "admin", modernRequest("1", "server/discover", ""), nil); strings.Contains(answer, "extensions") {
		t.Errorf("without modern upstreams: %s", answer)
	}
}

// TestTaskHeaders: over HTTP the upstream's own id is in Mcp-Name, and a client's must fit its body.
func TestTaskHeaders(t *testing.T) {
	up := tasker()
	names := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		e, err := wire.Parse(body)
		if err != nil || !e.IsRequest() {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		if e.Method == "tasks/get" {
			names <- r.Header.Get(wire.HeaderName)
		}
		answer, known := up.Results[e.Method]
		switch {
		case e.Method == "server/discover":
			answer = `{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},"resultType":"complete","ttlMs":0,"cacheScope":"private"}`
		case !known:
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write(wire.AppendError(nil, e.ID, &wire.Error{Code: wire.CodeMethodNotFound, Message: "no"}))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(wire.AppendResult(nil, e.ID, []byte(answer)))
	}))
	t.Cleanup(server.Close)
	g := startWith(t, setup{urls: map[string]string{"up": server.URL}}, named{"up", true, up})
	id, _ := g.newTask(t, "reader")
	g.ask(t, "reader", onTask("2", "tasks/get", id), nil)
	if got, err := wire.DecodeHeaderValue(<-names); err != nil || got != "inner/1 é" {
		t.Errorf("the upstream's Mcp-Name: %q, %v", got, err)
	}
	status, answer := g.ask(t, "reader", onTask("3", "tasks/get", id), func(h http.Header) { h.Set(wire.HeaderName, "other") })
	if status != http.StatusBadRequest || !strings.Contains(answer, "-32020") {
		t.Errorf("another task in Mcp-Name: %d %s", status, answer)
	}
}

// TestTasksTogether: many clients ask after tasks at once.
func TestTasksTogether(t *testing.T) {
	g := start(t, named{"up", true, tasker()})
	ids := map[string]string{}
	for _, role := range []string{"reader", "admin"} {
		ids[role], _ = g.newTask(t, role)
	}
	var work sync.WaitGroup
	for i := range 20 {
		for role, id := range ids {
			work.Go(func() {
				if _, answer := g.ask(t, role, onTask(fmt.Sprint(i), "tasks/get", id), nil); !strings.Contains(answer, `"taskId":"`+id+`"`) {
					t.Errorf("%s: %s", role, answer)
				}
			})
		}
	}
	work.Wait()
}
