// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tollgate/upstream/wire"
)

// receive takes a message of the prelude, of which b are the first bytes and n is the length. It answers false when the
// script has reached a limit; the prelude then sends the place, and for a line of the console nothing more.
func (s *sandbox) receive(b []byte, n int) bool {
	if len(b) == 0 || s.over || s.building {
		return true
	}
	kind, rest := b[0], b[1:]
	whole := len(b) == n
	if s.stopped != nil { // only the place is of interest now
		switch kind {
		case 'P':
			s.stack = string(rest)
			s.abort(errStopped)
		case 'F':
			s.stack = readReport(rest).Stack
		}
		return true
	}
	switch kind {
	case 'C':
		return s.receiveCall(rest, n)
	case 'S':
		return s.receiveTimer(string(rest))
	case 'X':
		if id, err := strconv.Atoi(string(rest)); err == nil {
			s.timers.remove(id)
		}
	case 'L':
		if n == 1 {
			s.out.LogsDropped++
			return false
		}
		level, text, _ := strings.Cut(string(rest), "\n")
		return s.log(level, strings.ToValidUTF8(text, "\uFFFD"))
	default:
		s.over = true
		s.receiveEnd(kind, rest, whole, n)
	}
	return true
}

// receiveCall queues a call. The arguments are what follows the last line break, for JSON has none.
func (s *sandbox) receiveCall(b []byte, n int) bool {
	if len(s.out.Calls) >= s.limits.Calls {
		s.fail(limit("calls", fmt.Sprintf("the script has made its %d calls", s.limits.Calls), "fetch more with each call, or split the work"))
		return false
	}
	head, tail := bytes.IndexByte(b, '\n'), bytes.LastIndexByte(b, '\n')
	if size := n - 2 - tail; size > s.limits.Arguments {
		s.fail(limit("arguments", fmt.Sprintf("the arguments of a call have %d bytes: at most %d", size, s.limits.Arguments), "send less with each call"))
		return false
	}
	if head < 0 || tail <= head {
		s.abort(fmt.Errorf("a call that cannot be read: %q", b))
	}
	c := &Call{Seq: len(s.out.Calls) + 1, Server: "tools", Tool: strings.ToValidUTF8(string(b[head+1:tail]), "\uFFFD"), Arguments: b[tail+1:]}
	if i, err := strconv.Atoi(string(b[:head])); err == nil && i >= 0 && i < len(s.program.Servers) {
		c.Server = s.program.Servers[i]
	}
	s.out.Calls = append(s.out.Calls, Made{Seq: c.Seq, Server: c.Server, Tool: c.Tool, Status: Unsent})
	if err := wire.Check(c.Arguments); err != nil {
		s.ready = append(s.ready, completion{c, Answer{Err: &ToolError{Code: "invalid_arguments", Message: "the arguments are not JSON that every parser reads alike: " + err.Error()}}})
		return true
	}
	s.queue = append(s.queue, c)
	return true
}

func (s *sandbox) receiveTimer(text string) bool {
	first, second, _ := strings.Cut(text, "\n")
	id, err := strconv.Atoi(first)
	ms, err2 := strconv.ParseFloat(second, 64)
	if err != nil || err2 != nil || ms != ms {
		s.abort(fmt.Errorf("a timer that cannot be read: %q", text))
	}
	if ms > float64(s.limits.Sleep/time.Millisecond) {
		s.fail(limit("sleep", fmt.Sprintf("a timer of %s ms: at most %v", second, s.limits.Sleep), "return, and let the next program go on"))
		return false
	}
	if len(s.timers) >= s.limits.Timers {
		s.fail(limit("timers", fmt.Sprintf("the script has %d timers at once", s.limits.Timers), "wait for some of them before you start more"))
		return false
	}
	wait := time.Duration(ms * float64(time.Millisecond))
	s.timers.add(timer{id: id, due: time.Now().Add(wait), drift: s.drift + wait})
	return true
}

// receiveEnd takes the report of how the script ended.
func (s *sandbox) receiveEnd(kind byte, b []byte, whole bool, n int) {
	switch {
	case kind == 'U':
		s.out.Value, s.out.Empty = []byte("null"), true
	case kind == 'N':
		s.fail(&Failure{Kind: KindResult, Message: fmt.Sprintf("the script returned a %s, which has no JSON", b), Hint: "return data: objects, arrays, strings, numbers"})
	case kind == 'D' && !whole:
		s.fail(limit("result", fmt.Sprintf("the value has %d bytes of JSON", n-1), "return a summary, or the part that matters"))
	case kind == 'D':
		s.receiveValue(b)
	case kind == 'R':
		f := s.explained(readReport(b))
		if f.Kind == KindException {
			f.Kind, f.Message = KindResult, "the value has no JSON: "+f.Message
			f.Hint = "return plain data; use String() for a BigInt, and break cycles"
		}
		s.fail(f)
	case kind == 'F':
		r := readReport(b)
		s.stack = r.Stack
		s.fail(s.explained(r))
	default:
		s.abort(fmt.Errorf("a message of unknown kind %q", kind))
	}
}

// receiveValue takes the value of the script. It is checked, since it comes out of the sandbox.
func (s *sandbox) receiveValue(b []byte) {
	if err := wire.CheckReply(b); err != nil {
		s.fail(&Failure{Kind: KindResult, Message: "the value cannot be read: " + err.Error(), Hint: "return plain data that is not nested deeply"})
		return
	}
	s.out.Value = b
	if len(b) > s.limits.Result {
		s.out.Value, s.out.Truncated = truncate(b, s.limits.Result), true
	}
}

func limit(name, message, hint string) *Failure {
	return &Failure{Kind: KindLimit, Limit: name, Message: message, Hint: hint}
}
