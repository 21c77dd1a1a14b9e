// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/upstream/wire"
)

// listenSite is a modern server over HTTP with resources that change when a test says so. Streams are acknowledged at once.
type listenSite struct {
	most int // open streams; 0 = any number

	mu      sync.Mutex // guards what follows
	streams []*siteListen
	opened  chan struct{} // closed at the next stream
}

// siteListen is one subscriptions/listen of a client.
type siteListen struct {
	uris  []string
	lines chan string
	gone  chan struct{} // closed when the client closed it
}

func (s *listenSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	e, err := wire.Parse(body)
	if err != nil || !e.IsRequest() {
		http.Error(w, "only requests are served here", http.StatusBadRequest)
		return
	}
	results := map[string]string{
		"server/discover":          `"supportedVersions":["2026-07-28"],"capabilities":{"resources":{"subscribe":true}}`,
		"resources/list":           `"resources":[]`,
		"resources/templates/list": `"resourceTemplates":[]`,
	}
	if e.Method != "subscriptions/listen" {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete",%s,"ttlMs":0,"cacheScope":"private"}}`, e.ID, results[e.Method])
		return
	}
	asked, _ := wire.Lookup(e.Params, "notifications")
	l := &siteListen{lines: make(chan string, 100), gone: make(chan struct{})}
	for raw := range wire.Elements(first(wire.Lookup(asked, "resourceSubscriptions"))) {
		uri, _ := wire.String(raw)
		l.uris = append(l.uris, uri)
	}
	defer close(l.gone)
	if s.most > 0 && s.open() >= s.most {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":"too many streams"}}`, e.ID)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	l.lines <- `"notifications/subscriptions/acknowledged","params":{"notifications":` + string(asked)
	s.mu.Lock()
	s.streams = append(s.streams, l)
	if s.opened != nil {
		close(s.opened)
		s.opened = nil
	}
	s.mu.Unlock()
	for {
		select {
		case line := <-l.lines:
			fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"method\":%s,\"_meta\":{\"%s\":%s}}}\n\n", line, wire.MetaSubscriptionID, e.ID)
			_ = http.NewResponseController(w).Flush() // a client that left shows by the context
		case <-r.Context().Done():
			return
		}
	}
}

// open counts the streams that no client has closed.
func (s *listenSite) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.streams {
		select {
		case <-l.gone:
		default:
			n++
		}
	}
	return n
}

// watching returns the streams that carry uri.
func (s *listenSite) watching(uri string) (found []*siteListen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.streams {
		if slices.Contains(l.uris, uri) {
			found = append(found, l)
		}
	}
	return found
}

// next is closed when another stream was opened.
func (s *listenSite) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == nil {
		s.opened = make(chan struct{})
	}
	return s.opened
}

// touch tells of a change, unless the client is gone.
func (l *siteListen) touch(uri string) {
	select {
	case l.lines <- `"notifications/resources/updated","params":{"uri":"` + uri + `"`:
	case <-l.gone:
	}
}

func (s *listenSite) connect(t *testing.T, on func(Event)) *Set {
	t.Helper()
	return run(t, &Options{OnEvent: on}, Config{Name: "demo", URL: serveHTTP(t, s).URL})
}

func subscribeAll(t *testing.T, s *Set, uris ...string) {
	t.Helper()
	for _, uri := range uris {
		if err := s.Subscribe(t.Context(), "demo", uri); err != nil {
			t.Fatalf("Subscribe(%s): %v", uri, err)
		}
	}
}

