// SPDX-License-Identifier: Apache-2.0

package script

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	nothing kind = iota
	word         // identifiers, keywords, private names
	number
	quoted // strings and whole templates
	head   // of a template, up to ${
	tail   // of a template, after }
	regex
	operator // everything else
)

// token is one token of JavaScript or TypeScript.
type token struct {
	kind    kind
	start   int
	text    string
	newline bool // there is a line break in front of it
	operand bool // an expression can end with it
}

// lexer splits code into tokens as a parser of TypeScript would. Where only a parser can know whether a slash divides or begins
// a regular expression, it stops with an error instead of guessing: what follows from the tokens must hold.
type lexer struct {
	s     string
	i     int
	last  token
	err   *mistake
	outer []frame
}

// mistake is an error and where it is in the code.
type mistake struct {
	off           int
	message, hint string
	open          int // where a bracket that matters is, or -1; the message has %d for its line
}

func (l *lexer) fail(off int, message, hint string) token {
	if l.err == nil {
		l.err = &mistake{off, message, hint, -1}
	}
	l.i = len(l.s)
	return token{start: off}
}

// next is the next token, of kind nothing at the end or after a mistake.
func (l *lexer) next() token {
	newline := l.space()
	if l.i >= len(l.s) {
		return token{start: len(l.s), newline: newline}
	}
	start := l.i
	t := l.scan()
	if t.kind == nothing {
		return t
	}
	t.start, t.newline, t.text = start, newline, l.s[start:l.i]
	return t
}

// space skips white space and comments and reports whether there was a line break.
func (l *lexer) space() (newline bool) {
	for l.i < len(l.s) {
		switch rest := l.s[l.i:]; {
		case lineBreak(rest) > 0:
			newline = true
			l.i += lineBreak(rest)
		case strings.HasPrefix(rest, "//"):
			for l.i < len(l.s) && lineBreak(l.s[l.i:]) == 0 {
				l.i++
			}
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				l.fail(l.i, "the comment that begins here does not end", "close it with */")
				return newline
			}
			newline = newline || strings.ContainsAny(rest[:end+2], "\r\n\u2028\u2029")
			l.i += end + 4
		case strings.HasPrefix(rest, "<!--") || strings.HasPrefix(rest, "-->"):
			l.fail(l.i, "HTML comments are not available", "write // or /* */")
			return newline
		default:
			r, n := utf8.DecodeRuneInString(rest)
			if !unicode.IsSpace(r) && r != 0xFEFF {
				return newline
			}
			l.i += n
		}
	}
	return newline
}

func (l *lexer) scan() token {
	switch c := l.s[l.i]; {
	case c == '"' || c == '\'':
		return l.quoted(c)
	case c == '`':
		return l.template(quoted, head)
	case '0' <= c && c <= '9' || c == '.' && l.i+1 < len(l.s) && '0' <= l.s[l.i+1] && l.s[l.i+1] <= '9':
		return l.number()
	case wordByte(c) || c == '#' || c == '\\':
		return l.word()
	case c == '/':
		return l.slash()
	case c == '}' && len(l.outer) > 0 && l.outer[len(l.outer)-1].template:
		return l.template(tail, head)
	default:
		return l.operator()
	}
}

// wordByte reports whether identifiers can have c. Of what is not ASCII, only spaces and line breaks are not in words.
func wordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c >= utf8.RuneSelf
}

func (l *lexer) word() token {
	for l.i < len(l.s) {
		r, n := utf8.DecodeRuneInString(l.s[l.i:])
		switch {
		case strings.HasPrefix(l.s[l.i:], `\u{`):
			for l.i < len(l.s) && l.s[l.i] != '}' {
				l.i++
			}
			n = 1
		case r == '\\' || r == '#':
		case !wordByte(l.s[l.i]) || unicode.IsSpace(r) || r == 0xFEFF || lineBreak(l.s[l.i:]) > 0:
			return token{kind: word}
		}
		l.i = min(l.i+n, len(l.s))
	}
	return token{kind: word}
}

func (l *lexer) number() token {
	point := false
	for ; l.i < len(l.s); l.i++ {
		c := l.s[l.i]
		if c == '.' && !point {
			point = true
			continue
		}
		if !wordByte(c) || c >= utf8.RuneSelf {
			break
		}
	}
	return token{kind: number, operand: true}
}

func (l *lexer) quoted(quote byte) token {
	start := l.i
	for l.i++; l.i < len(l.s); l.i++ {
		switch c := l.s[l.i]; {
		case c == quote:
			l.i++
			return token{kind: quoted, operand: true}
		case c == '\\' && l.i+1 < len(l.s):
			l.i++
			if l.s[l.i] == '\r' && strings.HasPrefix(l.s[l.i:], "\r\n") {
				l.i++
			}
		case c == '\n' || c == '\r':
			return l.fail(start, "the string that begins here does not end on its line", "write \\n for a line break, or use a template: `...`")
		}
	}
	return l.fail(start, "the string that begins here does not end", "close it with "+string(quote))
}

// template scans a part of a template, whose opening ` or } is at l.i.
func (l *lexer) template(whole, part kind) token {
	start := l.i
	for l.i++; l.i < len(l.s); l.i++ {
		switch c := l.s[l.i]; {
		case c == '`':
			l.i++
			return token{kind: whole, operand: true}
		case c == '\\':
			l.i++
		case c == '$' && strings.HasPrefix(l.s[l.i:], "${"):
			l.i += 2
			return token{kind: part}
		}
	}
	return l.fail(start, "the template that begins here does not end", "close it with `; inside of it write \\` for the character itself")
}

// slash scans a regular expression, or an operator that begins with a slash.
func (l *lexer) slash() token {
	p := l.last
	switch {
	case p.operand:
		return l.operator()
	case p.text == "}" && p.kind == operator, p.text == "of", p.text == "yield", p.text == "await", p.text == "++", p.text == "--":
		return l.fail(l.i, "a / after "+p.text+" is ambiguous", "put the regular expression into a constant, or parentheses around what is divided")
	}
	start, class := l.i, false
	for l.i++; l.i < len(l.s) && lineBreak(l.s[l.i:]) == 0; l.i++ {
		switch c := l.s[l.i]; {
		case c == '\\':
			l.i++
			if l.i < len(l.s) && lineBreak(l.s[l.i:]) > 0 {
				l.i--
			}
		case c == '[':
			class = true
		case c == ']':
			class = false
		case c == '/' && !class:
			for l.i++; l.i < len(l.s) && wordByte(l.s[l.i]) && l.s[l.i] < utf8.RuneSelf; l.i++ {
			}
			return token{kind: regex, operand: true}
		}
	}
	hint := "close it with /"
	if p.text == "<" {
		hint = "JSX is not available: return plain data"
	}
	return l.fail(start, "the regular expression that begins here does not end", hint)
}

// operator scans punctuation. Closing angles stand alone, as types need them.
func (l *lexer) operator() token {
	for _, op := range strings.Fields("... === !== **= <<= &&= ||= ??= => == != ++ -- ** && || ?? += -= *= /= %= &= |= ^= <=") {
		if strings.HasPrefix(l.s[l.i:], op) {
			l.i += len(op)
			return token{kind: operator}
		}
	}
	if strings.HasPrefix(l.s[l.i:], "?.") && (l.i+2 >= len(l.s) || l.s[l.i+2] < '0' || l.s[l.i+2] > '9') {
		l.i += 2
		return token{kind: operator}
	}
	l.i++
	return token{kind: operator}
}
