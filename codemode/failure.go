// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxFrames  = 10
	maxMessage = 4096
)

// report is what the prelude says about an error.
type report struct {
	Name, Message, Stack, Code string
	Tool                       bool
}

// readReport reads what it can: a report that memory did not suffice for is empty.
func readReport(b []byte) report {
	var r report
	if json.Unmarshal(b, &r) != nil {
		return report{}
	}
	return r
}

// explained makes a failure of an error that the script did not catch.
func (s *sandbox) explained(r report) *Failure {
	message := r.Message
	if r.Name != "" && r.Name != "NonError" {
		message = r.Name + ": " + r.Message
	}
	f := &Failure{Kind: KindException, Message: message}
	switch {
	case r.Tool:
		f.Kind, f.Code, f.Message = KindTool, r.Code, r.Message
	case r.Name == "InternalError" && r.Message == "out of memory":
		return s.exhausted()
	case r.Name == "" && r.Message == "" || r.Message == "[uninitialized]":
		return s.exhausted() // there was not even memory to say so
	case r.Name == "RangeError" && r.Message == "Maximum call stack size exceeded", r.Name == "InternalError" && r.Message == "stack overflow":
		f.Kind, f.Message = KindStack, "the stack is full: functions call each other too deeply"
		f.Hint = "use a loop instead of recursion"
	case r.Name == "SyntaxError" && s.starting:
		f.Kind, f.Message = KindSyntax, r.Message
	case r.Name == "ReferenceError":
		f.Hint = s.unknownName(r.Message)
	case r.Name == "NonError":
		f.Hint = "throw an Error, so that the place is known"
	}
	return f
}

// exhausted is the failure of a script that has no memory left.
func (s *sandbox) exhausted() *Failure {
	if s.memory.shared {
		return &Failure{Kind: KindMemory, Message: "other scripts use the memory that is there", Hint: "run the program again later"}
	}
	return &Failure{
		Kind: KindMemory, Message: fmt.Sprintf("the script needs more than %d MiB of memory", s.limits.Memory/mib),
		Hint: "keep less at once: filter and sum up page by page",
	}
}

// unknownName says what to use instead of a name that the sandbox does not have.
func (s *sandbox) unknownName(message string) string {
	name, _, _ := strings.Cut(message, " is not defined")
	name = strings.Trim(name, "'\"")
	switch name {
	case "fetch", "XMLHttpRequest", "WebSocket", "URL", "Request", "Response", "navigator":
		return "there is no network here: call a tool"
	case "require", "process", "module", "exports", "__dirname", "Buffer", "Deno", "Bun", "fs":
		return "this is not Node: there are no modules, files or environment, only JavaScript and tools"
	case "window", "document", "localStorage", "alert":
		return "this is not a browser"
	case "setInterval", "setImmediate":
		return "use a loop with await sleep(ms)"
	}
	known := append(slices.Clone(s.program.Servers), "console", "sleep", "setTimeout", "ToolError", "tools")
	if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 {
		return "did you mean " + known[i] + "?"
	}
	if len(s.program.Servers) == 0 {
		return ""
	}
	return "servers here: " + strings.Join(s.program.Servers[:min(len(s.program.Servers), 20)], ", ")
}

// trapped notes that the guest broke off and cannot be used any more.
func (s *sandbox) trapped(err error) {
	switch {
	case s.stopped != nil:
	case s.broken == errGuestMemory || err == errGuestMemory || s.memory.denied:
		s.broken = nil
		s.fail(s.exhausted())
	case strings.Contains(err.Error(), "stack overflow"):
		s.fail(&Failure{Kind: KindStack, Message: "the stack is full: functions call each other too deeply", Hint: "use a loop instead of recursion"})
	case s.broken != nil:
		s.fail(&Failure{Kind: KindException, Message: "the sandbox broke off"})
	default:
		text, _, _ := strings.Cut(err.Error(), "\n")
		s.fail(&Failure{Kind: KindException, Message: "the sandbox broke off: " + text})
	}
}

// report completes the result.
func (s *sandbox) report(left []int) {
	u := &s.out.Usage
	u.CPU, u.Wall = s.turn.used, u.Wall+time.Since(s.started)
	if s.over {
		s.out.Detached = left
	}
	if s.stopped == nil {
		return
	}
	s.out.Value, s.out.Empty, s.out.Truncated = nil, false, false
	f := s.stopped
	f.Message = cutText(strings.ToValidUTF8(f.Message, "\uFFFD"), maxMessage)
	s.locate(f)
	s.out.Failure = f
}

// locate translates the stack to what the model wrote.
func (s *sandbox) locate(f *Failure) {
	var frames []string
	for line := range strings.Lines(strings.ToValidUTF8(s.stack, "\uFFFD")) {
		function, row, column, ok := frame(strings.TrimSpace(line))
		if !ok || len(frames) == maxFrames {
			continue
		}
		if row, column, ok = s.script.Locate(row, column); !ok {
			continue
		}
		if f.Line == 0 {
			f.Line, f.Column, f.SourceLine = row, column, s.script.Line(row)
		}
		frames = append(frames, fmt.Sprintf("at %s (%s:%d:%d)", function, scriptFile, row, column))
	}
	f.Stack = strings.Join(frames, "\n")
}

// frame reads a line of a stack, and reports whether it is in the script.
func frame(line string) (function string, row, column int, ok bool) {
	line, ok = strings.CutPrefix(line, "at ")
	if !ok {
		return "", 0, 0, false
	}
	at := strings.LastIndex(line, scriptFile+":")
	if at < 0 {
		return "", 0, 0, false
	}
	first, second, _ := strings.Cut(strings.TrimSuffix(line[at+len(scriptFile)+1:], ")"), ":")
	row, err := strconv.Atoi(first)
	if err != nil {
		return "", 0, 0, false
	}
	column, _ = strconv.Atoi(second)
	function = strings.TrimSuffix(line[:at], " (")
	if function == "" {
		function = "<anonymous>"
	}
	return cutText(function, 80), row, max(column, 1), true
}
