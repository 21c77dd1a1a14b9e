// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tollgate/cmd/internal/config"
)

// The exit codes of every command.
const (
	ExitOK          = 0
	ExitError       = 1   // anything without a code of its own
	ExitUsage       = 2   // wrong flags or arguments
	ExitConfig      = 3   // tollgate.yaml is not valid
	ExitPolicy      = 4   // a policy is not valid
	ExitLocked      = 5   // the state directory belongs to another process
	ExitInterrupted = 130 // SIGINT or SIGTERM
)

// Error adds a hint and an exit code to an error.
type Error struct {
	Err  error
	Hint string // what the reader can do; may be empty
	Code int    // 0 = that of Err
}

// Error is the text of Err; the hint is not part of it.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Usage is an error about flags or arguments.
func Usage(format string, args ...any) *Error {
	return &Error{Err: fmt.Errorf(format, args...), Code: ExitUsage}
}

// WithHint adds a hint to an error. It returns nil for nil.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Err: err, Hint: fmt.Sprintf(format, args...)}
}

// WithCode gives an error an exit code. It returns nil for nil.
func WithCode(err error, code int) error {
	if err == nil {
		return nil
	}
	return &Error{Err: err, Code: code}
}

// errSaid ends a command that has printed all there is to say.
var errSaid = errors.New("see above")

// Said ends the process with a code and no further words: what was printed says why.
func Said(code int) error { return &Error{Err: errSaid, Code: code} }

// Classifier tells what an error of some other package means for the process. It returns code 0 for an error that it does
// not know; the hint may be empty.
type Classifier func(err error) (code int, hint string)

// ExitCode returns the exit code for an error: the outermost code of an [Error], else that of the first classifier that
// knows it, else 3 for [config.Diagnostics], 130 for a cancelled context and 1.
func ExitCode(err error, classify ...Classifier) int {
	if err == nil {
		return ExitOK
	}
	for wrapped := err; wrapped != nil; {
		e, ok := errors.AsType[*Error](wrapped)
		if !ok {
			break
		}
		if e.Code != 0 {
			return e.Code
		}
		wrapped = e.Err
	}
	for _, c := range classify {
		if code, _ := c(err); code != 0 {
			return code
		}
	}
	if _, ok := errors.AsType[config.Diagnostics](err); ok {
		return ExitConfig
	}
	if errors.Is(err, context.Canceled) {
		return ExitInterrupted
	}
	return ExitError
}

// Report prints an error to Err and returns the exit code of the process. It prints nothing for nil and for an interrupt.
func (s *Streams) Report(err error, classify ...Classifier) int {
	code := ExitCode(err, classify...)
	if code == ExitOK || code == ExitInterrupted || errors.Is(err, errSaid) {
		return code
	}
	if ds, ok := errors.AsType[config.Diagnostics](err); ok {
		fmt.Fprintln(s.Err, cleanLines(ds.Error()))
		if len(ds) > 1 {
			fmt.Fprintf(s.Err, "tollgate: %d mistakes in %s\n", len(ds), Clean(ds[0].File))
		}
	} else {
		fmt.Fprintf(s.Err, "tollgate: %s\n", cleanLines(err.Error()))
	}
	for _, hint := range hints(err, classify) {
		fmt.Fprintf(s.Err, "hint: %s\n", cleanLines(hint))
	}
	return code
}

// hints collects those of all wrappers, outermost first, and of the classifiers.
func hints(err error, classify []Classifier) []string {
	var all []string
	for wrapped := err; wrapped != nil; {
		e, ok := errors.AsType[*Error](wrapped)
		if !ok {
			break
		}
		if e.Hint != "" {
			all = append(all, e.Hint)
		}
		wrapped = e.Err
	}
	for _, c := range classify {
		if _, hint := c(err); hint != "" {
			all = append(all, hint)
		}
	}
	return all
}

// cleanLines cleans text of several lines. Tabs stay: they stand in source lines, and the caret below counts on them.
func cleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		cells := strings.Split(l, "\t")
		for j, c := range cells {
			cells[j] = Clean(c)
		}
		lines[i] = strings.Join(cells, "\t")
	}
	return strings.Join(lines, "\n")
}
