// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"bytes"
	"strings"

	"tollgate/upstream/wire"
)

// each calls edit for the elements of the array at i.
func (e *editor) each(i int, edit func(i int) int) int {
	i = skipSpace(e.src, i+1)
	for e.src[i] != ']' {
		i = e.comma(edit(i))
	}
	return i + 1
}

// blocks edits an array of content blocks. Servers send null for an empty one.
func (e *editor) blocks(i int) int {
	switch e.src[i] {
	case '[':
		return e.each(i, e.block)
	case 'n':
		return valueEnd(e.src, i)
	}
	return e.swap(i, append(append([]byte{'['}, textBlock(Withheld)...), ']'))
}

func (e *editor) block(i int) int {
	kind, mime, clear := e.blockType(i)
	l := &e.rule.layouts
	switch {
	case clear && kind == "text":
		return e.members(i, l.textBlock)
	case clear && kind == "resource":
		return e.resourceBlock(i)
	case clear && e.rule.keepText && (kind == "image" || kind == "audio"):
		return e.members(i, l.media)
	case clear && e.rule.keepText && kind == "resource_link":
		return e.members(i, l.link)
	case clear && e.rule.keepText:
		return e.members(i, l.newBlock)
	}
	return e.swap(i, textBlock(notice(kind, mime)))
}

// blockType reads what kind of block is at i. The answer is clear when every client reads the same.
func (e *editor) blockType(i int) (kind, mime string, clear bool) {
	types, exact := 0, false
	for m := range wire.Members(e.src[i:]) {
		switch {
		case strings.EqualFold(m.Name, "type"):
			types++
			kind, exact = wire.String(m.Value)
			exact = exact && m.Name == "type"
		case strings.EqualFold(m.Name, "mimeType"):
			mime, _ = wire.String(m.Value)
		}
	}
	return kind, mime, types == 1 && exact
}

// resourceBlock edits a block with an embedded resource: one with text stays, one with bytes is withheld.
func (e *editor) resourceBlock(i int) int {
	found, kept, mime := 0, false, ""
	for m := range wire.Members(e.src[i:]) {
		if strings.EqualFold(m.Name, "resource") {
			found++
			mime = stringMember(m.Value, "mimeType")
			kept = m.Value[0] == '{' && !e.isBinary(m.Value)
		}
	}
	if found != 1 || !kept {
		return e.swap(i, textBlock(notice("resource", mime)))
	}
	return e.members(i, e.rule.layouts.resourceBlock)
}

func (e *editor) annotations(i int) int { return e.members(i, e.rule.layouts.annotations) }

func (e *editor) icons(i int) int {
	return e.each(i, func(i int) int {
		if e.src[i] != '{' {
			return e.payload(i)
		}
		return e.members(i, e.rule.layouts.icon)
	})
}

func (e *editor) resource(i int) int { return e.members(i, e.rule.layouts.resource) }

// isBinary reports whether a resource has bytes that are to be withheld.
func (e *editor) isBinary(resource []byte) bool {
	if e.rule.keepText {
		return false
	}
	for m := range wire.Members(resource) {
		if strings.EqualFold(m.Name, "blob") {
			return true
		}
	}
	return false
}

// contents edits what resources/read answers: an array of resources.
func (e *editor) contents(i int) int {
	if e.src[i] != '[' {
		return e.swap(i, []byte("[]"))
	}
	return e.each(i, func(i int) int {
		c := e.src[i:] // what follows the resource does not matter
		if c[0] == '{' && !e.isBinary(c) {
			return e.resource(i)
		}
		out := wire.AppendString([]byte(`{"uri":`), uriMember(c))
		out = append(out, `,"mimeType":"text/plain","text":`...)
		out = wire.AppendString(out, notice("blob", stringMember(c, "mimeType")))
		return e.swap(i, append(out, '}'))
	})
}

// uriMember is the address of a resource, "" for none that is plainly one.
func uriMember(resource []byte) string {
	if uri := stringMember(resource, "uri"); len(uri) <= maxURI && isURI(uri) {
		return uri
	}
	return ""
}

// messages edits those of a prompt.
func (e *editor) messages(i int) int {
	if e.src[i] != '[' {
		return e.swap(i, []byte("[]"))
	}
	return e.each(i, func(i int) int {
		if e.src[i] != '{' {
			return e.swap(i, append(append([]byte(`{"role":"user","content":`), textBlock(Withheld)...), '}'))
		}
		return e.members(i, e.rule.layouts.message)
	})
}

func (e *editor) messageContent(i int) int {
	switch e.src[i] {
	case '{':
		return e.block(i)
	case '[':
		return e.blocks(i)
	}
	return e.swap(i, textBlock(Withheld))
}

func (e *editor) completion(i int) int {
	if e.src[i] != '{' {
		return e.swap(i, []byte(`{"values":[]}`))
	}
	return e.members(i, e.rule.layouts.completion)
}

// values edits completion values. What is withheld is left out: a client would offer a notice to its user as a value.
func (e *editor) values(i int) int {
	if e.src[i] != '[' {
		return e.swap(i, []byte("[]"))
	}
	return e.filter(i, func(v []byte) (with []byte, keep bool) {
		if v[0] != '"' {
			return nil, false
		}
		return e.textValue(v, nil)
	})
}

// words edits an array of words, such as roles. Anything else in it is left out.
func (e *editor) words(i int) int {
	is := spelled(maxWord, isWord)
	return e.filter(i, func(v []byte) (with []byte, keep bool) { return nil, v[0] == '"' && is(v) })
}

// filter edits the array at i. of says of an element whether it stays, and what takes its place, nil for the element itself.
func (e *editor) filter(i int, of func(v []byte) (with []byte, keep bool)) int {
	var kept [][]byte
	changed := false
	end := e.each(i, func(i int) int {
		end := valueEnd(e.src, i)
		v := e.src[i:end]
		with, keep := of(v)
		changed = changed || !keep || with != nil
		switch {
		case keep && with != nil:
			kept = append(kept, with)
		case keep:
			kept = append(kept, v)
		}
		return end
	})
	if changed {
		e.replace(i, end, append(append([]byte{'['}, bytes.Join(kept, []byte{','})...), ']'))
	}
	return end
}

// taskResult edits the result inside of a task, which is one of tools/call.
func (e *editor) taskResult(i int) int {
	if e.src[i] == '{' {
		return e.result(i, "tools/call")
	}
	return e.payload(i)
}

// failure edits an error object of JSON-RPC.
func (e *editor) failure(i int) int {
	if e.src[i] != '{' {
		return e.swap(i, withheldError(wire.CodeInternal))
	}
	raw, _ := wire.Lookup(e.src[i:], "code")
	if code, _ := wire.Int(raw); code == wire.CodeURLElicitation {
		return e.members(i, e.rule.layouts.urlFailure)
	}
	return e.members(i, e.rule.layouts.failure)
}

// urlQuestions edits the data of the error by which earlier revisions send the user to an address. The addresses stay, as
// other questions to the user do.
func (e *editor) urlQuestions(i int) int {
	if e.src[i] != '{' || e.rule.everything() {
		return e.payload(i)
	}
	return e.members(i, e.rule.layouts.elicitations)
}
