// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	rules "tollgate/policy/alert"
	"tollgate/store/ledger"
	"tollgate/upstream"
)

// sent is one request that a receiver got.
type sent struct {
	at     time.Time
	url    string
	header http.Header
	body   string
}

// receivers is the far end of all sinks, by host.
type receivers struct {
	mu      sync.Mutex // guards what follows
	got     map[string][]sent
	answers map[string]func(r *http.Request) (*http.Response, error) // nil = 200
}

func newReceivers() *receivers {
	return &receivers{got: map[string][]sent{}, answers: map[string]func(*http.Request) (*http.Response, error){}}
}

// RoundTrip implements [http.RoundTripper].
func (r *receivers) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	host := req.URL.Hostname()
	r.mu.Lock()
	r.got[host] = append(r.got[host], sent{time.Now(), req.URL.String(), req.Header.Clone(), string(body)})
	answer := r.answers[host]
	r.mu.Unlock()
	if answer == nil {
		return answerWith(200, "ok"), nil
	}
	return answer(req)
}

func (r *receivers) answer(host string, f func(*http.Request) (*http.Response, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[host] = f
}

// take answers what a receiver got since it was last asked.
func (r *receivers) take(host string) []sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got[host]
	delete(r.got, host)
	return got
}

// statuses are those of the webhook events that a receiver got, with their summaries.
func (r *receivers) statuses(t *testing.T, host string) string {
	t.Helper()
	var all []string
	for _, s := range r.take(host) {
		var body webhookBody
		if err := json.Unmarshal([]byte(s.body), &body); err != nil {
			t.Fatalf("%s: %v", s.body, err)
		}
		all = append(all, body.Status+" "+body.Summary)
	}
	return strings.Join(all, "; ")
}

func answerWith(status int, body string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i+1 < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

// always answers with a status, with headers as pairs.
func always(status int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return answerWith(status, "no", header...), nil }
}

// hang never answers.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// world is a gateway as its snapshots show it.
type world struct {
	mu   sync.Mutex // guards what follows
	snap Snapshot
	err  error
}

func (w *world) snapshot(context.Context) (*Snapshot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	snap := w.snap
	return &snap, w.err
}

func (w *world) change(f func(*Snapshot)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.snap)
}

func (w *world) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

// spend sets what one account has spent, of 100 dollars.
func (w *world) spend(account string, dollars int64) {
	w.change(func(s *Snapshot) {
		balances := append([]ledger.Balance(nil), s.Budgets...)
		for i := range balances {
			if balances[i].Account == account {
				balances[i].Settled = dollars * ledger.Dollar
				s.Budgets = balances
				return
			}
		}
		s.Budgets = append(balances, ledger.Balance{Budget: "b1", Name: "month", Account: account, Limit: 100 * ledger.Dollar,
			Settled: dollars * ledger.Dollar, Warn: []float64{0.5, 0.8}})
	})
}

// state sets the state of the upstream github.
func (w *world) state(state upstream.State) {
	w.change(func(s *Snapshot) {
		s.Upstreams = []upstream.Status{{Name: "github", State: state, Since: time.Now(), Tools: 3}}
	})
}

// bench is a running watcher with its world and receivers.
type bench struct {
	*world
	*receivers
	watcher *Watcher
	log     *bytes.Buffer
	end     func()
}

func hook(name string) Sink {
	return Sink{Name: name, Type: Webhook, URL: "https://" + name + ".example.com/hook"}
}

// start runs a watcher inside of a bubble, until end.
func start(t *testing.T, list []rules.Rule, sinks []Sink, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{world: &world{}, receivers: newReceivers(), log: &bytes.Buffer{}}
	o := &Options{Rules: compile(t, list...), Sinks: sinks, Snapshot: b.snapshot, Transport: b.receivers, Node: "gate-1",
		Log: slog.New(slog.NewTextHandler(b.log, nil))}
	for _, f := range change {
		f(o)
	}
	b.begin(t, o)
	return b
}

func (b *bench) begin(t *testing.T, o *Options) {
	t.Helper()
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	b.watcher = w
	b.end = func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	}
}

// pass lets time go by and waits until everything that is due has happened.
func pass(d time.Duration) {
	<-time.After(d + time.Millisecond)
	synctest.Wait()
}

func compile(t *testing.T, list ...rules.Rule) *rules.Set {
	t.Helper()
	for i := range list {
		list[i].Index = i
	}
	set, err := rules.Compile(list)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// phases are those of all alerts of a rule, with their subjects.
func (b *bench) phases(rule string) string {
	var all []string
	for _, s := range b.watcher.States() {
		if s.Rule == rule {
			all = append(all, strings.Join(strings.Fields(s.Subject.Name+" "+s.Subject.Account+" "+string(s.Phase)), " "))
		}
	}
	return strings.Join(all, ", ")
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// alertmanagerTimes is when the one alert of a request ends.
func alertmanagerTimes(t *testing.T, body string) time.Time {
	t.Helper()
	var alerts []alertmanagerAlert
	if err := json.Unmarshal([]byte(body), &alerts); err != nil || len(alerts) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	return alerts[0].EndsAt
}
