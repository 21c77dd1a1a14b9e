// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tollgate/aggregator"
	"tollgate/codemode"
	"tollgate/codemode/declare"
	"tollgate/upstream/wire"
)

// The functions beside servers.
const (
	// toolsGlobal is the server of the functions that programs find tools with.
	toolsGlobal = "tools"

	codeUnknown  = "unknown_tool"
	codeTool     = "tool_error"
	codeUpstream = "upstream_failed"
	codeGateway  = "gateway_failed"
)

// builtins are the functions beside servers.
func builtins() []codemode.Builtin {
	return []codemode.Builtin{
		{Name: "search", First: "query"}, {Name: "describe", First: "name"}, {Name: "call", First: "name"},
		{Name: "listToolFiles", First: "query", Global: true}, {Name: "readToolFile", First: "fileName", Global: true},
	}
}

// inner answers one call of the program.
func (r *run) inner(ctx context.Context, call *codemode.Call) codemode.Answer {
	if call.Server == toolsGlobal {
		return r.builtin(ctx, call)
	}
	return r.made(ctx, call, "")
}

// aim is where a call goes: the displayed name of its tool, the name by which the program called it, and the arguments.
func (r *run) aim(call *codemode.Call) (name, said string, arguments json.RawMessage, err error) {
	if call.Server != toolsGlobal {
		return r.surface.displayed(r.server(call.Server), call.Server, call.Tool), call.Server + "." + call.Tool, call.Arguments, nil
	}
	var in struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if err := decode(call.Arguments, &in, "name", "arguments"); err != nil {
		return "", "", nil, err
	}
	if len(in.Arguments) == 0 {
		in.Arguments = json.RawMessage("{}")
	}
	if x := r.surface.find(in.Name); x != nil {
		return x.entry.Name, in.Name, in.Arguments, nil
	}
	return in.Name, in.Name, in.Arguments, nil
}

// server is that of a global of the program; nil when the caller sees nothing of it any more.
func (r *run) server(global string) *server {
	upstream := r.upstreams[global]
	if g := r.surface.at[global]; g != nil && g.upstream == upstream {
		return g
	}
	for _, g := range r.surface.at {
		if g.upstream == upstream {
			return g
		}
	}
	return nil
}

// made passes a call to the gate. confirmed is what the user confirmed about it, "" for nothing.
func (r *run) made(ctx context.Context, call *codemode.Call, confirmed string) codemode.Answer {
	name, said, arguments, err := r.aim(call)
	if err != nil {
		return wrong(err.Error())
	}
	reply := r.call.Inner(ctx, &aggregator.InnerCall{Seq: call.Seq, Name: name, Arguments: arguments, Confirmed: confirmed})
	r.mu.Lock()
	defer r.mu.Unlock()
	if reply.Question != nil {
		if r.tools.opts.Keeper == nil {
			return codemode.Answer{Err: &codemode.ToolError{Code: aggregator.CodeConfirmation, Message: "this call needs the user's confirmation, and this gateway keeps no programs that wait"}}
		}
		r.questions[call.Seq] = question{*reply.Question, reply.Asked}
		return codemode.Answer{Park: true}
	}
	r.done++
	r.call.Notify(r.done, clip(name, maxPath))
	return r.answer(name, said, &reply)
}

// answer is what the program gets of a reply.
func (r *run) answer(name, said string, reply *aggregator.InnerReply) codemode.Answer {
	if reply.Over {
		r.stop(&overError{reply.Refusal.Sentence})
	}
	if e := r.toolError(said, reply); e != nil {
		return codemode.Answer{Err: e}
	}
	x := r.surface.byName[name]
	return codemode.Answer{Value: unwrap(reply.Result, x != nil && len(x.doc.Output) > 0)}
}

// toolError is the error that the program gets; nil when the call succeeded.
func (r *run) toolError(said string, reply *aggregator.InnerReply) *codemode.ToolError {
	switch {
	case reply.End == aggregator.Unknown:
		return r.unknownTool(said)
	case reply.Refusal != nil:
		e := &codemode.ToolError{Code: reply.Refusal.Code, Message: reply.Refusal.Sentence, Retryable: reply.Refusal.RetryAfter > 0}
		if s := int64(reply.Refusal.RetryAfter.Seconds() + 0.999); s > 0 {
			e.Details = json.RawMessage(fmt.Sprintf(`{"retry_after_s":%d}`, s))
		}
		return e
	case reply.Error != nil:
		e := &codemode.ToolError{Code: codeTool, Message: reply.Error.Message, Details: json.RawMessage(reply.Error.Data)}
		switch reply.End {
		case aggregator.UpstreamFailed, aggregator.Cancelled:
			e.Code = codeUpstream
			outcome, _ := wire.Lookup(reply.Error.Data, "outcome")
			e.Retryable = string(outcome) == `"not_executed"`
		case aggregator.GatewayFailed:
			e.Code = codeGateway
		}
		return e
	}
	if failed, _ := wire.Lookup(reply.Result, "isError"); string(failed) == "true" {
		return reported(reply.Result)
	}
	return nil
}

