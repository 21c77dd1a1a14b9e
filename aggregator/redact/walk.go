// SPDX-License-Identifier: Apache-2.0

package redact

import "bytes"

// editor edits one JSON text. Its methods take the offset of a value and answer the offset after it. They go through the
// text from the front to the back, so edits come in order.
type editor struct {
	rule  *Rule
	src   []byte   // valid JSON, never written to
	out   []byte   // src[:done] as edited; nil before the first edit
	done  int      // how much of src is in out
	depth int      // in how many strings src stands
	sets  []uint64 // sets of states, one for each level that is open, see push
}

// replace puts with in the place of src[start:end].
func (e *editor) replace(start, end int, with []byte) {
	if bytes.Equal(e.src[start:end], with) {
		return
	}
	if e.out == nil {
		e.out = make([]byte, 0, len(e.src)+len(with))
	}
	e.out = append(append(e.out, e.src[e.done:start]...), with...)
	e.done = end
}

// edited is the text after all edits; src itself when there were none.
func (e *editor) edited() []byte {
	if e.out == nil {
		return e.src
	}
	return append(e.out, e.src[e.done:]...)
}

// dead stands for a set without states: no pointer matches here or below, but strings may hold documents of their own.
const dead = -1

// push makes room for a set behind those that are open and answers its place.
func (e *editor) push() int {
	top := len(e.sets)
	for range e.rule.matcher.start {
		e.sets = append(e.sets, 0)
	}
	return top
}

func (e *editor) set(slot int) []uint64 {
	return e.sets[slot : slot+len(e.rule.matcher.start)]
}

// data applies the pointers to the value at i, which is a document.
func (e *editor) data(i int) int {
	slot := e.push()
	copy(e.set(slot), e.rule.matcher.start)
	end := e.value(i, slot)
	e.sets = e.sets[:slot]
	return end
}

// value walks over the value at i, whose set of states is at slot, and answers the offset after it.
func (e *editor) value(i, slot int) int {
	if slot != dead && meet(e.set(slot), e.rule.matcher.final) {
		end := valueEnd(e.src, i)
		e.replace(i, end, redactedJSON())
		return end
	}
	switch e.src[i] {
	case '{':
		return e.dataObject(i, slot)
	case '[':
		return e.dataArray(i, slot)
	case '"':
		end := stringEnd(e.src, i)
		if mayHoldJSON(e.src[i:end]) {
			e.nested(i, end, slot)
		}
		return end
	}
	return valueEnd(e.src, i)
}

func (e *editor) dataObject(i, slot int) int {
	i = skipSpace(e.src, i+1)
	for e.src[i] != '}' {
		end, next, top := stringEnd(e.src, i), dead, len(e.sets)
		if slot != dead {
			next = e.enter(slot, e.hitName(slot, e.src[i+1:end-1]))
		}
		i = skipSpace(e.src, end) // at the colon
		i = e.value(skipSpace(e.src, i+1), next)
		e.sets = e.sets[:top]
		i = e.comma(i)
	}
	return i + 1
}

func (e *editor) dataArray(i, slot int) int {
	i = skipSpace(e.src, i+1)
	for n := 0; e.src[i] != ']'; n++ {
		next, top := dead, len(e.sets)
		if slot != dead {
			next = e.enter(slot, e.hitElement(slot, n))
		}
		i = e.value(i, next)
		e.sets = e.sets[:top]
		i = e.comma(i)
	}
	return i + 1
}

// comma answers where the next member or element begins after one that ends at i, or where the closing bracket is.
func (e *editor) comma(i int) int { return afterComma(e.src, i) }

// enter answers the place of the set one level below the one at slot, or dead.
func (e *editor) enter(slot int, hit []uint64) int {
	next := e.push()
	if !e.rule.matcher.step(e.set(next), e.set(slot), hit) {
		return dead
	}
	return next
}

func (e *editor) hitName(slot int, key []byte) []uint64 {
	if m := e.rule.matcher; meet(e.set(slot), m.literals) {
		return m.hitName(key)
	}
	return nil
}

func (e *editor) hitElement(slot, n int) []uint64 {
	if m := e.rule.matcher; meet(e.set(slot), m.indices) {
		return m.elements[n]
	}
	return nil
}

// The functions below jump over text that is known to be valid JSON.

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// stringEnd answers the offset after the string that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		from := i
		i += n
		slash := i
		for slash > from && b[slash-1] == '\\' {
			slash--
		}
		if (i-slash)%2 == 0 {
			return i + 1
		}
	}
}

// valueEnd answers the offset after the value that begins at i.
func valueEnd(b []byte, i int) int {
	for open := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i) - 1; open == 0 {
				return i + 1
			}
		case '{', '[':
			open++
		case '}', ']':
			if open--; open <= 0 {
				return i + 1 + min(open, 0) // a bracket that was not opened here ends a literal
			}
		case ',', ' ', '\n', '\r', '\t':
			if open == 0 {
				return i
			}
		}
	}
	return len(b)
}
