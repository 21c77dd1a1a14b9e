// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"tollgate/upstream/wire"
)

// caller is one of the two principals of a group, with its clients. Both use the same upstream at the same time.
type caller struct {
	who, other string
	group      *group
	full       *rawClient // can be asked everything
	plain      *rawClient // can be asked nothing
	pair       *pair
	runs       int
}

// pair lets the two callers of a group do something together.
type pair struct {
	turns   sync.Mutex // held by the one that must be alone
	mu      sync.Mutex // guards waiting
	waiting chan struct{}
}

// alone runs one caller after the other.
func alone(run func(context.Context, *caller) (string, error)) func(context.Context, *caller) (string, error) {
	return func(ctx context.Context, c *caller) (string, error) {
		c.pair.turns.Lock()
		defer c.pair.turns.Unlock()
		return run(ctx, c)
	}
}

// together waits until both callers are here; the second to come runs f.
func (p *pair) together(ctx context.Context, f func() error) error {
	p.mu.Lock()
	w := p.waiting
	if w == nil {
		w = make(chan struct{})
		p.waiting = w
		p.mu.Unlock()
		select {
		case <-w:
			return nil
		case <-ctx.Done():
			return errors.New("waited too long for the other principal")
		}
	}
	p.waiting = nil
	p.mu.Unlock()
	defer close(w)
	return f()
}

// mark is a text that no other call of anybody has.
func (c *caller) mark(what string) string {
	c.runs++
	return fmt.Sprintf("%s-%s-%s-%d", c.who, c.group.name, what, c.runs)
}

func (c *caller) name(tool string) string { return c.group.name + "__" + tool }

// tool calls a tool with a marker and returns what came of it, with M for the marker and P for the principal.
func (c *caller) tool(ctx context.Context, client *rawClient, tool, marker, meta string) (outcome, id string, err error) {
	e, id, err := client.tool(ctx, c.name(tool), `"marker":`+quoted(marker), meta)
	if err != nil {
		return "", id, err
	}
	return c.outcome(e, marker), id, nil
}

