// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"io"
	"os"

	"golang.org/x/term"
)

// Streams are what a command reads, writes and looks up. Tests replace them; nothing else in cmd touches os.Stdin,
// os.Stdout, os.Stderr or the environment.
type Streams struct {
	In  io.Reader
	Out io.Writer // results only
	Err io.Writer // everything else: errors, remarks, questions
	Env func(name string) (value string, set bool)
}

// Std returns the streams of the process.
func Std() *Streams {
	return &Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv}
}

// Getenv returns a variable of the environment, "" when it is not set.
func (s *Streams) Getenv(name string) string {
	if s.Env == nil {
		return ""
	}
	value, _ := s.Env(name)
	return value
}

// Interactive reports whether a person can be asked: both In and Err are terminals.
func (s *Streams) Interactive() bool { return isTerminal(s.In) && isTerminal(s.Err) }

// OutIsTerminal reports whether a person reads Out.
func (s *Streams) OutIsTerminal() bool { return isTerminal(s.Out) }

func isTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// JSON writes v to Out, indented, with characters as they are and a line end.
func (s *Streams) JSON(v any) error {
	enc := json.NewEncoder(s.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
