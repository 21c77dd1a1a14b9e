// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/bridge"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/upstream/wire"
)

// The methods of the tasks extension. They exist between modern peers only.
const (
	MethodGetTask    = "tasks/get"
	MethodUpdateTask = "tasks/update"
	MethodCancelTask = "tasks/cancel"
)

const (
	// taskLife is how long the id of a task is good: longer than upstreams keep tasks, not forever.
	taskLife = 30 * 24 * time.Hour
	// maxTaskID bounds an upstream's taskId in bytes: sealed it has to fit into a header.
	maxTaskID = 1 << 10
	// maxSealedID bounds the id as clients send it.
	maxSealedID = 6 << 10
)

// TaskStatus is what the gateway saw of a task when a call ended that created it or asked after it.
type TaskStatus struct {
	Upstream string
	ID       string // the upstream's own; with Upstream it names the task, whoever asks and under whatever id
	Status   string // as the upstream said it; "" when it did not, as in acknowledgements
	Result   []byte // of its tool, once it has completed; nil = none
}

// Terminal reports whether the task has ended and stays as it is.
func (t *TaskStatus) Terminal() bool {
	return t.Status == "completed" || t.Status == "failed" || t.Status == "cancelled"
}

// task is the task a call is about.
type task struct {
	own, shown string              // the upstream's id, and the one the client used
	owes       *policy.Obligations // those of the call it came from
}

func unknownTask() *Reply { return invalid("Unknown task") }

// taskBinding is what the id of a task is good for: everything its creator may do with it, and nobody else.
func taskBinding(caller *auth.Principal) *bridge.Binding {
	return &bridge.Binding{Caller: caller.Key(), Method: "tasks"}
}

// routeTask finds where a call on a task goes. The tool that the task came from decides: who cannot see it any more
// gets the answer that somebody else's id gets, or one that was made up.
func (g *Gate) routeTask(rev *revision, view *catalog.View, caller *auth.Principal, c *Call) (*target, *Reply) {
	if !c.Client.Declares(bridge.TasksExtension) {
		return nil, &Reply{Error: bridge.MissingExtension(bridge.TasksExtension), End: Refused}
	}
	id, ok := bridge.TaskID(c.Params)
	if !ok {
		return nil, invalid("params.taskId must be a string")
	}
	st, err := g.sealer.Open(id, taskBinding(caller))
	if err != nil || st.Kind != bridge.Task {
		return nil, unknownTask()
	}
	e, ok := view.ToolOf(st.Upstream, st.Tool)
	if !ok || !rev.catalog.Speaks(st.Upstream).Modern() {
		return nil, unknownTask()
	}
	return &target{
		upstream: e.Upstream, shown: id, params: upstreamParams(c.Params, "taskId", id, st.Inner),
		readOnly: c.Method == MethodGetTask, object: e.Object, entry: e,
		task: &task{own: st.Inner, shown: id, owes: &policy.Obligations{Redact: st.Withheld, KeepText: st.Keep, MaxResultBytes: st.Cap}},
	}, nil
}

// withTask makes the task in a reply the client's: its id is one that only this caller can use. up is the revision the
// upstream spoke.
func (g *Gate) withTask(caller *auth.Principal, c *Call, to *target, up wire.Revision, out Reply) Reply {
	switch {
	case out.Error != nil:
		return out
	case to.task != nil:
		out.Task = taskStatus(to, to.task.own, out.raw)
		out.Result = bridge.RenameTask(out.Result, to.task.shown)
		return out
	case bridge.IsTask(out.Result):
		return g.created(caller, c, to, up, out)
	}
	return out
}

// created is the reply that hands a new task out, or the failure of an upstream that may not have made it: a client that
// knows of no tasks would take it for an empty success.
func (g *Gate) created(caller *auth.Principal, c *Call, to *target, up wire.Revision, out Reply) Reply {
	own, ok := bridge.TaskID(out.Result)
	detail := ""
	switch {
	case c.Method != MethodCallTool:
		detail = fmt.Sprintf("answered %s with a task, which only a tools/call may become", c.Method)
	case !up.Modern():
		detail = fmt.Sprintf("answered with a task, which protocol revision %s does not have", up)
	case !c.Client.Declares(bridge.TasksExtension):
		detail = fmt.Sprintf("answered with a task, although the request did not declare the extension %q", bridge.TasksExtension)
	case !ok || own == "":
		detail = "answered with a task that has no taskId"
	case len(own) > maxTaskID:
		detail = fmt.Sprintf("answered with a taskId of more than %d bytes", maxTaskID)
	}
	if detail != "" {
		return g.upstreamFailed(c, protocolError(to, detail))
	}
	owed := to.verdict.obligations
	st := bridge.State{
		Kind: bridge.Task, Upstream: to.upstream, Inner: own, Tool: to.object.OriginalName,
		Withheld: owed.Redact, Keep: owed.KeepText, Cap: to.verdict.maxBytes,
	}
	id, err := g.sealer.Seal(st, taskBinding(caller), taskLife)
	if err != nil {
		return g.broke(c, err)
	}
	if len(id) > maxSealedID {
		return g.upstreamFailed(c, protocolError(to, "answered with a task, whose redactions do not fit into its id"))
	}
	return Reply{Result: bridge.RenameTask(out.Result, id), End: TaskCreated, Task: taskStatus(to, own, out.raw), raw: out.raw}
}

// taskStatus reads what the upstream said of a task.
func taskStatus(to *target, own string, result []byte) *TaskStatus {
	raw, _ := wire.Lookup(result, "status")
	status, _ := wire.String(raw)
	done, _ := wire.Lookup(result, "result")
	return &TaskStatus{Upstream: to.upstream, ID: own, Status: status, Result: done}
}
