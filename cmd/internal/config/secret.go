// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a string that may hold references. It prints as "***" with every verb and encoder; use [Secret.Written] to show
// what the file says and [Secret.Reveal] to use the value.
type Secret struct {
	written string
	value   string
}

const mask = "***"

// Literal is a Secret without references, for configurations that come from no file.
func Literal(value string) Secret { return Secret{written: Escape(value), value: value} }

// Reveal returns the value with all references replaced. Do not print or log it.
func (s Secret) Reveal() string { return s.value }

// Written returns the text of the file with references as they stand there. A literal secret in the file is part of it.
func (s Secret) Written() string { return s.written }

// IsZero reports whether the file has no such value.
func (s Secret) IsZero() bool { return s == Secret{} }

// String is "***", or "" for the zero Secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return mask
}

// Format implements [fmt.Formatter]; without it %#v and %+v of an enclosing struct would show the fields.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements [encoding.TextMarshaler] for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
