// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"context"
	"errors"
	"time"

	"tollgate/codemode/script"
)

var (
	errWall    = errors.New("the execution took too long")
	errStopped = errors.New("the script was stopped")
)

// sandbox is one execution. Its guest, and everything below that is not said to be shared, belongs to the goroutine that
// called Run: host functions run on it too.
type sandbox struct {
	engine   *Engine
	build    *build
	memory   *memory
	guest    *guest
	building bool // the prelude runs, and nobody counts

	program *Program
	limits  Limits
	script  *script.Program
	ctx     context.Context // ends with the caller's, the engine's, the time limit, and the execution
	started time.Time

	turn     turn
	stopped  *Failure // the script must not go on
	late     int      // polls since then
	stack    string   // where it was stopped
	broken   error    // of the engine rather than the script
	over     bool     // the script has ended by itself
	starting bool     // the script is evaluated, but does not run yet

	queue  []*Call
	calls  int             // handed to Call and not answered
	done   chan completion // shared with the goroutines that call
	ready  []completion    // answered without a call
	parked []Waiting
	timers timers
	drift  time.Duration // of a fixed clock

	logged int // bytes
	out    *Result
}

// completion is a call that has been answered.
type completion struct {
	call   *Call
	answer Answer
}

// longest is the longest message that is read whole.
func (s *sandbox) longest() int {
	return max(8*mib, 4*s.limits.Result, 2*s.limits.Arguments)
}

// clock is the time that the script sees, in nanoseconds.
func (s *sandbox) clock() int64 {
	if f := s.program.Fixed; f != nil {
		return f.Time.Add(s.drift).UnixNano()
	}
	return s.engine.options.Now().UnixNano()
}

// fail decides that the script does not go on; the first reason counts.
func (s *sandbox) fail(f *Failure) {
	if s.stopped == nil {
		s.stopped = f
	}
}

// log adds a line, or what fits of it, and reports whether there is room for more.
func (s *sandbox) log(level, text string) bool {
	room := s.limits.Logs - s.logged
	switch {
	case room <= 0:
		s.out.LogsDropped++
		return false
	case len(text) > room:
		text = cutText(text, room)
		s.logged = s.limits.Logs
	default:
		s.logged += max(len(text), 1)
	}
	s.out.Logs = append(s.out.Logs, Log{level, text})
	return s.logged < s.limits.Logs
}

// goesOn looks at how a call into the guest has ended.
func (s *sandbox) goesOn(err error) bool {
	switch {
	case err == nil:
	case errors.Is(err, errException):
		s.explain()
	default:
		s.trapped(err)
	}
	return s.stopped == nil && !s.over
}

// explain lets the prelude describe the exception that is pending in the guest.
func (s *sandbox) explain() {
	exception, err := s.guest.call(fnGetException)
	if err == nil {
		err = s.guest.apply(s.guest.at.Fail, exception)
	}
	switch {
	case errors.Is(err, errException):
		s.fail(s.exhausted())
	case err != nil:
		s.trapped(err)
	}
}

// jobs runs what the guest has to do until it waits.
func (s *sandbox) jobs() bool {
	for s.stopped == nil && !s.over {
		ran, err := s.guest.call(fnJob)
		if err == nil && int32(ran) < 0 {
			err = errException
		}
		if !s.goesOn(err) || ran == 0 {
			break
		}
	}
	return s.stopped == nil && !s.over
}

// evaluate defines the globals, evaluates the script and starts it.
func (s *sandbox) evaluate() bool {
	g := s.guest
	setup, err := g.newString(s.setup())
	if err == nil {
		err = g.apply(g.at.Setup, setup)
	}
	if errors.Is(err, errException) {
		s.broken = errors.New("a server or builtin has the name of a global that exists: give it another one")
		s.fail(&Failure{Kind: KindException})
		return false
	}
	if !s.goesOn(err) {
		return false
	}
	source := []byte(s.script.JavaScript)
	ptr, err := g.place(source)
	if !s.goesOn(err) {
		return false
	}
	s.starting = true
	function, err := g.once("qjs_eval", uint64(ptr), uint64(len(source)), uint64(g.at.File), evalStrict)
	if err == nil {
		err = g.release(ptr)
	}
	if err == nil {
		var failed uint32
		if failed, err = g.call(fnIsException, uint64(function)); err == nil && failed != 0 {
			err = errException
		}
	}
	if !s.goesOn(err) {
		return false
	}
	s.starting = false
	return s.goesOn(g.apply(g.at.Run, function))
}
