// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	rules "tollgate/policy/alert"
)

const defaultEvery = 10 * time.Second

// Options configure a [Watcher].
type Options struct {
	Rules *rules.Set // nil = only the builtin ones
	Sinks []Sink     // without any, alerts are only shown
	// Snapshot reads what rules are about. It must end with its context. Required; see [Source].
	Snapshot func(ctx context.Context) (*Snapshot, error)
	Calls    *Counter      // nil = no calls
	Every    time.Duration // between two evaluations; 0 = 10 s
	Node     string        // names the gateway to receivers; "" = tollgate
	State    Keeper        // nil = what fires is forgotten with the process
	Now      func() time.Time
	Log      *slog.Logger
	// Transport sends requests to sinks; nil = one that bounds everything and honours the proxies of the environment.
	Transport http.RoundTripper
}

// Watcher evaluates rules and tells sinks what fires. All methods are safe for concurrent use.
type Watcher struct {
	snapshot func(ctx context.Context) (*Snapshot, error)
	calls    *Counter
	every    time.Duration
	node     string
	keeper   Keeper
	now      func() time.Time
	log      *slog.Logger
	client   *http.Client
	tasks    sync.WaitGroup // the senders

	mu         sync.Mutex // guards what follows
	conditions []*rules.Condition
	senders    []*sender
	entries    map[alertID]*entry
	overruns   overruns
	running    bool
	closed     bool
	dirty      bool // what is kept is out of date
	err        error
}

// New returns a Watcher that does nothing until [Watcher.Run]. What State kept goes on; a State that cannot be read is
// reported to the log and begun anew, since alerts are no reason to be down.
func New(opts *Options) (*Watcher, error) {
	if opts == nil || opts.Snapshot == nil {
		return nil, errors.New("alerts need a snapshot to look at")
	}
	w := &Watcher{
		snapshot: opts.Snapshot, calls: opts.Calls, every: opts.Every, node: opts.Node, keeper: opts.State, now: opts.Now, log: opts.Log,
		entries: map[alertID]*entry{},
	}
	if w.every <= 0 {
		w.every = defaultEvery
	}
	if w.node == "" {
		w.node = "tollgate"
	}
	if w.now == nil {
		w.now = time.Now
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	transport := opts.Transport
	if transport == nil {
		transport = newTransport()
	}
	w.client = newClient(transport)
	if err := w.Apply(opts.Rules, opts.Sinks); err != nil {
		return nil, err
	}
	w.restore()
	return w, nil
}

// Apply puts other rules and sinks in force. Alerts of rules whose name and condition are the same go on as they are, and so
// does the queue of a sink that is the same. What sinks know of alerts of other rules is resolved.
func (w *Watcher) Apply(set *rules.Set, sinks []Sink) error {
	if err := checkSinks(sinks); err != nil {
		return err
	}
	conditions, err := conditionsOf(set, sinks)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errClosed
	}
	w.conditions = conditions
	for _, id := range w.ids() {
		e := w.entries[id]
		if !w.adopt(e) {
			e.release(w.now())
			w.tell(e)
			delete(w.entries, id)
			w.dirty = true
		}
	}
	w.replaceSenders(sinks)
	return nil
}

// adopt gives an alert the condition that it is of, unless there is none any more. The caller holds mu.
func (w *Watcher) adopt(e *entry) bool {
	i := slices.IndexFunc(w.conditions, func(c *rules.Condition) bool {
		return c.Name() == e.Rule && c.When() == e.When && c.About() == e.Subject.Kind
	})
	if i < 0 {
		return false
	}
	e.condition, e.severity = w.conditions[i], w.conditions[i].Severity()
	return true
}

// replaceSenders keeps the senders of sinks that are the same but for the severity, and shuts the others. A sink that posts
// elsewhere than the one of its name did knows nothing. The caller holds mu.
func (w *Watcher) replaceSenders(sinks []Sink) {
	var senders []*sender
	for _, s := range sinks {
		minimum := s.MinSeverity
		s.MinSeverity = ""
		if i := slices.IndexFunc(w.senders, func(old *sender) bool { return old.sink == s }); i >= 0 {
			w.senders[i].minimum = minimum
			senders = append(senders, w.senders[i])
			continue
		}
		next := newSender(s, w.client, w.node, w.now, w.log)
		next.minimum = minimum
		if w.running {
			next.start(&w.tasks)
		}
		senders = append(senders, next)
	}
	for _, old := range w.senders {
		if slices.Contains(senders, old) {
			continue
		}
		if w.running {
			old.shut()
		}
		if slices.ContainsFunc(senders, func(s *sender) bool { return s.sink.sameAddress(old.sink) }) {
			continue // with another secret
		}
		for _, e := range w.entries {
			delete(e.Sinks, old.sink.Name)
		}
		w.dirty = true
	}
	w.senders = senders
}

// checkSinks answers all mistakes of all sinks.
func checkSinks(sinks []Sink) error {
	var all []error
	for i, s := range sinks {
		for _, m := range s.Check() {
			all = append(all, fmt.Errorf("sinks[%d].%w", i, m))
		}
		if slices.ContainsFunc(sinks[:i], func(o Sink) bool { return o.Name == s.Name }) {
			all = append(all, fmt.Errorf("sinks[%d].name: the name %q is used already", i, s.Name))
		}
	}
	return errors.Join(all...)
}

// Run evaluates until ctx ends. Then it lets the sinks send what is queued, for some seconds, and returns when nothing of it
// is left. It is called once.
func (w *Watcher) Run(ctx context.Context) error {
	w.mu.Lock()
	if w.running {
		w.mu.Unlock()
		return errors.New("alerts run already")
	}
	w.running = true
	for _, s := range w.senders {
		s.start(&w.tasks)
	}
	w.mu.Unlock()
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			w.end()
			return nil
		case <-ticker.C:
			w.look(ctx)
			w.save()
		}
	}
}

func (w *Watcher) end() {
	w.mu.Lock()
	w.closed = true
	for _, s := range w.senders {
		s.shut()
	}
	w.mu.Unlock()
	w.tasks.Wait()
	w.client.CloseIdleConnections()
	w.save()
}

// States are all alerts, in the order of the rules and then of their subjects.
func (w *Watcher) States() []State {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []State
	for _, c := range w.conditions {
		var own []State
		for _, e := range w.entries {
			if e.condition == c && (e.Phase != Inactive || e.err != "") {
				own = append(own, e.state())
			}
		}
		if own == nil {
			own = []State{{Rule: c.Name(), Severity: c.Severity(), Phase: Inactive}}
		}
		slices.SortFunc(own, func(a, b State) int {
			return strings.Compare(a.Subject.Name+"\x00"+a.Subject.Account+a.Key, b.Subject.Name+"\x00"+b.Subject.Account+b.Key)
		})
		all = append(all, own...)
	}
	return all
}

// Sinks are the states of the sinks, in their order.
func (w *Watcher) Sinks() []SinkStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]SinkStatus, len(w.senders))
	for i, s := range w.senders {
		all[i] = s.look()
	}
	return all
}

// Err says why the last evaluation could not see everything; nil when it could.
func (w *Watcher) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
