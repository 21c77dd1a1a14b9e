// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"tollgate/upstream/wire"
)

// LotOptions configure a [Lot].
type LotOptions struct {
	// TTL is how long a call waits for its client to come back with answers. 0: 3 min.
	TTL time.Duration
	// PerCaller bounds the parked calls of one caller, Total those of all. 0: 16 and 1000.
	PerCaller, Total int
}

// Lot holds calls to legacy upstreams that wait for answers of modern clients, which come back with a request of their
// own (2026-07-28 §mrtr). Safe for concurrent use.
type Lot struct {
	opts   LotOptions
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	calls  map[string]*Parked
	owners map[string]int
	closed bool
}

// ErrTooMany says that a caller, or everybody, has too many calls waiting for answers.
var ErrTooMany = errors.New("too many calls are waiting for answers")

// NewLot returns an empty lot; [Lot.Close] ends it.
func NewLot(o *LotOptions) *Lot {
	l := &Lot{calls: map[string]*Parked{}, owners: map[string]int{}}
	if o != nil {
		l.opts = *o
	}
	if l.opts.TTL <= 0 {
		l.opts.TTL = 3 * time.Minute
	}
	if l.opts.PerCaller <= 0 {
		l.opts.PerCaller = 16
	}
	if l.opts.Total <= 0 {
		l.opts.Total = 1000
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// TTL is how long a call waits for its client.
func (l *Lot) TTL() time.Duration { return l.opts.TTL }

// Parked is one call that may outlive the requests of its client. Its rounds are served one at a time.
type Parked struct {
	ID     string
	Caller string

	// Value is what run leaves for the round that sees the end; it may be read once Round said done.
	Value any

	lot    *Lot
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed once run has returned
	asked  chan struct{} // capacity 1: there is a new question

	mu      sync.Mutex // guards what follows
	next    int
	open    map[string]*open // unanswered, by key
	notify  func(method string, params []byte)
	serving bool       // a round is being served, or about to be
	begun   *sync.Cond // on mu: notify or serving has changed
	parked  bool       // the client has been asked and has not come back; what the call came to is kept for it
	timer   *time.Timer
}

// open is a question without an answer.
type open struct {
	Question
	answer chan []byte // capacity 1
}

// Start runs a call, of which [Parked.Round] must then serve the first round. run gets a context that ends when the call is
// given up, never with the client's request.
func (l *Lot) Start(caller string, run func(ctx context.Context, p *Parked)) (*Parked, error) {
	p := &Parked{ID: rand.Text(), Caller: caller, lot: l, done: make(chan struct{}), asked: make(chan struct{}, 1), open: map[string]*open{}, serving: true}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, context.Canceled
	}
	p.begun = sync.NewCond(&p.mu)
	p.ctx, p.cancel = context.WithCancel(l.ctx)
	l.work.Go(func() {
		defer p.finish()
		run(p.ctx, p)
	})
	return p, nil
}

// finish forgets a call that has ended.
func (p *Parked) finish() {
	p.cancel()
	close(p.done)
	p.mu.Lock()
	parked := p.parked
	p.mu.Unlock()
	if !parked { // some servers go on without waiting for an answer: the client still comes back for the result
		p.lot.remove(p)
	}
}

// expire gives up a call whose client did not come back.
func (p *Parked) expire() {
	p.cancel()
	p.lot.remove(p)
}

// list counts a call whose client is asked for the first time.
func (l *Lot) list(p *Parked) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls[p.ID] != nil {
		return nil
	}
	if l.owners[p.Caller] >= l.opts.PerCaller || len(l.calls) >= l.opts.Total {
		return ErrTooMany
	}
	l.calls[p.ID] = p
	l.owners[p.Caller]++
	return nil
}

func (l *Lot) remove(p *Parked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls[p.ID] != p {
		return
	}
	delete(l.calls, p.ID)
	if l.owners[p.Caller]--; l.owners[p.Caller] == 0 {
		delete(l.owners, p.Caller)
	}
}

