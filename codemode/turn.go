// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

const (
	slice = time.Millisecond // the longest that a script keeps a processor from other goroutines
	grace = 300              // polls in which a stopped script may say where it was, some 25 ms
)

// turn is what an execution knows about its right to run.
type turn struct {
	held    bool
	since   time.Time     // when the stretch that is measured began
	yielded time.Time     // when the processor was last given away
	used    time.Duration // of stretches that have ended
}

// enter waits until the script may run.
func (s *sandbox) enter() bool {
	if !s.acquire() {
		return false
	}
	s.turn.since = time.Now()
	s.turn.yielded = s.turn.since
	return true
}

func (s *sandbox) acquire() bool {
	if s.ctx.Err() != nil {
		s.interrupted()
		return false
	}
	select {
	case s.engine.running <- struct{}{}:
		s.turn.held = true
		return true
	default:
	}
	s.engine.waiting.Add(1)
	defer s.engine.waiting.Add(-1)
	select {
	case s.engine.running <- struct{}{}:
		s.turn.held = true
		return true
	case <-s.ctx.Done():
		s.interrupted()
		return false
	}
}

// leave gives the turn back; the script waits or is over.
func (s *sandbox) leave() {
	if s.turn.held {
		s.turn.used += time.Since(s.turn.since)
		s.turn.held = false
		<-s.engine.running
	}
}

// interrupted notes why the context has ended.
func (s *sandbox) interrupted() {
	if context.Cause(s.ctx) == errWall {
		s.fail(&Failure{
			Kind: KindTimeout, Message: fmt.Sprintf("the script was not done after %v", s.limits.Wall),
			Hint: "make fewer calls, make them at once with Promise.all, or sleep less",
		})
		return
	}
	s.fail(&Failure{Kind: KindCancelled, Message: "the execution was cancelled"})
}

// poll reports whether the script must stop now. It runs some thousand times a second while a script runs. A script that
// must stop is first stopped by an exception that it cannot catch, because that knows the place; a native loop that does not
// notice is broken off after a while.
func (s *sandbox) poll(byFuel bool) bool {
	now := time.Now()
	if s.stopped == nil {
		if used := s.turn.used + now.Sub(s.turn.since); used > s.limits.CPU {
			s.fail(&Failure{
				Kind: KindCPU, Message: fmt.Sprintf("the script computed for more than %v", s.limits.CPU),
				Hint: "look for a loop that does not end, or let a tool do the work",
			})
		} else if s.ctx.Err() != nil {
			s.interrupted()
		} else if s.yield(now) {
			return false
		} else {
			s.late = grace // it has no turn any more, and no time to say where it was
		}
	}
	if s.stopped == nil {
		return false
	}
	if byFuel {
		s.late++
	}
	return !byFuel || s.late > grace
}

// yield lets others run: scripts that wait for a turn, and goroutines that wait for a processor. It reports whether the
// script goes on.
func (s *sandbox) yield(now time.Time) bool {
	switch {
	case s.engine.waiting.Load() > 0:
		s.leave()
		if !s.enter() {
			return false
		}
	case now.Sub(s.turn.yielded) >= slice:
		runtime.Gosched()
		s.turn.yielded = time.Now()
		// Others had the processor, not this script.
		s.turn.since = s.turn.since.Add(s.turn.yielded.Sub(now))
	}
	return true
}
