// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/aggregator"
	"tollgate/aggregator/bridge"
	"tollgate/policy"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// TestTaskOutcomes: a ledger learns which task a call began, and with each look at it what became of it.
func TestTaskOutcomes(t *testing.T) {
	ups := &answers{}
	l := &ledger{}
	g := newGate(t, ups, l, 1)
	if err := g.Publish(aggregator.Rules{Decider: allow(func(o policy.Object) bool { return true })}); err != nil {
		t.Fatal(err)
	}
	client := bridge.Client{Revision: wire.R20260728, Capabilities: []byte(`{"extensions":{"io.modelcontextprotocol/tasks":{}}}`)}
	ask := func(method, params, answer string) aggregator.Reply {
		ups.reply = &upstream.Reply{Revision: wire.R20260728, Result: []byte(answer)}
		return g.Call(t.Context(), caller, &aggregator.Call{Method: method, Params: []byte(params), Client: client})
	}
	made := ask(aggregator.MethodCallTool, `{"name":"up__echo"}`, `{"resultType":"task","taskId":"7","status":"working"}`)
	id, _ := wire.Lookup(made.Result, "taskId")
	params := `{"taskId":` + string(id) + `}`
	ask(aggregator.MethodGetTask, params, `{"resultType":"complete","taskId":"7","status":"working"}`)
	ask(aggregator.MethodCancelTask, params, `{"resultType":"complete"}`)
	ask(aggregator.MethodGetTask, params, `{"resultType":"complete","taskId":"7","status":"cancelled"}`)
	ask(aggregator.MethodGetTask, `{"taskId":"none"}`, `{}`)

	var ends []aggregator.End
	var terminal []bool
	for _, o := range l.settled {
		if o.Task == nil || o.Task.Upstream != "up" || o.Task.ID != "7" {
			t.Fatalf("the outcome %+v names no task", o)
		}
		ends, terminal = append(ends, o.End), append(terminal, o.Task.Terminal())
	}
	if diff := cmp.Diff([]aggregator.End{aggregator.TaskCreated, aggregator.Answered, aggregator.Answered, aggregator.Answered}, ends); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]bool{false, false, false, true}, terminal); diff != "" {
		t.Errorf("terminal (-want +got):\n%s", diff)
	}
}
