// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"
)

// errNobody is returned for a question when In or Err is no terminal.
var errNobody = errors.New("this needs an answer, and there is no terminal to ask on")

// Confirm asks a question that is answered with y or n; an empty answer is no. flag is named in the hint when nobody can be
// asked, for example "--yes".
func (s *Streams) Confirm(question, flag string) (bool, error) {
	if !s.Interactive() {
		return false, &Error{Err: errNobody, Hint: "pass " + flag, Code: ExitUsage}
	}
	return s.confirm(question)
}

// confirm is Confirm on any streams.
func (s *Streams) confirm(question string) (bool, error) {
	in := bufio.NewReader(s.In)
	for range 3 {
		fmt.Fprintf(s.Err, "%s [y/N] ", Clean(question))
		line, err := in.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return true, nil
		case "n", "no", "":
			return false, nil
		}
		if err != nil {
			return false, nil
		}
	}
	return false, Usage("neither yes nor no")
}

// AskSecret reads a line without showing it. hint says what to do when nobody can be asked.
func (s *Streams) AskSecret(prompt, hint string) (string, error) {
	f, ok := s.In.(interface{ Fd() uintptr })
	if !ok || !s.Interactive() {
		return "", &Error{Err: errNobody, Hint: hint, Code: ExitUsage}
	}
	fmt.Fprintf(s.Err, "%s: ", Clean(prompt))
	secret, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(s.Err)
	return string(secret), err
}
