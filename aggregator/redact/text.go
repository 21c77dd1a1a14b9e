// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"encoding/json"
	"strings"

	"tollgate/upstream/wire"
)

// maxNested is how many strings deep documents are looked for: a document in a string of a document is one level.
const maxNested = 3

// verdict is what a string turned out to be.
type verdict uint8

const (
	prose      verdict = iota // no JSON: nothing a pointer could mean
	document                  // JSON to which the pointers were applied
	unreadable                // JSON, or the beginning of it, that cannot be told for sure to be without what the pointers name
)

// text edits the string at i, in which the protocol puts text: JSON in it is a document, anything else is withheld.
func (e *editor) text(i int) int { return e.textFrom(i, nil) }

// textFrom is text at a place to which pointers may lead: from are the states there, besides the start.
func (e *editor) textFrom(i int, from []uint64) int {
	end := stringEnd(e.src, i)
	with, keep := e.textValue(e.src[i:end], from)
	switch {
	case !keep:
		e.replace(i, end, wire.AppendString(nil, Withheld))
	case with != nil:
		e.replace(i, end, with)
	}
	return end
}

// textValue answers what becomes of a string with text: nothing of it may be kept, or with takes its place, or, when with
// is nil, it stays as it is.
func (e *editor) textValue(raw []byte, from []uint64) (with []byte, keep bool) {
	if string(raw) == `""` {
		return nil, true
	}
	if !mayHoldJSON(raw) {
		return nil, e.rule.keepText
	}
	text, exact := decode(raw)
	out, v := e.rule.apply(text, exact, from, e.depth)
	switch {
	case v == prose:
		return nil, e.rule.keepText || isNotice(text)
	case v == unreadable:
		return nil, false
	case out != nil:
		return quote(out, raw), true
	}
	return nil, true
}

// nested edits the string from i to end inside of data, whose set of states is at slot. A document in it begins anew, and
// also goes on with what the path that leads to it began.
func (e *editor) nested(i, end, slot int) {
	var from []uint64
	if slot != dead {
		from = e.set(slot)
	}
	text, exact := decode(e.src[i:end])
	out, v := e.rule.apply(text, exact, from, e.depth+1)
	switch {
	case v == unreadable:
		e.replace(i, end, wire.AppendString(nil, Withheld))
	case v == document && out != nil:
		e.replace(i, end, quote(out, e.src[i:end]))
	}
}

// quote makes a string of text, which raw was before.
func quote(text, raw []byte) []byte {
	return wire.AppendString(make([]byte, 0, len(raw)+len(raw)/8+len(Withheld)), string(text))
}

// decode answers what a string means; not exactly when it has lone surrogates, which a string of Go cannot have.
func decode(raw []byte) (text string, exact bool) {
	text, _ = wire.String(raw)
	return text, !strings.Contains(text, "\ufffd") || wire.Check(raw) == nil
}

// apply applies the pointers to a document that a string holds. from are states that go on in it, besides the start. A nil
// out says that nothing changed.
func (r *Rule) apply(text string, exact bool, from []uint64, depth int) (out []byte, v verdict) {
	b := []byte(text)
	kind := wire.Kind(b)
	if kind != '{' && kind != '[' && kind != '"' {
		return nil, judge(text)
	}
	if !exact || wire.Check(b) != nil {
		// Several readings, or none. The walk sees every member of a name, so all readings are covered.
		if !json.Valid(b) {
			return nil, judge(text)
		}
		if !r.keepText && kind != '"' {
			return nil, unreadable
		}
	}
	if depth > maxNested {
		return nil, unreadable
	}
	e := editor{rule: r, src: b, depth: depth}
	start := skipSpace(b, 0)
	if kind == '"' {
		return r.quoted(&e, start, exact, from)
	}
	if meet(r.matcher.start, r.matcher.final) {
		return []byte(Redacted), document
	}
	slot := e.push()
	set := e.set(slot)
	copy(set, r.matcher.start)
	for i, word := range from {
		set[i] |= word
	}
	e.value(start, slot)
	if e.out == nil {
		return nil, document
	}
	return e.edited(), document
}

// quoted is apply for a text that is itself a JSON string, at i: what counts is what is in it.
func (r *Rule) quoted(e *editor, i int, exact bool, from []uint64) (out []byte, v verdict) {
	end := stringEnd(e.src, i)
	if !mayHoldJSON(e.src[i:end]) {
		return nil, prose
	}
	text, same := decode(e.src[i:end])
	if out, v = r.apply(text, exact && same, from, e.depth+1); v != document || out == nil {
		return nil, v
	}
	e.replace(i, end, quote(out, e.src[i:end]))
	return e.edited(), document
}
