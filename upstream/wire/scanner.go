// SPDX-License-Identifier: Apache-2.0

package wire

import "strconv"

// scope says in which objects member names must be unique.
type scope int

const (
	allObjects      scope = iota
	envelopeObjects       // the outermost object and its params, result and error
)

// checker validates one JSON text in a single pass. Its methods take the offset of the first byte of a part and answer the
// offset after it, or -1 once fail was called. Recursion is bounded by [MaxDepth].
type checker struct {
	b         []byte
	names     []name            // member names of the open objects, innermost object last
	unescaped map[uint32][]byte // names that have escapes, by where they start
	unique    scope
	lone      bool   // lone surrogate escapes pass
	escaped   bool   // the string scanned last contains a backslash
	parts     *parts // when set, filled with the members of the outermost object
	off       int    // of the mistake
	fault     fault
}

func (c *checker) check() error {
	if err := c.run(); err != nil {
		return err
	}
	return nil
}

func (c *checker) run() *SyntaxError {
	if len(c.b) > maxText {
		return &SyntaxError{Offset: maxText, Reason: tooLong.reason()}
	}
	i := c.value(skipSpace(c.b, 0), 1, true)
	if i >= 0 {
		if i = skipSpace(c.b, i); i == len(c.b) {
			return nil
		}
		c.fail(i, trailingText)
	}
	err := &SyntaxError{Offset: c.off, Reason: c.fault.reason()}
	if c.fault == duplicateName {
		name, _ := String(c.b[c.off:skipString(c.b, c.off)])
		err.Reason += " " + strconv.Quote(shorten(name))
	}
	return err
}

// fail notes the first mistake. It takes a number instead of a text because a text kept here would move the whole checker to
// the heap.
func (c *checker) fail(off int, f fault) int {
	c.off, c.fault = off, f
	return -1
}

// value scans any value; level is the depth it has when it is an array or object; unique tells whether an object's names
// are to be compared.
func (c *checker) value(i, level int, unique bool) int {
	if i >= len(c.b) {
		return c.fail(i, unexpectedEnd)
	}
	switch ch := c.b[i]; ch {
	case '"':
		return c.str(i)
	case '{':
		return c.object(i, level, unique)
	case '[':
		return c.array(i, level)
	case 't':
		return c.literal(i, "true")
	case 'f':
		return c.literal(i, "false")
	case 'n':
		return c.literal(i, "null")
	default:
		if ch == '-' || isDigit(ch) {
			return c.number(i)
		}
	}
	return c.fail(i, unexpectedCharacter)
}

func (c *checker) object(i, level int, unique bool) int {
	if level > MaxDepth {
		return c.fail(i, tooDeep)
	}
	open := len(c.names)
	i = skipSpace(c.b, i+1)
	if i < len(c.b) && c.b[i] == '}' {
		return i + 1
	}
	for {
		if i = c.member(i, level, open, unique); i < 0 {
			return -1
		}
		i = skipSpace(c.b, i)
		switch {
		case i >= len(c.b):
			return c.fail(i, unexpectedEnd)
		case c.b[i] == ',':
			i = skipSpace(c.b, i+1)
		case c.b[i] == '}':
			if !c.closeNames(open) {
				return -1
			}
			return i + 1
		default:
			return c.fail(i, noComma)
		}
	}
}

// member scans one name and value of the object whose names start at c.names[open].
func (c *checker) member(i, level, open int, unique bool) int {
	if i >= len(c.b) {
		return c.fail(i, unexpectedEnd)
	}
	if c.b[i] != '"' {
		return c.fail(i, noName)
	}
	end := c.str(i)
	if end < 0 {
		return -1
	}
	key := c.b[i+1 : end-1]
	if unique && !c.addName(open, i+1, end-1) {
		return -1
	}
	i = skipSpace(c.b, end)
	if i >= len(c.b) || c.b[i] != ':' {
		return c.fail(i, noColon)
	}
	start := skipSpace(c.b, i+1)
	below := c.unique == allObjects
	if level == 1 && !below {
		below = equalKey(key, "params") || equalKey(key, "result") || equalKey(key, "error")
	}
	end = c.value(start, level+1, below)
	if end >= 0 && level == 1 && c.parts != nil {
		c.parts.set(key, text{start, end})
	}
	return end
}

func (c *checker) array(i, level int) int {
	if level > MaxDepth {
		return c.fail(i, tooDeep)
	}
	i = skipSpace(c.b, i+1)
	if i < len(c.b) && c.b[i] == ']' {
		return i + 1
	}
	for {
		if i = c.value(i, level+1, c.unique == allObjects); i < 0 {
			return -1
		}
		i = skipSpace(c.b, i)
		switch {
		case i >= len(c.b):
			return c.fail(i, unexpectedEnd)
		case c.b[i] == ',':
			i = skipSpace(c.b, i+1)
		case c.b[i] == ']':
			return i + 1
		default:
			return c.fail(i, noComma)
		}
	}
}

func (c *checker) literal(i int, word string) int {
	if len(c.b)-i < len(word) || string(c.b[i:i+len(word)]) != word {
		return c.fail(i, unexpectedCharacter)
	}
	return i + len(word)
}

// number scans RFC 8259 numbers: no plus sign, no leading zero, digits on both sides of the point.
func (c *checker) number(i int) int {
	if c.b[i] == '-' {
		i++
	}
	if i < len(c.b) && c.b[i] == '0' {
		i++
	} else if i = c.digits(i); i < 0 {
		return -1
	}
	if i < len(c.b) && c.b[i] == '.' {
		if i = c.digits(i + 1); i < 0 {
			return -1
		}
	}
	if i < len(c.b) && (c.b[i] == 'e' || c.b[i] == 'E') {
		i++
		if i < len(c.b) && (c.b[i] == '+' || c.b[i] == '-') {
			i++
		}
		return c.digits(i)
	}
	return i
}

func (c *checker) digits(i int) int {
	start := i
	for i < len(c.b) && isDigit(c.b[i]) {
		i++
	}
	if i == start {
		return c.fail(i, noDigit)
	}
	return i
}

func isDigit(ch byte) bool { return '0' <= ch && ch <= '9' }
