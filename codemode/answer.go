// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// answerText returns the JSON that the script gets for a call, and the code of the error when it is one.
func (s *sandbox) answerText(c completion) (text []byte, code string) {
	err := c.answer.Err
	if err == nil {
		value := c.answer.Value
		switch {
		case len(value) == 0:
			return []byte("null"), ""
		case json.Valid(value):
			if len(value) > s.limits.Answer {
				s.log("warn", fmt.Sprintf("the answer of %s.%s has %d bytes and was cut to %d: ask for less", c.call.Server, c.call.Tool, len(value), s.limits.Answer))
				value = truncate(value, s.limits.Answer)
			}
			return quoteLarge(value), ""
		}
		err = &ToolError{Code: "invalid_answer", Message: fmt.Sprintf("%s.%s answered with something that is not JSON", c.call.Server, c.call.Tool)}
	}
	e := *err
	if e.Code == "" {
		e.Code = "error"
	}
	e.Message = cutText(e.Message, s.limits.Answer/2)
	if !json.Valid(e.Details) || len(e.Details) > s.limits.Answer {
		e.Details = nil
	}
	text, failed := json.Marshal(e)
	if failed != nil {
		text = []byte(`{"message":"the error cannot be shown"}`)
	}
	return quoteLarge(text), e.Code
}

const (
	safeDigits = "9007199254740991" // the largest integer that a number holds exactly, like all below it
	unsafeRun  = len(safeDigits)    // digits that an integer needs to be larger
)

// quoteLarge makes strings of the integers that a JavaScript number cannot hold. The text must be valid JSON.
func quoteLarge(b []byte) []byte {
	var out []byte
	copied := 0
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			i = stringEnd(b, i)
		case c == '-' || c >= '0' && c <= '9':
			start := i
			i = numberEnd(b, i)
			if unsafe(b[start:i]) {
				out = append(out, b[copied:start]...)
				out = append(out, '"')
				out = append(out, b[start:i]...)
				out = append(out, '"')
				copied = i
			}
		default:
			i++
		}
	}
	if copied == 0 {
		return b
	}
	return append(out, b[copied:]...)
}

// stringEnd returns the place after the string that starts at i.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		i += n
		slashes := 0
		for b[i-1-slashes] == '\\' {
			slashes++
		}
		i++
		if slashes%2 == 0 {
			return i
		}
	}
	return len(b)
}

func numberEnd(b []byte, i int) int {
	for i < len(b) && (b[i] >= '0' && b[i] <= '9' || b[i] == '-' || b[i] == '+' || b[i] == '.' || b[i] == 'e' || b[i] == 'E') {
		i++
	}
	return i
}

// unsafe reports whether a number is an integer that rounding would change.
func unsafe(number []byte) bool {
	digits := bytes.TrimPrefix(number, []byte("-"))
	if len(digits) < unsafeRun || bytes.ContainsAny(digits, ".eE") {
		return false
	}
	return len(digits) > unsafeRun || string(digits) > safeDigits
}
