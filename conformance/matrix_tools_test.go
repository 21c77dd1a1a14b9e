// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"strings"

	"tollgate/upstream/wire"
)

// call runs a tool. Every tool has an argument "marker" that comes back in whatever the tool says.
func (o *origin) call(t *turn) {
	marker := t.member("arguments", "marker")
	switch name := t.member("name"); name {
	case "call":
		o.say(t, marker)
	case "elicit":
		o.converse(t, "elicitation", marker, "first", "second")
	case "sample":
		o.converse(t, "sampling", marker, "thought")
	case "roots":
		o.converse(t, "roots", marker, "roots")
	case "rude":
		o.inquire(t, "sampling", marker, []string{"thought"})
	case "progress":
		o.progress(t, marker, 3)
		o.say(t, marker)
	case "log":
		o.log(t, marker)
		o.say(t, marker)
	case "chorus":
		// Both calls are under way while either logs.
		if o.both.together(t.ctx, func() error { return nil }) == nil {
			o.log(t, marker)
			if o.both.together(t.ctx, func() error { return nil }) == nil {
				o.say(t, marker)
			}
		}
	case "hang":
		o.progress(t, marker, 1)
		<-t.ctx.Done()
		o.note("ended " + marker)
	case "grow":
		o.grow(t.member("arguments", "tool"))
		o.say(t, marker)
	case "touch":
		o.touch(t.member("arguments", "uri"))
		o.say(t, marker)
	default:
		t.fail(-32602, "unknown tool "+name, "null")
	}
}

func (o *origin) say(t *turn, text string) {
	t.result(o.modern, `{"content":[{"type":"text","text":`+quoted(text)+`}]}`, false)
}

// declares reports whether the client can be asked this kind of thing.
func (o *origin) declares(t *turn, kind string) bool {
	caps, _ := wire.Lookup(t.Params, "_meta", wire.MetaClientCapabilities)
	if !o.modern {
		o.mu.Lock()
		caps = t.ear.caps
		o.mu.Unlock()
	}
	_, ok := wire.Lookup(caps, kind)
	return ok
}

// converse asks the client in the origin's own era's way, unless it cannot be asked, and says what it answered.
func (o *origin) converse(t *turn, kind, marker string, questions ...string) {
	switch {
	case o.declares(t, kind):
		o.inquire(t, kind, marker, questions)
	case o.modern:
		t.fail(-32021, marker+" cannot be asked", `{"requiredCapabilities":{"`+kind+`":{}}}`)
	default:
		t.result(false, `{"content":[{"type":"text","text":`+quoted(marker+" cannot be asked")+`}],"isError":true}`, false)
	}
}

func (o *origin) inquire(t *turn, kind, marker string, questions []string) {
	if o.modern {
		o.inquireModern(t, kind, marker, questions)
		return
	}
	said := []string{marker}
	for _, q := range questions {
		method, params := inquiry(kind, marker, q)
		e := t.ask(method, params)
		switch {
		case e == nil:
			o.note("ended " + marker)
			return
		case e.Error != nil:
			said = append(said, fmt.Sprintf("error %d", wire.ParseError(e.Error).Code))
		default:
			said = append(said, spoken(kind, e.Result))
		}
	}
	o.say(t, strings.Join(said, ", "))
}

// inquireModern keeps what was answered so far in the state.
func (o *origin) inquireModern(t *turn, kind, marker string, questions []string) {
	said := []string{marker}
	if state := t.member("requestState"); state != "" {
		answer, _ := wire.Lookup(t.Params, "inputResponses", "key")
		said = append(strings.Split(state, ", "), spoken(kind, answer))
	}
	if len(said) > len(questions) {
		o.say(t, strings.Join(said, ", "))
		return
	}
	method, params := inquiry(kind, marker, questions[len(said)-1])
	t.send(wire.AppendResult(nil, t.ID, fmt.Appendf(nil, `{"resultType":"input_required","inputRequests":{"key":{"method":%q,"params":%s}},"requestState":%s}`,
		method, params, quoted(strings.Join(said, ", ")))))
}

// inquiry is a question that names its marker.
func inquiry(kind, marker, question string) (method, params string) {
	text := quoted(marker + " " + question + "?")
	switch kind {
	case "elicitation":
		return "elicitation/create", `{"message":` + text + `,"requestedSchema":{"type":"object","properties":{"v":{"type":"string"}},"required":["v"]}}`
	case "sampling":
		return "sampling/createMessage", `{"messages":[{"role":"user","content":{"type":"text","text":` + text + `}}],"maxTokens":10}`
	}
	return "roots/list", "{}"
}

// spoken is the answer to a question of a kind.
func spoken(kind string, result []byte) string {
	path := map[string][]string{"elicitation": {"content", "v"}, "sampling": {"content", "text"}}[kind]
	if kind == "roots" {
		list, _ := wire.Lookup(result, "roots")
		for root := range wire.Elements(list) {
			raw, _ := wire.Lookup(root, "uri")
			s, _ := wire.String(raw)
			return s
		}
	}
	raw, _ := wire.Lookup(result, path...)
	s, _ := wire.String(raw)
	return s
}

func (o *origin) progress(t *turn, marker string, steps int) {
	token, ok := wire.Lookup(t.Params, "_meta", "progressToken")
	for n := 1; ok && n <= steps; n++ {
		t.notify("notifications/progress", fmt.Sprintf(`{"progressToken":%s,"progress":%d,"message":%s}`, token, n, quoted(marker)))
	}
}

// log sends one message of each of three levels, as far as they are wanted: in 2025-11-25 all are until the client says
// otherwise, in 2026-07-28 none are.
func (o *origin) log(t *turn, marker string) {
	level := t.member("_meta", wire.MetaLogLevel)
	if !o.modern {
		o.mu.Lock()
		level = t.ear.level
		o.mu.Unlock()
	}
	least, ok := wire.LogLevel(level)
	if !ok && o.modern {
		return
	}
	for _, l := range []string{"debug", "info", "error"} {
		if rank, _ := wire.LogLevel(l); rank >= least {
			t.notify("notifications/message", `{"level":"`+l+`","data":`+quoted(marker)+`}`)
		}
	}
}
