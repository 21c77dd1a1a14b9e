// SPDX-License-Identifier: Apache-2.0

package wire

// fault is a reason to refuse a text.
type fault uint8

const (
	unexpectedEnd fault = iota
	unexpectedCharacter
	trailingText
	tooDeep
	tooLong
	noName
	noColon
	noComma
	noDigit
	openString
	controlCharacter
	badUTF8
	badEscape
	badHex
	loneSurrogate
	duplicateName
)

func (f fault) reason() string {
	return [...]string{
		unexpectedEnd:       "unexpected end",
		unexpectedCharacter: "unexpected character",
		trailingText:        "unexpected text after the value",
		tooDeep:             "more than 512 levels of arrays and objects",
		tooLong:             "longer than 2 GiB",
		noName:              "expected a member name",
		noColon:             "expected a colon",
		noComma:             "expected a comma or the end of the array or object",
		noDigit:             "expected a digit",
		openString:          "unterminated string",
		controlCharacter:    "control character in a string",
		badUTF8:             "invalid UTF-8",
		badEscape:           "unknown escape",
		badHex:              "expected four hexadecimal digits",
		loneSurrogate:       "lone surrogate escape",
		duplicateName:       "duplicate member",
	}[f]
}
