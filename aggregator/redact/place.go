// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"bytes"
	"slices"
	"strings"

	"tollgate/upstream/wire"
)

// Lengths in bytes of what stays as the protocol's own.
const (
	maxWord   = 128
	maxURI    = 8 << 10
	maxOpaque = 4 << 10
)

// place is a member that the protocol knows.
type place struct {
	name  string
	kinds string                     // of values it may have, as [wire.Kind] tells them; "" = any
	fit   fit                        // of a string; nil: any fits
	edit  func(e *editor, i int) int // nil: the member is the protocol's own and stays
}

// takes reports whether the value at the start of b can stand at p.
func (p *place) takes(b []byte) bool {
	if p.kinds != "" && strings.IndexByte(p.kinds, wire.Kind(b)) < 0 {
		return false
	}
	return p.fit == nil || b[0] != '"' || p.fit(b[:stringEnd(b, 0)])
}

// layout is the members of one object of the protocol.
type layout []place

// layouts are all objects of the protocol that a rule edits.
type layouts struct {
	tool, prompt, read, complete, anyTask, unknown layout // results
	task, asks                                     layout // added to them when the result is a task, or asks the client
	progress, log, note                            layout // params of notifications
	failure, urlFailure, elicitations              layout
	textBlock, resourceBlock                       layout
	media, link, newBlock                          layout // blocks that only a rule that keeps text keeps
	annotations, icon                              layout
	resource, message, completion                  layout
	meta, serverInfo, relatedTask                  layout
}

// stays are members of one kind of value that are the protocol's own.
func stays(kinds string, names ...string) layout {
	var l layout
	for _, name := range names {
		l = append(l, place{name, kinds, nil, nil})
	}
	return l
}

// fitting are strings that are the protocol's own as long as they are what they should be.
func fitting(is fit, names ...string) layout {
	var l layout
	for _, name := range names {
		l = append(l, place{name, `"`, is, nil})
	}
	return l
}

func at(name, kinds string, edit func(*editor, int) int) layout {
	return layout{{name, kinds, nil, edit}}
}

func texts(names ...string) layout {
	var l layout
	for _, name := range names {
		l = append(l, place{name, `"`, nil, (*editor).text})
	}
	return l
}

func words(names ...string) layout { return fitting(spelled(maxWord, isWord), names...) }

func moments(names ...string) layout { return fitting(spelled(maxWord, isMoment), names...) }

func opaque(names ...string) layout { return fitting(spelled(maxOpaque, isOpaque), names...) }

func newLayouts(keepText bool) *layouts {
	meta, payload := at("_meta", "", (*editor).meta), (*editor).payload
	token := layout{{"progressToken", `"0`, spelled(maxOpaque, isOpaque), nil}}
	l := &layouts{
		task: slices.Concat(opaque("taskId"), words("status"), moments("createdAt", "lastUpdatedAt"), texts("statusMessage"),
			stays("0n", "ttlMs", "ttl"), stays("0", "pollIntervalMs", "pollInterval")),
		asks:         slices.Concat(stays("{", "inputRequests"), stays(`"`, "requestState")),
		note:         meta,
		progress:     slices.Concat(meta, token, stays("0", "progress", "total"), texts("message")),
		log:          slices.Concat(meta, words("level", "logger"), at("data", "", payload)),
		failure:      slices.Concat(stays("0", "code"), texts("message"), at("data", "", payload)),
		urlFailure:   slices.Concat(stays("0", "code"), texts("message"), at("data", "", (*editor).urlQuestions)),
		elicitations: stays("[", "elicitations"),
		annotations:  slices.Concat(at("audience", "[", (*editor).words), stays("0", "priority"), moments("lastModified")),
		message:      slices.Concat(words("role"), at("content", "", (*editor).messageContent)),
		completion:   slices.Concat(at("values", "", (*editor).values), stays("0", "total"), stays("tf", "hasMore")),
		meta:         newMetaLayout(),
		serverInfo:   slices.Concat(fitting(spelled(maxWord, isLabel), "name", "title"), words("version")),
		relatedTask:  opaque("taskId"),
	}
	l.blocks(meta, keepText)

	result := slices.Concat(meta, words("resultType"), opaque("nextCursor"))
	l.tool = slices.Concat(result, at("content", "", (*editor).blocks), at("structuredContent", "", (*editor).structured),
		stays("tf", "isError"))
	l.prompt = slices.Concat(result, at("messages", "", (*editor).messages), texts("description"))
	l.read = slices.Concat(result, at("contents", "", (*editor).contents), stays("0", "ttlMs"), words("cacheScope"))
	l.complete = slices.Concat(result, at("completion", "", (*editor).completion))
	l.anyTask = slices.Concat(result, l.task, at("result", "", (*editor).taskResult), at("error", "", (*editor).failure))
	l.unknown = slices.Concat(l.tool, l.prompt, l.read, l.complete)
	return l
}

