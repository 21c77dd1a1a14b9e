// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"context"
	"slices"
	"time"
)

// loop runs the script until it has ended, was stopped, or waits for parked calls only. It begins and ends with the turn held,
// unless the context ended while it waited for one.
func (s *sandbox) loop() {
	for s.jobs() {
		switch {
		case len(s.ready) > 0:
			ready := s.ready
			s.ready = nil
			for _, c := range ready {
				s.settle(c)
			}
		case s.calls == 0 && len(s.queue) == 1 && len(s.timers) == 0:
			s.callInline()
		case s.calls+len(s.queue)+len(s.timers) > 0:
			s.dispatch()
			s.wait()
		case len(s.parked) > 0:
			s.suspend()
			return
		default:
			s.fail(&Failure{
				Kind: KindDeadlock, Message: "the script waits for a promise that nothing will settle",
				Hint: "a promise made with new Promise must be resolved by code that still runs",
			})
		}
	}
}

// callInline makes the only call there is without another goroutine.
func (s *sandbox) callInline() {
	c := s.queue[0]
	s.queue = s.queue[:0]
	s.leave()
	answer := s.program.Call(s.ctx, c)
	if s.enter() {
		s.settle(completion{c, answer})
		return
	}
	s.note(completion{c, answer})
}

// dispatch starts calls that wait, as many as may run at once.
func (s *sandbox) dispatch() {
	for len(s.queue) > 0 && s.calls < s.limits.Concurrent {
		c := s.queue[0]
		s.queue = slices.Delete(s.queue, 0, 1)
		s.calls++
		go func(ctx context.Context) { s.done <- completion{c, s.program.Call(ctx, c)} }(s.ctx)
	}
}

// wait waits for an answer or a timer, then hands over all there are.
func (s *sandbox) wait() {
	var fire <-chan time.Time
	if len(s.timers) > 0 {
		t := time.NewTimer(time.Until(s.timers[0].due))
		defer t.Stop()
		fire = t.C
	}
	var answered []completion
	s.leave()
	select {
	case c := <-s.done:
		answered = append(answered, c)
	case <-fire:
	case <-s.ctx.Done():
		s.interrupted()
	}
	entered := s.stopped == nil && s.enter()
	for more := true; more; {
		select {
		case c := <-s.done:
			answered = append(answered, c)
		default:
			more = false
		}
	}
	s.calls -= len(answered)
	for _, c := range answered {
		if entered && s.stopped == nil && !s.over {
			s.settle(c)
		} else {
			s.note(c)
		}
	}
	if entered {
		s.fire()
	}
}

// fire runs the timers that are due.
func (s *sandbox) fire() {
	for _, t := range s.timers.take(time.Now()) {
		if s.stopped != nil || s.over {
			return
		}
		s.drift = max(s.drift, t.drift)
		box, err := s.guest.call(fnNewNumber, floatBits(float64(t.id)))
		if err == nil {
			err = s.guest.apply(s.guest.at.Fire, box)
		}
		if !s.goesOn(err) || !s.jobs() {
			return
		}
	}
}

// note writes down how a call ended.
func (s *sandbox) note(c completion) *Made {
	m := &s.out.Calls[c.call.Seq-1]
	switch {
	case c.answer.Park:
		m.Status, m.Text = Parked, c.answer.Text
	case c.answer.Err == nil:
		m.Status = OK
	case s.ctx.Err() != nil:
		m.Status, m.Code = Cancelled, c.answer.Err.Code
	default:
		m.Status, m.Code = Failed, c.answer.Err.Code
	}
	return m
}

// settle gives the script the answer of a call, or parks the call.
func (s *sandbox) settle(c completion) {
	m := s.note(c)
	if c.answer.Park {
		s.parked = append(s.parked, Waiting{Call: *c.call, Text: c.answer.Text})
		return
	}
	text, code := s.answerText(c)
	seq := float64(c.call.Seq)
	if code != "" {
		seq = -seq
		if m.Status == OK { // not JSON
			m.Status, m.Code = Failed, code
		}
	}
	value, err := s.guest.newString(text)
	if err == nil {
		var box uint32
		if box, err = s.guest.call(fnNewNumber, floatBits(seq)); err == nil {
			err = s.guest.apply(s.guest.at.Settle, box, value)
		}
	}
	s.goesOn(err)
}

// drain ends the calls that still run and notes all that were left.
func (s *sandbox) drain() (left []int) {
	for ; s.calls > 0; s.calls-- {
		c := <-s.done
		s.note(c)
		left = append(left, c.call.Seq)
	}
	for _, c := range s.queue {
		left = append(left, c.Seq)
	}
	if s.out.Suspension != nil {
		return left
	}
	for _, w := range s.parked {
		left = append(left, w.Call.Seq)
		s.out.Calls[w.Call.Seq-1].Status = Cancelled
	}
	slices.Sort(left)
	return left
}
