// SPDX-License-Identifier: Apache-2.0

package wording

import (
	"fmt"
	"slices"
	"strings"
)

// Undeclared is the name that a message of CEL says is not declared.
func Undeclared(message string) (name string, ok bool) {
	return quoted(message, "undeclared reference to '", "'")
}

// Undefined is the member that a message of CEL says is not defined.
func Undefined(message string) (name string, ok bool) {
	return quoted(message, "undefined field '", "'")
}

// quoted is what stands between before and the first after in a message that begins with before.
func quoted(message, before, after string) (text string, ok bool) {
	rest, ok := strings.CutPrefix(message, before)
	if !ok {
		return "", false
	}
	text, _, ok = strings.Cut(rest, after)
	return text, ok
}

// between is what stands between before and after, where a message is nothing else.
func between(message, before, after string) (text string, ok bool) {
	rest, ok := strings.CutPrefix(message, before)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, after)
}

// Issue words a message of CEL's checker that is not about a name.
func Issue(message string) (plain, hint string) {
	if rest, ok := between(message, "found no matching overload for '", "'"); ok {
		if function, operands, ok := strings.Cut(rest, "' applied to '"); ok {
			return wrongOperands(function, operands)
		}
	}
	if t, ok := between(message, "type '", "' does not support field selection"); ok {
		return Type(t) + " has no members", ""
	}
	if t, ok := quoted(message, "expression of type '", "' cannot be range of a comprehension"); ok {
		return "only a list or an object can be searched, this is " + Type(t), ""
	}
	if rest, ok := between(message, "expected type '", "'"); ok {
		if want, got, ok := strings.Cut(rest, "' but found '"); ok {
			return fmt.Sprintf("this must be %s, it is %s", Type(want), Type(got)), ""
		}
	}
	return message, ""
}

func wrongOperands(function, operands string) (message, hint string) {
	receiver := ""
	if i := strings.Index(operands, ".("); i > 0 {
		receiver, operands = operands[:i], operands[i+1:]
	}
	list := splitTypes(strings.TrimSuffix(strings.TrimPrefix(operands, "("), ")"))
	names := make([]string, 0, len(list))
	for _, t := range list {
		names = append(names, Type(t))
	}
	sign := Operator(function)
	message = fmt.Sprintf("%s does not work on %s", sign, strings.Join(names, " and "))
	if receiver != "" {
		message = fmt.Sprintf("%s does not work on %s", sign, Type(receiver))
		if len(names) > 0 {
			message += " with " + strings.Join(names, " and ")
		}
	}
	whole, number := slices.Contains(list, "int"), slices.Contains(list, "double")
	switch {
	case whole && number:
		hint = "both must be of one kind: write 2.0 instead of 2, or double(...) round the whole number"
	case slices.Contains(list, "string") && (whole || number) && sign == "+":
		hint = "write string(...) round the number"
	}
	return message, hint
}

// Operator is how people write a function of CEL's: "+" for _+_, "in" for @in, others as they are.
func Operator(function string) string {
	if strings.Trim(function, "_@!-") == function {
		return function
	}
	return strings.NewReplacer("_", "", "@", "").Replace(function)
}

// splitTypes splits at the commas that are outside of parentheses.
func splitTypes(list string) []string {
	var out []string
	depth, start := 0, 0
	for i, ch := range list {
		switch ch {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, strings.TrimSpace(list[start:i]))
				start = i + 1
			}
		}
	}
	if rest := strings.TrimSpace(list[start:]); rest != "" {
		out = append(out, rest)
	}
	return out
}

// Syntax words a message of CEL's parser.
func Syntax(message string) (plain, hint string) {
	text, ok := strings.CutPrefix(message, "Syntax error: ")
	if !ok {
		return message, ""
	}
	text, _, _ = strings.Cut(text, " expecting ")
	if strings.Contains(text, "'<EOF>'") {
		return "the expression ends too early", ""
	}
	token, found := "", true
	switch {
	case strings.Contains(text, "token recognition error"):
		_, token, _ = strings.Cut(text, " at: ")
		token = strings.TrimSuffix(strings.TrimPrefix(token, "'"), "'")
	case strings.HasPrefix(text, "mismatched input"), strings.HasPrefix(text, "extraneous input"),
		strings.HasPrefix(text, "no viable alternative at input"):
		_, token, _ = strings.Cut(text, "input ")
		token = strings.Trim(token, "'")
	default:
		found = false
	}
	if found {
		text = "unexpected '" + strings.TrimSpace(token) + "'"
	}
	switch {
	case strings.Contains(text, "'='"):
		hint = "to compare, write =="
	case strings.Contains(text, "'&"), strings.Contains(text, "'|"):
		hint = "write && and ||"
	case strings.Contains(text, `'"`), strings.Contains(text, "''"):
		hint = "close the quote"
	case strings.Contains(text, "'and'"), strings.Contains(text, "'or'"), strings.Contains(text, "'not'"):
		hint = "write && for and, || for or, ! for not"
	}
	return text, hint
}
