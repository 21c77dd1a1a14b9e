// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	rules "tollgate/policy/alert"
)

const (
	maxQueue  = 1024             // messages that wait for one sink
	firstWait = time.Second      // before the second attempt
	mostWait  = time.Minute      // between two attempts
	giveUp    = 15 * time.Minute // after the first attempt
	maxTries  = 30
	drainTime = 5 * time.Second // for what is queued when a sink is closed
)

var errClosed = errors.New("alerts are closed")

// sender tells one sink, one message at a time, from a queue and a goroutine of its own.
type sender struct {
	sink   Sink
	client *http.Client
	node   string
	now    func() time.Time
	log    *slog.Logger
	wake   chan struct{} // one slot: the queue is not empty
	stop   chan struct{} // closed: send what is queued and end
	abort  context.CancelCauseFunc
	close  sync.Once
	// minimum is the MinSeverity of the sink, which has none here. Watcher.mu guards it.
	minimum rules.Severity

	mu     sync.Mutex // guards what follows
	queue  [][]Event
	busy   bool // with a message that is no longer in the queue
	status SinkStatus
}

// SinkStatus is what an operator sees of one sink.
type SinkStatus struct {
	Name, Type string
	Queued     int       // messages that wait, the one being sent included
	Sent       uint64    // messages since the start
	Failed     uint64    // messages that were given up
	Dropped    uint64    // messages for which the queue had no room
	LastError  string    // of the last attempt that failed; "" once one succeeded
	LastSent   time.Time // of the last success
}

func newSender(s Sink, c *http.Client, node string, now func() time.Time, log *slog.Logger) *sender {
	return &sender{sink: s, client: c, node: node, now: now, log: log, wake: make(chan struct{}, 1), stop: make(chan struct{}),
		status: SinkStatus{Name: s.Name, Type: s.Type}}
}

// offer queues events and never waits. When there is no room the oldest message goes: what is newer says more about now.
func (s *sender) offer(events []Event) {
	if len(events) == 0 {
		return
	}
	s.mu.Lock()
	if s.sink.batches() {
		s.queue = append(s.queue, events)
	} else {
		for i := range events {
			s.queue = append(s.queue, events[i:i+1])
		}
	}
	over := max(0, len(s.queue)-maxQueue)
	s.queue = append([][]Event(nil), s.queue[over:]...)
	s.status.Dropped += uint64(over)
	s.mu.Unlock()
	if over > 0 {
		s.log.Warn("alerts dropped, the queue of their sink is full", "sink", s.sink.Name, "messages", over)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// idle reports whether everything was sent.
func (s *sender) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) == 0 && !s.busy
}

func (s *sender) look() SinkStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	status.Queued = len(s.queue)
	if s.busy {
		status.Queued++
	}
	return status
}

// start runs the sender until shut, as a task of tasks. It outlives the context of whoever runs the watcher, to send what is
// queued then.
func (s *sender) start(tasks *sync.WaitGroup) {
	ctx, abort := context.WithCancelCause(context.Background())
	s.abort = abort
	tasks.Go(func() {
		defer abort(nil)
		for {
			if ctx.Err() != nil {
				s.forsake()
				return
			}
			message := s.next()
			if message == nil {
				select {
				case <-s.wake:
				case <-s.stop:
					if s.idle() {
						return
					}
				}
				continue
			}
			s.deliver(ctx, message)
		}
	})
}

// shut lets the sender send what is queued, for a bounded time. It does not wait. What was never started cannot be shut.
func (s *sender) shut() {
	s.close.Do(func() {
		close(s.stop)
		time.AfterFunc(drainTime, func() { s.abort(errClosed) })
	})
}

// forsake gives up what is queued.
func (s *sender) forsake() {
	s.mu.Lock()
	n := len(s.queue)
	s.queue = nil
	s.status.Failed += uint64(n)
	s.mu.Unlock()
	if n > 0 {
		s.log.Error("alerts not sent before the end", "sink", s.sink.Name, "messages", n)
	}
}

// next takes the oldest message from the queue; nil when there is none.
func (s *sender) next() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy = len(s.queue) > 0; !s.busy {
		return nil
	}
	message := s.queue[0]
	s.queue = s.queue[1:]
	return message
}

// deliver sends a message until that works, or never will, or took too long.
func (s *sender) deliver(ctx context.Context, message []Event) {
	attempt := func() (struct{}, error) {
		err := post(ctx, s.client, s.sink, message, s.node, s.now())
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.status.LastError = ""; err != nil {
			s.status.LastError = err.Error()
		}
		return struct{}{}, err
	}
	said := false
	pauses := &backoff.ExponentialBackOff{InitialInterval: firstWait, MaxInterval: mostWait, Multiplier: 2, RandomizationFactor: 0.5}
	_, err := backoff.Retry(ctx, attempt, backoff.WithMaxElapsedTime(giveUp), backoff.WithMaxTries(maxTries), backoff.WithBackOff(pauses),
		backoff.WithNotify(func(err error, pause time.Duration) {
			if !said {
				s.log.Warn("alert not sent, trying again", "sink", s.sink.Name, "error", err.Error(), "pause", pause)
			}
			said = true
		}))
	s.mu.Lock()
	s.busy = false
	if err == nil {
		s.status.Sent++
		s.status.LastSent = s.now()
	} else {
		s.status.Failed++
	}
	s.mu.Unlock()
	if err != nil {
		s.log.Error("alert given up", "sink", s.sink.Name, "rule", message[0].Rule, "status", message[0].Status,
			"events", len(message), "error", err.Error())
	}
}
