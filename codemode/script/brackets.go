// SPDX-License-Identifier: Apache-2.0

package script

import "fmt"

// operator follows one operator in frame f.
func (o *outline) operator(l *lexer, f *frame, t *token, p, pp token) {
	switch t.text {
	case "(", "[", "{":
		o.push(l, opened(f, *t, p, pp))
	case ")", "]", "}":
		o.close(l, t)
	case ";":
		o.reset(f)
	case ",":
		if f.flat {
			o.reset(f)
		} else {
			o.chain(f)
		}
		f.ambiguous = false
	case ".", "?.", "...":
	default:
		o.chain(f)
		o.mark(f, t, p)
	}
}

// mark looks at operators that types or arrow functions may have.
func (o *outline) mark(f *frame, t *token, p token) {
	switch t.text {
	case "<":
		o.angles++
	case ">":
		o.angles = max(o.angles-1, 0)
	case "?":
		f.ternary++
	case ":":
		if p.text == "?" {
			f.ternary-- // an optional member
		} else if f.ternary > 0 {
			f.ternary--
			f.ambiguous = f.ambiguous || p.text == ")"
		}
	case "=>":
		if f.ambiguous {
			o.ambiguous++
			f.ambiguous = false
		}
	case "++", "--", "!":
		t.operand = p.operand && !t.newline
	}
	switch t.text {
	case "*", "/", "%", "^", "~", "@", "==", "===", "!=", "!==", "++", "--", "**", "&&", "||", "??", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
		"**=", "<<=", "&&=", "||=", "??=":
		o.angles, f.ambiguous = 0, false // no type goes on behind these
	}
}

// opened is the frame of a bracket.
func opened(f *frame, t, p, pp token) frame {
	out := frame{open: t.text, off: t.start}
	switch t.text {
	case "(":
		member := pp.text == "." || pp.text == "?."
		switch {
		case p.kind == word && !member && (p.text == "if" || p.text == "for" || p.text == "while" || p.text == "with"),
			p.text == "await" && pp.text == "for":
			out.condition = true
		default:
			out.flat = p.operand // a call, or parameters
		}
	case "[":
		out.flat = !p.operand
	case "{":
		switch {
		case p.kind == word && p.operand && !t.newline && p.text != "try" && p.text != "finally", joins(p) && !t.newline:
			out.flat = true
			out.block = p.operand // the body of a class or an interface
		case p.kind == operator && (p.text == ":" && !f.block || p.text != ":" && p.text != ";" && p.text != "{" && p.text != "}" && p.text != ")" && p.text != "=>"):
			out.flat = true
		default:
			out.block = true
		}
	}
	return out
}

// close takes the frame that t closes from the open ones.
func (o *outline) close(l *lexer, t *token) {
	f := l.outer[len(l.outer)-1]
	pair := map[string]string{")": "(", "]": "[", "}": "{"}[t.text]
	if f.open != pair {
		message := fmt.Sprintf("the %s here closes nothing", t.text)
		if f.open != "" {
			message = fmt.Sprintf("the %s here does not close the %s of line %%d", t.text, f.open)
		}
		l.fail(t.start, message, "look for the bracket that is missing or too many in front of it")
		if f.open != "" {
			l.err.open = f.off
		}
		return
	}
	o.pop(l)
	t.operand = t.text != "}" && !f.condition
	if f.condition {
		o.chain(&l.outer[len(l.outer)-1]) // the statement behind it is inside
	}
}