// An update that is on its way on a stream when its successor is acknowledged arrives all the same, and then the stream ends.
func TestReplacedStreamIsHeardOut(t *testing.T) {
	t.Parallel()
	site := &listenSite{}
	updates := make(chan string, 10)
	s := site.connect(t, func(e Event) { updates <- stringAt(e.Params, "uri") })
	subscribeAll(t, s, "a:1", "a:2")
	watching := site.watching("a:1")
	if len(watching) != 2 {
		t.Fatalf("%d streams, want 2", len(watching))
	}
	watching[0].touch("a:1")
	if got := receive(t, updates); got != "a:1" {
		t.Errorf("update of %s, want a:1", got)
	}
	receive(t, watching[0].gone)
	watching[1].touch("a:2")
	if got := receive(t, updates); got != "a:2" {
		t.Errorf("update of %s, want a:2", got)
	}
	for _, uri := range []string{"a:1", "a:2"} {
		if err := s.Unsubscribe(t.Context(), "demo", uri); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range watching {
		receive(t, l.gone) // nothing is left to hear of, and nobody listens
	}
}

// Whoever stays subscribed misses nothing while others come and go, however slowly the upstream tells of changes.
func TestNoUpdateIsLostBetweenStreams(t *testing.T) {
	t.Parallel()
	site := &listenSite{}
	updates := make(chan string, 10_000)
	s := site.connect(t, func(e Event) { updates <- stringAt(e.Params, "uri") })
	subscribeAll(t, s, "kept")
	ctx, stop := context.WithCancel(t.Context())
	others := make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			uri := fmt.Sprint("other:", n%3)
			err := errors.Join(s.Subscribe(ctx, "demo", uri), s.Unsubscribe(ctx, "demo", uri))
			if err == nil {
				err = pause(ctx, hearOut/4) // so slow that no stream is cut
			}
			if ctx.Err() != nil {
				others <- nil
				return
			}
			if err != nil {
				others <- err
				return
			}
		}
	}()
	for range 5 {
		opened := site.next()
		watching := site.watching("kept") // who the change is told to
		receive(t, opened)                // the upstream takes its time: the client has one more stream
		receive(t, site.next())           // and has read the acknowledgement
		for len(updates) > 0 {
			<-updates
		}
		for _, l := range watching {
			l.touch("kept")
		}
		if got := receive(t, updates); got != "kept" {
			t.Fatalf("update of %s, want kept", got)
		}
	}
	stop()
	if err := receive(t, others); err != nil {
		t.Error(err)
	}
}

// So many changes at once that not every replaced stream is heard out: what may be lost counts as changed, once.
func TestManyReplacedStreams(t *testing.T) {
	t.Parallel()
	for _, most := range []int{0, 3} { // the upstream's own limit
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			site := &listenSite{most: most}
			updates := make(chan string, 1000)
			s := site.connect(t, func(e Event) { updates <- stringAt(e.Params, "uri") })
			var uris []string
			for n := range maxReplaced + 4 {
				uris = append(uris, fmt.Sprintf("a:%02d", n))
			}
			subscribeAll(t, s, uris...)
			if !eventually(func() bool { return site.open() <= maxReplaced+1 }) {
				t.Errorf("%d open streams", site.open())
			}
			if !eventually(func() bool { return site.open() == 1 }) {
				t.Errorf("%d streams stay open", site.open())
			}
			told := map[string]int{}
			for len(told) < 3 { // the first three streams were cut
				told[receive(t, updates)]++
			}
			if most == 0 {
				if diff := cmp.Diff(map[string]int{"a:00": 1, "a:01": 1, "a:02": 1}, told); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Even while streams come and go without a pause, what the cut ones may have lost is told within a second or so.
func TestCutStreamsAreToldOfUnderChurn(t *testing.T) {
	t.Parallel()
	site := &listenSite{}
	updates := make(chan string, 10_000)
	s := site.connect(t, func(e Event) { updates <- stringAt(e.Params, "uri") })
	subscribeAll(t, s, "kept")
	for end := time.Now().Add(10 * time.Second); len(updates) == 0; {
		if time.Now().After(end) {
			t.Fatal("nothing was told")
		}
		subscribeAll(t, s, "other")
		if err := s.Unsubscribe(t.Context(), "demo", "other"); err != nil {
			t.Fatal(err)
		}
	}
	if got := receive(t, updates); got != "kept" {
		t.Errorf("update of %s, want kept", got)
	}
}

// A stream that the upstream has not acknowledged may not be in force yet: its predecessor is kept until it is.
func TestUnacknowledgedStreamKeepsTheLast(t *testing.T) {
	l := &listener{}
	acked := func(yes bool) *stream {
		st := &stream{acked: make(chan struct{}), ended: make(chan struct{})}
		st.stop = func() { close(st.ended) }
		if yes {
			close(st.acked)
		}
		return st
	}
	last := acked(true)
	l.stream = acked(false)
	l.retire(last, true)
	last.until = time.Now()
	l.lapsed()
	if last.isEnded() || l.old.lapse == nil {
		t.Fatal("the last stream was ended although its successor is not acknowledged")
	}
	close(l.stream.acked)
	last.until = time.Now()
	l.lapsed()
	if !last.isEnded() || l.old.lapse != nil {
		t.Error("the last stream is kept although its successor is acknowledged")
	}
}