// maxMessage bounds the message of an error, in bytes.
const maxMessage = 4 << 10

// reported is the error that a tool answered.
func reported(result []byte) *codemode.ToolError {
	e := &codemode.ToolError{Code: codeTool}
	var texts []string
	content, _ := wire.Lookup(result, "content")
	for block := range wire.Elements(content) {
		if textOf(block, "type") == "text" {
			texts = append(texts, textOf(block, "text"))
		}
	}
	e.Message = clip(strings.Join(texts, "\n"), maxMessage)
	if e.Message == "" {
		e.Message = "the tool failed without saying why"
	}
	if structured, ok := wire.Lookup(result, "structuredContent"); ok && len(structured) <= maxMessage {
		e.Details = structured
	}
	return e
}

// unknownTool is the error for a tool that is hidden or missing: it depends on what the program may see only.
func (r *run) unknownTool(name string) *codemode.ToolError {
	message := clip(name, maxPath) + " is not a tool."
	global, _, _ := strings.Cut(name, ".")
	if near := r.surface.near(name); len(near) > 0 {
		message += " Did you mean " + strings.Join(near, ", ") + "?"
	} else if g := r.surface.at[global]; g != nil {
		message += " Tools of " + g.name + ": " + clip(strings.Join(g.names(), ", "), 500)
	}
	return &codemode.ToolError{Code: codeUnknown, Message: message}
}

// names are the members of g.
func (g *server) names() []string {
	var out []string
	for _, x := range g.tools {
		out = append(out, x.member)
	}
	slices.Sort(out)
	return out
}

// builtin answers the functions that programs find tools with: what they say costs no turn of the model.
func (r *run) builtin(ctx context.Context, call *codemode.Call) codemode.Answer {
	var in struct {
		query
		Name     string   `json:"name"`
		Names    []string `json:"names"`
		FileName string   `json:"fileName"`
	}
	if call.Tool == "call" {
		return r.made(ctx, call, "")
	}
	if err := decode(call.Arguments, &in, "query", "server", "limit", "detail", "name", "names", "fileName"); err != nil {
		return wrong(err.Error())
	}
	s := r.surface
	switch call.Tool {
	case "search":
		return r.hits(&in.query)
	case "describe":
		if in.Name != "" {
			in.Names = append(in.Names, in.Name)
		}
		out, missing := s.types(in.Names[:min(len(in.Names), maxRead)], Code)
		if out == "" {
			return wrong(s.unknown(missing))
		}
		return said(out)
	case "listToolFiles":
		return said(bounded(r.tools.listFiles(s, &in.query)))
	case "readToolFile":
		if out, ok := s.file(in.FileName); ok {
			return said(out)
		}
		return wrong(fmt.Sprintf("there is no file %q", clip(in.FileName, 100)))
	}
	return wrong(fmt.Sprintf("%s.%s is not a tool. Tools of %s: call, describe, search, listToolFiles, readToolFile", toolsGlobal, clip(call.Tool, 100), toolsGlobal))
}

// hits are the tools that a query finds, as objects.
func (r *run) hits(q *query) codemode.Answer {
	type hit struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Types       string `json:"types,omitempty"`
	}
	found, _ := r.tools.ranked(r.surface, q)
	out := make([]hit, 0, len(found))
	for _, x := range found {
		h := hit{Name: x.path(), Description: clip(plainLine(x.doc.Description), maxLine)}
		if q.Detail == "types" {
			h.Types = declare.One(x.server.name, x.member, &x.doc, true)
		}
		out = append(out, h)
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return wrong(err.Error())
	}
	return codemode.Answer{Value: raw}
}

func said(s string) codemode.Answer {
	return codemode.Answer{Value: wire.AppendString(nil, strings.ToValidUTF8(s, "\ufffd"))}
}

func wrong(message string) codemode.Answer {
	return codemode.Answer{Err: &codemode.ToolError{Code: codeUnknown, Message: message}}
}
