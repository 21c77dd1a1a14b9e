// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tollgate/policy/internal/wording"
)

// maxSummary bounds a summary, in bytes: a receiver takes 1024 characters.
const maxSummary = 1024

// piece is a part of a summary: text, or the name of a variable.
type piece struct{ text, variable string }

// parseSummary splits a summary at its braces. {{ and }} are braces that are meant.
func parseSummary(source string) ([]piece, []diagnosis) {
	var pieces []piece
	var found []diagnosis
	var plain strings.Builder
	for i := 0; i < len(source); {
		switch {
		case strings.HasPrefix(source[i:], "{{"), strings.HasPrefix(source[i:], "}}"):
			plain.WriteByte(source[i])
			i += 2
		case source[i] != '{':
			plain.WriteByte(source[i])
			i++
		default:
			name, _, closed := strings.Cut(source[i+1:], "}")
			if !closed {
				return nil, append(found, diagnosis{i, "the brace is not closed", "write {{ for a brace that is meant"})
			}
			word := strings.TrimSpace(name)
			if _, ok := variables()[word]; !ok {
				found = append(found, diagnosis{i + 1, fmt.Sprintf("there is no variable %q", word), hintVariable(word)})
			}
			pieces = append(pieces, piece{text: plain.String()}, piece{variable: word})
			plain.Reset()
			i += len(name) + 2
		}
	}
	if len(found) > 0 {
		return nil, found
	}
	return append(pieces, piece{text: plain.String()}), nil
}

func hintVariable(word string) string {
	names := slices.Sorted(maps.Keys(variables()))
	if hint := wording.DidYouMean(word, names); word != "" && hint != "" {
		return hint
	}
	for _, name := range names {
		if _, member, _ := strings.Cut(name, "."); member == word {
			return fmt.Sprintf("did you mean %q?", name)
		}
	}
	return "a summary is plain text with names of variables in braces, such as {budget.name}; write {{ for a brace that is meant"
}

// defaultSummary is that of a rule without one.
func defaultSummary(name string, about Subject) []piece {
	switch about {
	case OfBudget:
		return []piece{{text: name + ": budget "}, {variable: "budget.name"}, {text: " "}, {variable: "budget.account"}}
	case OfUpstream:
		return []piece{{text: name + ": upstream "}, {variable: "upstream.name"}}
	}
	return []piece{{text: name}}
}

// Summary is what people are told: one line of at most 1024 bytes.
func (c *Condition) Summary(d *Document) string {
	var b strings.Builder
	for _, p := range c.summary {
		b.WriteString(p.text)
		if p.variable != "" {
			b.WriteString(spell(d, p.variable))
		}
	}
	words := strings.FieldsFunc(strings.ToValidUTF8(b.String(), "\ufffd"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	})
	return cut(strings.Join(words, " "), maxSummary)
}

// cut shortens a text to a number of bytes without breaking a character.
func cut(s string, most int) string {
	const end = "…"
	if len(s) <= most {
		return s
	}
	for most -= len(end); most > 0 && !utf8.RuneStart(s[most]); most-- {
		continue
	}
	return s[:most] + end
}

// spell writes a variable for people.
func spell(d *Document, name string) string {
	if d.Budget != nil {
		if n, ok := d.Budget.amount(name); ok {
			return usd(n)
		}
	}
	v, _ := d.value(name)
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		// Rounded down: 99.97 % is not all of it. The small addition takes back what the binary form of 0.29 lacks.
		return strconv.FormatFloat(math.Floor(v*1000+1e-9)/10, 'f', -1, 64) + "%"
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		if v.IsZero() {
			return "never"
		}
		return v.Format(time.RFC3339)
	}
	return "?"
}

// usd writes nano-USD exactly, with cents and with more digits only when there are some.
func usd(n int64) string {
	sign, all := "", uint64(n)
	if n < 0 {
		sign, all = "-", -uint64(n)
	}
	fraction := fmt.Sprintf("%09d", all%dollar)
	return sign + "$" + strconv.FormatUint(all/dollar, 10) + "." + fraction[:2] + strings.TrimRight(fraction[2:], "0")
}