// blocks makes the layouts of content blocks and of what stands in them.
func (l *layouts) blocks(meta layout, keepText bool) {
	uri, mime := fitting(spelled(maxURI, isURI), "uri"), fitting(spelled(maxWord, isMedia), "mimeType")
	notes := at("annotations", "{", (*editor).annotations)
	l.resource = slices.Concat(meta, uri, mime, texts("text"), notes)
	if keepText {
		l.resource = append(l.resource, fitting(isBase64, "blob")...)
	}
	block := slices.Concat(meta, words("type"), notes)
	l.newBlock = block
	l.textBlock = slices.Concat(block, texts("text"))
	l.resourceBlock = slices.Concat(block, at("resource", "", (*editor).resource))
	l.media = slices.Concat(block, mime, fitting(isBase64, "data"))
	l.link = slices.Concat(block, uri, mime, texts("name", "title", "description"), stays("0", "size"),
		at("icons", "[", (*editor).icons))
	l.icon = slices.Concat(fitting(spelled(maxURI, isURI), "src"), mime, at("sizes", "[", (*editor).words), words("theme"))
}

// result is the layout of a result.
func (l *layouts) result(method string) layout {
	switch method {
	case "tools/call":
		return l.tool
	case "prompts/get":
		return l.prompt
	case "resources/read":
		return l.read
	case "completion/complete":
		return l.complete
	}
	if isTaskMethod(method) {
		return l.anyTask
	}
	return l.unknown
}

func isTaskMethod(method string) bool {
	return method == "tasks/get" || method == "tasks/update" || method == "tasks/cancel"
}

// sometimes finds the members that a result has only when it is a task or asks the client. It reads which of them it is
// once, when the first such member is there. always says that the result is a task whatever its resultType.
func (l *layouts) sometimes(result []byte, always bool) func(key []byte) *place {
	var known, task, asks, waits bool
	return func(key []byte) *place {
		p, q := l.task.find(key), l.asks.find(key)
		if (p != nil || q != nil) && !known {
			kind := stringMember(result, "resultType")
			known, task, asks = true, kind == "task", kind == "input_required"
			waits = (task || always) && stringMember(result, "status") == "input_required"
		}
		switch {
		case p != nil && task:
			return p
		case q != nil && (asks || waits && q.name == "inputRequests"): // a task has no requestState
			return q
		}
		return nil
	}
}

// stringMember is a member of obj that is a string, "" for none.
func stringMember(obj []byte, name string) string {
	raw, _ := wire.Lookup(obj, name)
	s, _ := wire.String(raw)
	return s
}

// find looks for a member exactly, and then as parsers do that ignore the case of names: what such a client takes for the
// member must not pass as something else.
func (l layout) find(key []byte) *place {
	if bytes.IndexByte(key, '\\') >= 0 {
		key = []byte(name(key))
	}
	for i := range l {
		if l[i].name == string(key) {
			return &l[i]
		}
	}
	for i := range l {
		if bytes.EqualFold(key, []byte(l[i].name)) {
			return &l[i]
		}
	}
	return nil
}

// name is what a name as written, without its quotes, means.
func name(key []byte) string {
	s, _ := wire.String(append(append([]byte{'"'}, key...), '"'))
	return s
}

// members edits the object of the protocol at i.
func (e *editor) members(i int, l layout) int { return e.object(i, l, nil) }

// result edits the result at i.
func (e *editor) result(i int, method string) int {
	l := &e.rule.layouts
	return e.object(i, l.result(method), l.sometimes(e.src[i:], isTaskMethod(method))) // what follows the object does not matter
}

// object edits the object at i, whose members are in l or else in what more answers.
func (e *editor) object(i int, l layout, more func(key []byte) *place) int {
	i = skipSpace(e.src, i+1)
	for e.src[i] != '}' {
		end := stringEnd(e.src, i)
		key := e.src[i+1 : end-1]
		p := l.find(key)
		if p == nil && more != nil {
			p = more(key)
		}
		i = skipSpace(e.src, end) // at the colon
		i = e.comma(e.member(skipSpace(e.src, i+1), key, p))
	}
	return i + 1
}

// member edits the value at i of a member that is at place p, or nil.
func (e *editor) member(i int, key []byte, p *place) int {
	switch {
	case p == nil || !p.takes(e.src[i:]):
		return e.other(i, key)
	case p.edit != nil:
		return p.edit(e, i)
	}
	return valueEnd(e.src, i)
}

// other edits the value at i of a member that the protocol does not know, or not with such a value. Pointers may name it, or
// begin in it.
func (e *editor) other(i int, key []byte) int {
	slot, m := e.push(), e.rule.matcher
	set := e.set(slot)
	m.step(set, m.start, m.hitName(key))
	for i, word := range m.start {
		set[i] |= word
	}
	var end int
	if e.src[i] == '"' && !meet(set, m.final) {
		end = e.textFrom(i, set)
	} else {
		end = e.value(i, slot)
	}
	e.sets = e.sets[:slot]
	return end
}

// payload edits a value that the protocol leaves to the server: text when it is a string, data otherwise.
func (e *editor) payload(i int) int {
	if e.src[i] == '"' && !e.rule.everything() {
		return e.text(i)
	}
	return e.data(i)
}

// structured edits structuredContent, which earlier revisions want to be an object.
func (e *editor) structured(i int) int {
	if e.src[i] != '{' || !e.rule.everything() {
		return e.payload(i)
	}
	return e.swap(i, []byte(`{"redacted":"`+Redacted+`"}`))
}

// swap replaces the value at i.
func (e *editor) swap(i int, with []byte) int {
	end := valueEnd(e.src, i)
	e.replace(i, end, with)
	return end
}