// Take returns a waiting call for its next round, once: a call that is being served, was given up or belongs to somebody
// else is not found.
func (l *Lot) Take(id, caller string) (*Parked, bool) {
	l.mu.Lock()
	p := l.calls[id]
	l.mu.Unlock()
	if p == nil || p.Caller != caller {
		return nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.serving || (p.timer != nil && !p.timer.Stop()) {
		return nil, false
	}
	p.serving, p.parked = true, false
	return p, true
}

// Ask puts a question of the upstream to the client and waits for the answer.
func (p *Parked) Ask(ctx context.Context, method string, params []byte) ([]byte, *wire.Error) {
	p.mu.Lock()
	p.next++
	q := &open{Question: Question{Key: "q" + strconv.Itoa(p.next), Method: method, Params: params}, answer: make(chan []byte, 1)}
	p.open[q.Key] = q
	p.mu.Unlock()
	select {
	case p.asked <- struct{}{}:
	default:
	}
	select {
	case answer := <-q.answer:
		return answer, nil
	case <-ctx.Done():
	case <-p.ctx.Done():
	}
	p.mu.Lock()
	delete(p.open, q.Key)
	p.mu.Unlock()
	return nil, &wire.Error{Code: wire.CodeInternal, Message: "the client did not answer in time"}
}

// Notify passes a notification to the round that is being served; between rounds there is nobody to hear it.
func (p *Parked) Notify(method string, params []byte) {
	p.mu.Lock()
	for p.serving && p.notify == nil {
		p.begun.Wait() // for Round: the upstream was faster
	}
	notify := p.notify
	p.mu.Unlock()
	if notify != nil {
		notify(method, params)
	}
}

// Answer hands out the answers of an inputResponses object. Unknown keys are ignored.
func (p *Parked) Answer(responses []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for m := range wire.Members(responses) {
		if q := p.open[m.Name]; q != nil {
			delete(p.open, m.Name)
			q.answer <- m.Value
		}
	}
}

// Round serves one request of the client: it returns when the call has ended (done), when there are questions the client
// has to answer first, or when ctx ends, which gives the call up. notify receives what the upstream says meanwhile. After
// questions the call waits for [Lot.Take], no longer than the TTL.
func (p *Parked) Round(ctx context.Context, notify func(method string, params []byte)) (questions []Question, done bool, err error) {
	p.mu.Lock()
	p.notify = notify
	p.begun.Broadcast()
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.notify, p.serving = nil, false
		p.begun.Broadcast()
		p.mu.Unlock()
	}()
	for {
		select {
		case <-p.done: // whatever it asked, it has not waited for
			p.lot.remove(p)
			return nil, true, nil
		default:
		}
		if questions := p.pending(); len(questions) > 0 {
			return questions, false, p.wait()
		}
		select {
		case <-p.done:
			p.lot.remove(p)
			return nil, true, nil
		case <-p.asked:
		case <-ctx.Done():
			p.cancel()
			<-p.done
			return nil, true, nil
		}
	}
}

// pending are the questions without an answer, oldest first.
func (p *Parked) pending() []Question {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Question
	for _, q := range p.open {
		all = append(all, q.Question)
	}
	slices.SortFunc(all, func(a, b Question) int {
		if n := len(a.Key) - len(b.Key); n != 0 {
			return n
		}
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	return all
}

// wait begins the time the client has; a call that may not wait is given up.
func (p *Parked) wait() error {
	p.mu.Lock()
	p.parked = true
	p.timer = time.AfterFunc(p.lot.opts.TTL, p.expire)
	p.mu.Unlock()
	err := p.lot.list(p)
	if err != nil {
		p.timer.Stop()
		p.expire()
		<-p.done
	}
	return err
}

// Cancel gives the call up.
func (p *Parked) Cancel() { p.cancel() }

// Waiting is the number of calls that wait for their clients.
func (l *Lot) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.calls)
}

// Close gives up every call and waits for it.
func (l *Lot) Close() {
	l.mu.Lock()
	l.closed = true
	waiting := slices.Collect(maps.Values(l.calls))
	l.mu.Unlock()
	l.cancel()
	l.work.Wait()
	for _, p := range waiting {
		p.mu.Lock()
		if p.timer != nil {
			p.timer.Stop()
		}
		p.mu.Unlock()
	}
}
