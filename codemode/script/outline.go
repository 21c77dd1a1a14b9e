// SPDX-License-Identifier: Apache-2.0

package script

import (
	"fmt"
	"strings"
)

// What esbuild may be given. Its parser of TypeScript goes back and tries again where types and comparisons look alike, its
// passes look at an operand once for every operator around it, and nothing stops it once it runs. So the shapes that make it
// slow are refused before: TestHostileSource.
const (
	maxSource    = 256 << 10
	maxNesting   = 256     // brackets, operators and conditions around one place
	maxAngles    = 2 << 20 // tokens that are looked at again because they may be type arguments
	maxAmbiguous = 6       // arrow functions with a return type between ? and :
	maxInfer     = 8       // constrained infer types
)

// outline is what the tokens of some code tell.
type outline struct {
	first, end     int    // of the tokens, without semicolons at the end
	opening        string // the first token
	statements     bool   // a semicolon is between the outermost tokens
	returns        bool   // there is an outermost return
	last           int    // where the last outermost statement begins
	lastWord       string // its first token
	exports        int    // where an outermost "export default" begins, or -1
	exported       int    // and where what it exports begins
	err            *mistake
	nesting        int
	angles, repeat int
	ambiguous      int
	infer          int
}

// frame is a bracket that is open, or the code itself.
type frame struct {
	open      string
	off       int
	template  bool // ${
	flat      bool // commas separate and do not nest
	block     bool // line breaks can end statements
	condition bool // the parentheses of if, for, while and with
	chain     int  // operators since the last statement or element began
	ternary   int  // question marks whose colon is missing
	ambiguous bool // the colon came right behind a closing parenthesis
}

// read scans code once.
func read(code string) *outline {
	o := &outline{exports: -1}
	l := &lexer{s: code, outer: []frame{{block: true}}}
	var p, pp token
	for {
		t := l.next()
		if t.kind == nothing {
			break
		}
		o.note(l, t, p, pp)
		l.last = o.step(l, t, p, pp)
		pp, p = p, l.last
		if l.err != nil {
			break
		}
	}
	if open := l.outer[len(l.outer)-1]; l.err == nil && open.open != "" {
		l.fail(open.off, fmt.Sprintf("the %s that begins here is not closed", open.open), "close it, or look for a bracket too many in front of it")
	}
	if o.exported >= o.end {
		o.exports = -1 // it exports nothing
	}
	o.err = l.err
	return o
}

// note keeps what the outermost tokens tell.
func (o *outline) note(l *lexer, t, p, pp token) {
	outermost := len(l.outer) == 1
	if p.kind == nothing {
		o.first, o.opening = t.start, t.text
	}
	if outermost && t.text == ";" && t.kind == operator {
		return
	}
	if outermost && (p.kind == nothing || p.text == ";" || ends(t, p)) {
		o.statements = o.statements || p.text == ";"
		o.last, o.lastWord = t.start, t.text
	}
	if outermost && t.kind == word {
		switch {
		case p.text == "." || p.text == "?.":
		case t.text == "return":
			o.returns = true
		case t.text == "default" && p.text == "export" && o.exports < 0:
			o.exports, o.exported = p.start, len(l.s)
		}
	}
	if pp.text == "export" && p.text == "default" && pp.start == o.exports {
		o.exported = t.start
	}
	o.end = t.start + len(t.text)
}

// ends reports whether a statement can end at the line break between p and t.
func ends(t, p token) bool {
	return t.newline && (p.operand || p.text == "}" && p.kind == operator) && (t.kind == word && !joins(t) || t.kind == number || t.kind == quoted && t.text[0] != '`')
}

// joins reports whether a word is an operator, or asks for one more operand.
func joins(t token) bool {
	switch t.text {
	case "typeof", "void", "delete", "new", "await", "yield", "in", "of", "instanceof", "as", "satisfies", "extends", "is", "keyof",
		"infer", "readonly", "unique", "asserts", "case", "return", "throw":
		return t.kind == word
	}
	return false
}

// begins reports whether a word that is an operand to a parser of types only makes what follows a new expression.
func begins(t token) bool {
	switch t.text {
	case "typeof", "void", "delete", "new", "await", "yield", "in", "of", "instanceof", "extends", "case", "return", "throw", "do", "else", "default":
		return t.kind == word
	}
	return false
}

// step follows one token through the brackets and answers it with what is known of it.
func (o *outline) step(l *lexer, t, p, pp token) token {
	f := &l.outer[len(l.outer)-1]
	if f.block && ends(t, p) {
		o.reset(f)
	}
	o.repeat += o.angles
	t.operand = t.kind == number || t.kind == quoted || t.kind == regex || t.kind == tail
	switch {
	case t.kind == word:
		member := p.text == "." || p.text == "?."
		t.operand = member || !begins(t)
		if (joins(t) || t.text == "else" || t.text == "do") && !member {
			o.chain(f)
		}
		if t.text == "extends" && p.kind == word && (pp.text == "infer" || strings.Contains(pp.text, `\`)) {
			o.infer++
		}
	case t.kind == head:
		if strings.HasPrefix(t.text, "}") {
			o.reset(f)
		} else {
			o.push(l, frame{open: "`", off: t.start, template: true})
		}
	case t.kind == tail:
		o.pop(l)
	case t.kind == operator:
		o.operator(l, f, &t, p, pp)
	}
	o.check(l, t)
	return t
}

func (o *outline) check(l *lexer, t token) {
	switch {
	case o.nesting > maxNesting:
		l.fail(t.start, fmt.Sprintf("more than %d brackets and operators are around this place", maxNesting), "split the expression into several statements")
	case o.repeat > maxAngles:
		l.fail(t.start, "too many < may begin type arguments", "put comparisons into parentheses, or split the script into several statements")
	case o.ambiguous > maxAmbiguous:
		l.fail(t.start, "too many arrow functions between ? and :", "put them into parentheses")
	case o.infer > maxInfer:
		l.fail(t.start, "too many infer types", "types are not checked: leave them out")
	}
}

func (o *outline) chain(f *frame) {
	f.chain++
	o.nesting++
}

func (o *outline) reset(f *frame) {
	o.nesting -= f.chain
	f.chain, f.ternary, f.ambiguous = 0, 0, false
}

func (o *outline) push(l *lexer, f frame) {
	l.outer = append(l.outer, f)
	o.nesting++
}

func (o *outline) pop(l *lexer) frame {
	f := l.outer[len(l.outer)-1]
	o.nesting -= f.chain + 1
	l.outer = l.outer[:len(l.outer)-1]
	return f
}
