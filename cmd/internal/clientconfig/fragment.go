// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fragment writes the upstreams of a result as a part of tollgate.yaml, with the notes as comments. It is valid as a file of
// its own.
func Fragment(r *Result) []byte {
	var b strings.Builder
	b.WriteString("upstreams:")
	if len(r.Upstreams) == 0 {
		b.WriteString(" []")
	}
	b.WriteString("\n")
	for i := range r.Upstreams {
		b.WriteString(entry(&r.Upstreams[i], r.Notes, "  "))
	}
	return []byte(b.String())
}

// entry writes one list item, indented. Comments come first.
func entry(u *Upstream, notes []Note, indent string) string {
	var b strings.Builder
	for _, n := range notes {
		if n.Upstream == u.Name && (n.Kind == NoteRisk || n.Kind == NoteTodo) {
			b.WriteString(indent + "# " + string(n.Kind) + ": " + comment(n.Text) + "\n")
		}
	}
	line := func(key, value string) {
		if value != "" {
			b.WriteString(indent + "  " + key + ": " + value + "\n")
		}
	}
	b.WriteString(indent + "- name: " + quoteYAML(u.Name) + "\n")
	line("command", optional(u.Command))
	line("args", flow(u.Args))
	line("dir", optional(u.Dir))
	line("url", optional(u.URL))
	line("transport", optional(u.Transport))
	for _, m := range []struct {
		key    string
		values map[string]string
	}{{"env", u.Env}, {"headers", u.Headers}} {
		if len(m.values) > 0 {
			b.WriteString(indent + "  " + m.key + ":\n")
		}
		for _, key := range sortedKeys(m.values) {
			b.WriteString(indent + "    " + quoteYAML(key) + ": " + quoteYAML(m.values[key]) + "\n")
		}
	}
	line("tools", flow(u.Tools))
	line("timeout", duration(u.Timeout))
	line("start_timeout", duration(u.StartTimeout))
	if u.Disabled {
		line("disabled", "true")
	}
	return b.String()
}

func optional(s string) string {
	if s == "" {
		return ""
	}
	return quoteYAML(s)
}

func flow(words []string) string {
	if len(words) == 0 {
		return ""
	}
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quoteYAML(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	s := d.String()
	s = regexp.MustCompile(`m0s$`).ReplaceAllString(s, "m")
	return regexp.MustCompile(`h0m$`).ReplaceAllString(s, "h")
}

// comment keeps a note on one line and free of what a terminal or an editor would act on.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r >= '\ufffe' && r <= '\uffff' {
			return ' '
		}
		return r
	}, text)
}

// quoteYAML writes a string as a YAML scalar: plain when no reader could take it for anything else, else in double quotes.
func quoteYAML(s string) string {
	plain := regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_/.:@+-]*$`).MatchString(s) && !strings.HasSuffix(s, ":")
	if plain && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(s)) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r >= 0x7f && r < 0xa0:
			b.WriteString(`\x` + hex(r, 2))
		case r == '\u2028' || r == '\u2029' || r == '\ufeff' || r >= '\ufffe' && r <= '\uffff':
			b.WriteString(`\u` + hex(r, 4))
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

func hex(r rune, digits int) string {
	s := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", digits-len(s)) + s
}
