// SPDX-License-Identifier: Apache-2.0

package declare

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"tollgate/upstream/wire"
)

// clean makes text of an upstream safe for a comment: it cannot end the comment, break a line where it should not, or hide
// what it says from people while models read it. Line breaks become \n.
func clean(s string) string {
	if ordinary(s) {
		return strings.TrimSpace(s)
	}
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n").Replace(s)
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t', unicode.Is(unicode.Zs, r):
			return ' '
		case r == utf8.RuneError, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs), 0xFE00 <= r && r <= 0xFE0F, 0xE0100 <= r && r <= 0xE01EF:
			return -1
		}
		return r
	}, s)
	for strings.Contains(s, "*/") {
		s = strings.ReplaceAll(s, "*/", "* /")
	}
	return strings.TrimSpace(s)
}

// ordinary reports whether text is clean but for space around it.
func ordinary(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && c != '\n') || c > '~' || c == '/' && i > 0 && s[i-1] == '*' {
			return false
		}
	}
	return true
}

// oneLine is clean text without line breaks and with single spaces.
func oneLine(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// cut shortens s to at most n bytes, the mark for what is missing included.
func cut(s string, n int) string {
	const mark = "…"
	if len(s) <= n {
		return s
	}
	n -= len(mark)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimRight(s[:n], " ") + mark
}

// sentence is the first sentence of s on one line, cut to n bytes.
func sentence(s string, n int) string {
	s = clean(s)
	if i := strings.Index(s, "\n\n"); i >= 0 {
		s = s[:i]
	}
	s = strings.Join(strings.Fields(s), " ")
	for i := 0; i+2 < len(s); i++ {
		if (s[i] == '.' || s[i] == '!' || s[i] == '?') && s[i+1] == ' ' && unicode.IsUpper(rune(s[i+2])) && i > 15 {
			s = s[:i]
			break
		}
	}
	return cut(strings.TrimRight(s, "."), n)
}

// comment writes text as a comment in front of a declaration.
func comment(b *strings.Builder, indent, text string) {
	switch {
	case text == "":
	case !strings.Contains(text, "\n"):
		b.WriteString(indent + "/** " + text + " */\n")
	default:
		b.WriteString(indent + "/**\n")
		blank := false
		for line := range strings.SplitSeq(text, "\n") {
			line = strings.TrimRight(line, " ")
			if line == "" {
				blank = true
				continue
			}
			if blank {
				b.WriteString(indent + " *\n")
				blank = false
			}
			b.WriteString(indent + " * " + line + "\n")
		}
		b.WriteString(indent + " */\n")
	}
}

// quote is s as a string literal.
func quote(s string) string {
	out := string(wire.AppendString(nil, s))
	if strings.ContainsFunc(out, hidden) {
		var b strings.Builder
		for _, r := range out {
			if hidden(r) {
				b.WriteString(`\u{`)
				b.WriteString(strings.ToUpper(hex(r)))
				b.WriteByte('}')
				continue
			}
			b.WriteRune(r)
		}
		out = b.String()
	}
	return out
}

func hidden(r rune) bool {
	return r > 0x7E && (!unicode.IsGraphic(r) || unicode.Is(unicode.Zs, r) || 0xFE00 <= r && r <= 0xFE0F || 0xE0100 <= r && r <= 0xE01EF || r == 0x2028 || r == 0x2029)
}

func hex(r rune) string {
	const digits = "0123456789abcdef"
	out := ""
	for ; r > 0; r >>= 4 {
		out = string(digits[r&15]) + out
	}
	return out
}
