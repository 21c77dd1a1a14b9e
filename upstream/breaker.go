// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	breakerFailures = 5                // in a row, to open the circuit
	breakerPause    = 10 * time.Second // until one request may try again
)

type circuit = gobreaker.TwoStepCircuitBreaker[struct{}]

// breaker stops sending to an upstream that does not answer, so that its callers fail at once instead of one timeout each.
// It is safe for concurrent use.
type breaker struct {
	name     string
	onChange func(open bool)
	current  atomic.Pointer[circuit]
}

// newBreaker returns a closed circuit. onChange is called with a lock held and must not call back.
func newBreaker(name string, onChange func(open bool)) *breaker {
	b := &breaker{name: name, onChange: onChange}
	b.current.Store(b.closed())
	return b
}

func (b *breaker) closed() *circuit {
	var self *circuit
	self = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        b.name,
		Timeout:     breakerPause,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsExcluded:  func(err error) bool { return err != nil && !transportFailure(err) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if b.current.Load() == self {
				b.onChange(to != gobreaker.StateClosed)
			}
		},
	})
	return self
}

// allow returns the function that takes the outcome of one request, or false when the circuit is open.
func (b *breaker) allow() (done func(error), ok bool) {
	done, err := b.current.Load().Allow()
	return done, err == nil
}

// reset closes the circuit: the upstream is known to answer. Requests under way no longer count.
func (b *breaker) reset() {
	b.current.Store(b.closed())
	b.onChange(false)
}

// transportFailure reports whether err says that the upstream cannot be reached or does not answer. What it answers, what the
// caller did and what this side refused are none of the circuit's business.
func transportFailure(err error) bool {
	var e *Error
	if !errors.As(err, &e) || errors.Is(err, context.Canceled) || errors.Is(err, errNotConnected) {
		return false
	}
	return e.Kind == KindUnavailable || e.Kind == KindTimeout || e.Kind == KindClosed
}
