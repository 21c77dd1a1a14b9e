// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes text safe to show on one line of a terminal: control characters, line and direction marks and bytes that are
// no UTF-8 are written as escapes (\n, \x1b, \u202e). All other text stays as it is.
func Clean(text string) string {
	if !strings.ContainsFunc(text, unsafeRune) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case unsafeRune(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case unsafeRune(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case unsafeRune(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(text[i : i+n])
		}
		i += n
	}
	return b.String()
}

// unsafeRune covers C0 and C1 controls and the format characters: direction overrides, zero-width ones, tags.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// CommandLine writes a program and its arguments the way they would be typed into a POSIX shell, in full and on one line:
// what is shown is exactly what would be started.
func CommandLine(command string, args ...string) string {
	words := append([]string{command}, args...)
	for i, w := range words {
		words[i] = quoteWord(w)
	}
	return strings.Join(words, " ")
}

func quoteWord(w string) string {
	safe := w != ""
	for _, r := range w {
		if !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_=./,:@%+", r)) {
			safe = false
		}
	}
	switch {
	case safe:
		return w
	case strings.ContainsFunc(w, unsafeRune) || !utf8.ValidString(w):
		return "$'" + strings.ReplaceAll(Clean(strings.ReplaceAll(w, `\`, `\\`)), "'", `\'`) + "'"
	default:
		return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
}

// Count is a number with its noun: "1 tool", "2 tools".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
