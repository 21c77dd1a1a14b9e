// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tollgate/aggregator/redact"
	"tollgate/policy"
	"tollgate/store/audit"
)

// recordingCheck collects the mistakes of [RecordingOptions].
type recordingCheck struct {
	rule int
	errs RecordingErrors
}

func (c *recordingCheck) report(field string, index int, message, hint string) {
	c.errs = append(c.errs, &RecordingError{Rule: c.rule, Field: field, Index: index, Message: message, Hint: hint})
}

// word is text, one of words; the first one when it is "" and the field is that of the options.
func (c *recordingCheck) word(field, text string, words ...string) string {
	if text == "" && c.rule < 0 {
		return words[0]
	}
	if text != "" && !slices.Contains(words, text) {
		hint := "want " + strings.Join(words, ", ")
		if near := policy.Closest(text, words); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		c.report(field, -1, fmt.Sprintf("unknown %s %q", field, text), hint)
	}
	return text
}

func (c *recordingCheck) patterns(field string, texts []string) []*policy.Pattern {
	var out []*policy.Pattern
	for i, text := range texts {
		p, err := policy.ParsePattern(text)
		var mistake *policy.PatternError
		switch {
		case errors.As(err, &mistake):
			c.report(field, i, mistake.Message, mistake.Hint)
		case err != nil:
			c.report(field, i, err.Error(), "")
		default:
			out = append(out, p)
		}
	}
	return out
}

func (c *recordingCheck) compile(r *RecordingRule) recordingRule {
	out := recordingRule{
		patterns:   c.patterns("for", r.For),
		durability: c.word("durability", r.Durability, DurabilityAuto, string(audit.Strict), string(audit.Durable), string(audit.Async)),
		level:      c.word("arguments", r.Arguments, audit.LevelFull, audit.LevelRedacted, audit.LevelDigest),
		pointers:   r.Redact,
	}
	for i, text := range r.Redact {
		var mistake *redact.PointerError
		if err := redact.CheckPointer(text); errors.As(err, &mistake) {
			c.report("redact", i, fmt.Sprintf("pointer %q: %s", text, mistake.Reason), mistake.Hint)
		}
	}
	switch {
	case len(r.Redact) > 0 && out.level == "":
		out.level = audit.LevelRedacted
	case len(r.Redact) > 0 && out.level != audit.LevelRedacted:
		c.report("redact", -1, fmt.Sprintf("arguments that are kept as %s are not redacted", out.level), `write "arguments: redacted", or remove redact`)
	case len(r.Redact) == 0 && out.level == audit.LevelRedacted:
		c.report("redact", -1, "arguments are to be redacted, but nothing says which", `name them, such as "/password" or "/**/token"`)
	case out.durability == "" && out.level == "":
		c.report("for", -1, "the rule says nothing", "give it durability, arguments or redact, or remove it")
	}
	return out
}