func (c *caller) outcome(e *wire.Envelope, marker string) string {
	out := ""
	if e.Error != nil {
		we := wire.ParseError(e.Error)
		out = fmt.Sprintf("error %d", we.Code)
		if data := strings.TrimSpace(string(we.Data)); data != "" && data != "null" {
			out += " " + data
		}
	} else {
		list, _ := wire.Lookup(e.Result, "content")
		for item := range wire.Elements(list) {
			raw, _ := wire.Lookup(item, "text")
			text, _ := wire.String(raw)
			out += text
		}
		if raw, _ := wire.Lookup(e.Result, "isError"); string(raw) == "true" {
			out = "tool error: " + out
		}
		_, typed := wire.Lookup(e.Result, "resultType")
		if typed != c.full.rev.Modern() {
			out += " (of the wrong era: " + string(e.Result) + ")"
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(out, marker, "M"), c.who, "P")
}

func plainCall(ctx context.Context, c *caller) (string, error) {
	out, _, err := c.tool(ctx, c.full, "call", c.mark("call"), "")
	return out, err
}

// twoCalls makes two calls at once. As the first calls of their caller they also open what the gateway opens for it.
func twoCalls(ctx context.Context, c *caller) (string, error) {
	var work sync.WaitGroup
	var outs [2]string
	var errs [2]error
	for i := range outs {
		marker := c.mark("call")
		work.Go(func() { outs[i], _, errs[i] = c.tool(ctx, c.full, "call", marker, "") })
	}
	work.Wait()
	return outs[0] + ", " + outs[1], errors.Join(errs[0], errs[1])
}

// ask calls a tool that asks, on a client that can or cannot be asked.
func ask(tool, method string, can bool) func(context.Context, *caller) (string, error) {
	return func(ctx context.Context, c *caller) (string, error) {
		client := c.full
		if !can {
			client = c.plain
		}
		out, id, err := c.tool(ctx, client, tool, c.mark(tool), "")
		if err != nil {
			return "", err
		}
		all := client.take("", method)
		for _, h := range all {
			if !client.rev.Modern() && h.stream != client.link.streamOf(id) {
				out += " (asked on stream " + h.stream + ")"
			}
		}
		return fmt.Sprintf("asked %d: %s", len(all), out), nil
	}
}

func progress(wanted bool) func(context.Context, *caller) (string, error) {
	return func(ctx context.Context, c *caller) (string, error) {
		marker, meta := c.mark("progress"), ""
		if wanted {
			meta = `"progressToken":` + quoted("token of "+marker)
		}
		out, id, err := c.tool(ctx, c.full, "progress", marker, meta)
		if err != nil {
			return "", err
		}
		// All of it came before the answer, on the stream of the call.
		steps := ""
		for _, h := range c.full.take(c.full.link.streamOf(id), "notifications/progress") {
			step, _ := wire.Lookup(h.Params, "progress")
			token, _ := wire.Lookup(h.Params, "progressToken")
			message, _ := wire.Lookup(h.Params, "message")
			if string(token) != quoted("token of "+marker) || string(message) != quoted(marker) {
				steps += " foreign " + string(h.Raw)
			}
			steps += string(step) + " "
		}
		return steps + out, nil
	}
}

// logs calls a tool that logs; want is the level that the client asks for in its era's way, "" for none, and "together"
// when the calls of both principals have to run at the same time.
func logs(want string) func(context.Context, *caller) (string, error) {
	level, together := strings.CutSuffix(want, " together")
	return func(ctx context.Context, c *caller) (string, error) {
		tool := map[bool]string{false: "log", true: "chorus"}[together]
		marker, meta := c.mark("log"), ""
		switch {
		case level != "" && c.full.rev.Modern():
			meta = `"` + wire.MetaLogLevel + `":` + quoted(level)
		case level != "":
			if e, _, err := c.full.request(ctx, "logging/setLevel", `"level":`+quoted(level), ""); err != nil || e.Error != nil {
				return "", fmt.Errorf("logging/setLevel: %v", err)
			}
		}
		out, id, err := c.tool(ctx, c.full, tool, marker, meta)
		if err != nil {
			return "", err
		}
		said := ""
		for _, h := range c.full.take(c.full.link.streamOf(id), "notifications/message") {
			name, _ := wire.Lookup(h.Params, "level")
			data, _ := wire.Lookup(h.Params, "data")
			if string(data) != quoted(marker) {
				said += "foreign " + string(h.Raw)
			}
			said += strings.Trim(string(name), `"`) + " "
		}
		return said + out, nil
	}
}

// hang starts a call that does not end and waits until it runs at the upstream.
func (c *caller) hang(ctx context.Context, marker string) (id string, answer <-chan *wire.Envelope, err error) {
	id, answer, err = c.full.begin(ctx, "tools/call", `"name":`+quoted(c.name("hang"))+`,"arguments":{"marker":`+quoted(marker)+`}`, `"progressToken":`+quoted(marker))
	if err != nil {
		return "", nil, err
	}
	_, err = c.full.wait(ctx, c.full.link.streamOf(id), "notifications/progress")
	return id, answer, err
}

func cancel(ctx context.Context, c *caller) (string, error) {
	marker := c.mark("hang")
	id, answer, err := c.hang(ctx, marker)
	if err != nil {
		return "", err
	}
	if err := c.full.cancel(ctx, id); err != nil {
		return "", err
	}
	select {
	case <-c.group.origin.happened("ended " + marker):
	case <-ctx.Done():
		return "", errors.New("the upstream was not told")
	}
	out, _, err := c.tool(ctx, c.full, "call", c.mark("call"), "")
	select {
	case e := <-answer:
		if e != nil {
			return "answered although cancelled: " + string(e.Raw), nil
		}
	default: // on a pipe nothing more is heard of it
	}
	return "upstream told, then " + out, err
}

// listen is told of changes of the lists, and of one resource if uri is not empty. It returns how to stop.
func (c *caller) listen(ctx context.Context, uri string) (stop func() error, err error) {
	if !c.full.rev.Modern() {
		if uri == "" {
			return func() error { return nil }, nil // a session hears of lists anyway
		}
		e, _, err := c.full.request(ctx, "resources/subscribe", `"uri":`+quoted(uri), "")
		if err == nil && e.Error != nil {
			err = fmt.Errorf("resources/subscribe: %s", e.Raw)
		}
		return func() error {
			_, _, err := c.full.request(ctx, "resources/unsubscribe", `"uri":`+quoted(uri), "")
			return err
		}, err
	}
	filter := `"toolsListChanged":true`
	if uri != "" {
		filter = `"resourceSubscriptions":[` + quoted(uri) + `]`
	}
	id, _, err := c.full.begin(ctx, "subscriptions/listen", `"notifications":{`+filter+`}`, "")
	if err != nil {
		return nil, err
	}
	acks, err := c.full.wait(ctx, c.full.link.streamOf(id), "notifications/subscriptions/acknowledged")
	if err != nil {
		return nil, err
	}
	if agreed, _ := wire.Lookup(acks[0].Params, "notifications"); string(agreed) != "{"+filter+"}" {
		return nil, fmt.Errorf("agreed to %s, want %s", agreed, filter)
	}
	return func() error { return c.full.cancel(ctx, id) }, nil
}

func listChanged(ctx context.Context, c *caller) (string, error) {
	stop, err := c.listen(ctx, "")
	if err != nil {
		return "", err
	}
	c.full.take("", "notifications/tools/list_changed")
	tool := "own-" + c.mark("tool")
	if _, _, err := c.full.tool(ctx, c.name("grow"), `"tool":`+quoted(tool), ""); err != nil {
		return "", err
	}
	for {
		// The other principal's tool is announced too when both come at once; the list must show the own one in the end.
		if _, err := c.full.wait(ctx, "", "notifications/tools/list_changed"); err != nil {
			return "", err
		}
		e, _, err := c.full.request(ctx, "tools/list", "", "")
		if err != nil {
			return "", err
		}
		if strings.Contains(string(e.Result), quoted(c.name(tool))) {
			return "told and listed", stop()
		}
	}
}

func resourceUpdated(ctx context.Context, c *caller) (string, error) {
	uri := "test://" + c.group.name + "/" + c.mark("doc")
	stop, err := c.listen(ctx, uri)
	if err != nil {
		return "", err
	}
	if _, _, err := c.full.tool(ctx, c.name("touch"), `"uri":`+quoted(uri), ""); err != nil {
		return "", err
	}
	got, err := c.full.wait(ctx, "", "notifications/resources/updated")
	if err != nil {
		return "", err
	}
	for _, h := range got {
		if raw, _ := wire.Lookup(h.Params, "uri"); string(raw) != quoted(uri) {
			return "told of another resource: " + string(h.Raw), nil
		}
	}
	if err := stop(); err != nil {
		return "", err
	}
	for c.group.origin.watching(uri) {
		// The upstream is told after the client's end; the next answer of the upstream gives it time.
		if _, _, err := c.tool(ctx, c.full, "call", c.mark("call"), ""); err != nil {
			return "", errors.New("the upstream still watches for a client that has left")
		}
	}
	return "told of its own", nil
}

func restart(ctx context.Context, c *caller) (string, error) {
	uri := "test://" + c.group.name + "/" + c.mark("doc")
	stop, err := c.listen(ctx, uri)
	if err != nil {
		return "", err
	}
	marker := c.mark("hang")
	_, answer, err := c.hang(ctx, marker)
	if err != nil {
		return "", err
	}
	if err := c.pair.together(ctx, c.group.restart); err != nil {
		return "", err
	}
	e, err := await(ctx, "the call under way", answer)
	if err != nil {
		return "", err
	}
	// Nobody knows whether the resource changed meanwhile, so that is what its watchers are told.
	for told := false; !told; {
		got, err := c.full.wait(ctx, "", "notifications/resources/updated")
		if err != nil {
			return "", err
		}
		for _, h := range got { // those of the row before may have come twice
			raw, _ := wire.Lookup(h.Params, "uri")
			told = told || string(raw) == quoted(uri)
		}
	}
	out, _, err := c.tool(ctx, c.full, "call", c.mark("call"), "")
	if err != nil {
		return "", err
	}
	return c.outcome(e, marker) + ", then " + out, stop()
}
