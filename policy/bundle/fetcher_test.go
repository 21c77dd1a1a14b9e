// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// server is a bundle server whose answer tests change, and a transport to it
// that needs no network.
type server struct {
	mu     sync.Mutex // guards the rest
	body   []byte
	etag   string
	status int   // 0 = 200
	fail   error // before any answer

	asked []string // If-None-Match of each request
	at    []time.Time
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.etag != "" {
		w.Header().Set("ETag", s.etag)
		if r.Header.Get("If-None-Match") == s.etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if s.status != 0 {
		w.WriteHeader(s.status)
	}
	_, _ = w.Write(s.body)
}

// set changes the server while a fetcher runs.
func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	var fail error
	s.set(func() {
		s.asked, s.at = append(s.asked, r.Header.Get("If-None-Match")), append(s.at, time.Now())
		fail = s.fail
	})
	if fail != nil {
		return nil, fail
	}
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, r)
	response := recorder.Result()
	response.Request = r
	return response, nil
}

// taken collects the revisions that OnBundle accepts; refuse makes it refuse.
type taken struct {
	mu        sync.Mutex // guards the rest
	revisions []string
	refuse    error
}

func (k *taken) onBundle(b *Bundle) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refuse != nil {
		return k.refuse
	}
	k.revisions = append(k.revisions, b.Revision)
	return nil
}

func newFetcher(t *testing.T, o Options) *Fetcher {
	t.Helper()
	if o.URL == "" {
		o.URL = "https://policy.example.com/bundle.tar.gz"
	}
	if o.OnBundle == nil {
		o.OnBundle = (&taken{}).onBundle
	}
	f, err := New(&o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// run starts f in the bubble and returns what stops it.
func run(t *testing.T, f *Fetcher) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.Run(ctx)
	}()
	synctest.Wait()
	return func() { cancel(); <-ended }
}

// wait lets time pass in the bubble.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// TestPolling: a bundle is handed on once, however often it is asked for.
func TestPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{body: pack(t, files("r1")), etag: `"one"`}
		var got taken
		f := newFetcher(t, Options{Every: time.Minute, Transport: s, OnBundle: got.onBundle})
		stop := run(t, f)
		wait(10 * time.Minute)
		s.set(func() { s.body, s.etag = pack(t, files("r2")), `"two"` })
		wait(2 * time.Minute)
		s.set(func() { s.etag = "" }) // the same bytes from a server without ETags
		wait(5 * time.Minute)
		stop()
		if diff := cmp.Diff([]string{"r1", "r2"}, got.revisions); diff != "" {
			t.Errorf("handed on (-want +got):\n%s", diff)
		}
		if n := len(s.asked); n < 15 || n > 20 {
			t.Errorf("%d requests in 17 minutes", n)
		}
		if s.asked[0] != "" || s.asked[1] != `"one"` || s.asked[len(s.asked)-1] != "" {
			t.Errorf("If-None-Match: %q", s.asked)
		}
		for i := 1; i < len(s.at); i++ {
			if pause := s.at[i].Sub(s.at[i-1]); pause < 54*time.Second || pause > 66*time.Second {
				t.Errorf("a pause of %s", pause)
			}
		}
		state := f.State()
		if state.Revision != "r2" || state.Failures != 0 || state.LastError != "" || time.Since(state.LastSuccess) > 70*time.Second {
			t.Errorf("state %+v", state)
		}
	})
}

// TestServerDown: pauses grow while it lasts, what was accepted stays known, and
// the first answer ends it.
func TestServerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{body: pack(t, files("r1")), etag: `"one"`}
		var got taken
		f := newFetcher(t, Options{Every: time.Minute, Transport: s, OnBundle: got.onBundle})
		stop := run(t, f)
		s.set(func() { s.fail = errors.New("connection refused") })
		wait(30 * time.Minute)
		state := f.State()
		if state.Revision != "r1" || state.Failures == 0 || !strings.Contains(state.LastError, "connection refused") {
			t.Errorf("state while down %+v", state)
		}
		s.mu.Lock()
		if n := len(s.at); n < 10 || n > 25 {
			t.Errorf("%d requests in half an hour", n)
		}
		last := s.at[len(s.at)-1].Sub(s.at[len(s.at)-2])
		if last < mostPause/2 || last > mostPause*3/2 {
			t.Errorf("the last pause was %s", last)
		}
		s.fail, s.body, s.etag = nil, pack(t, files("r2")), `"two"`
		s.mu.Unlock()
		wait(8 * time.Minute)
		stop()
		if state := f.State(); state.Revision != "r2" || state.Failures != 0 || state.LastError != "" {
			t.Errorf("state after %+v", state)
		}
		if len(got.revisions) != 2 {
			t.Errorf("handed on %q", got.revisions)
		}
	})
}

// TestRefusedBundle: a bundle that OnBundle refuses is offered again without
// having changed, and kept nowhere.
func TestRefusedBundle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "bundle.tar.gz")
		s := &server{body: pack(t, files("r1")), etag: `"one"`}
		got := &taken{refuse: errors.New("db.rego:3:1: wrong")}
		f := newFetcher(t, Options{Transport: s, OnBundle: got.onBundle, Copy: path})
		stop := run(t, f)
		wait(time.Minute)
		state := f.State()
		if state.ETag != "" || state.Revision != "" || !strings.Contains(state.LastError, `bundle "r1" is refused: db.rego:3:1: wrong`) {
			t.Errorf("state %+v", state)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a refused bundle was kept: %v", err)
		}
		got.mu.Lock()
		got.refuse = nil
		got.mu.Unlock()
		wait(5 * time.Minute)
		stop()
		if len(got.revisions) != 1 || f.State().Failures != 0 {
			t.Errorf("handed on %q, state %+v", got.revisions, f.State())
		}
	})
}

// TestCopy starts without the server from what an earlier run kept.
func TestCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours := newPair(t)
		v := &Verification{PublicKey: ours.public}
		key := bundle.NewSigningConfig(ours.private, "RS256", "")
		path := filepath.Join(t.TempDir(), "state", "bundle.tar.gz")
		s := &server{body: pack(t, sign(t, files("r1"), key, ""))}
		start := func() (*Fetcher, *taken, error) {
			got := &taken{}
			f := newFetcher(t, Options{Transport: s, OnBundle: got.onBundle, Copy: path, Verification: v})
			err := f.Start(t.Context())
			return f, got, err
		}
		if _, _, err := start(); err != nil {
			t.Fatal(err)
		}
		if stat, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && stat.Mode().Perm() != 0o600 {
			t.Fatalf("copy: %v, %v", stat, err)
		}
		s.fail = errors.New("connection refused")
		f, got, err := start()
		state := f.State()
		if err != nil || len(got.revisions) != 1 || !state.FromCopy || !state.Verified || state.LastError == "" || state.ETag != "" {
			t.Errorf("start from the copy: %v, %q, %+v", err, got.revisions, state)
		}
		s.fail = nil
		stop := run(t, f)
		wait(time.Minute)
		stop()
		if state := f.State(); state.FromCopy || state.Failures != 0 {
			t.Errorf("state after the server is back: %+v", state)
		}
		s.fail = errors.New("connection refused")
		if err := os.WriteFile(path, pack(t, files("evil")), 0o600); err != nil {
			t.Fatal(err)
		}
		_, got, err = start()
		wantError(t, err, "connection refused", "copy of the bundle", "missing .signatures.json")
		if err := errors.Join(os.Remove(path), err); err == nil || len(got.revisions) != 0 {
			t.Errorf("an unsigned copy was handed on: %q", got.revisions)
		}
		_, _, err = start()
		wantError(t, err, "connection refused", "no copy of an earlier bundle")
	})
}

// TestCopyThatCannotBeWritten is reported beside a bundle that is in force.
func TestCopyThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var got taken
	f := newFetcher(t, Options{Transport: &server{body: pack(t, files("r1"))}, OnBundle: got.onBundle, Copy: filepath.Join(file, "x")})
	if err := f.Start(t.Context()); err != nil || len(got.revisions) != 1 {
		t.Fatalf("%v, %q", err, got.revisions)
	}
	if state := f.State(); state.CopyError == "" || state.LastError != "" {
		t.Errorf("state %+v", state)
	}
}

// TestAnswers has a real server answer what a bundle server should not.
func TestAnswers(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, `answered "500 Internal Server Error", want 200`},
		{"credentials", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "check the bundle's headers"},
		{"unasked 304", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, `answered "304 Not Modified"`},
		{"page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>log in</html>") }, "not a gzipped archive"},
		{"huge", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, io.LimitReader(zeros{}, MaxBytes+10))
		}, "sends more than 33554432 bytes"},
		{"huge by its own word", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(int64(MaxBytes)+1))
		}, "sends 33554433 bytes"},
		{"slow", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}, "did not answer within 250ms"},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "x")
		}, "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.answer)
			defer s.Close()
			o := Options{URL: s.URL + "/b", Timeout: 20 * time.Second}
			if tt.name == "slow" {
				o.Timeout = 250 * time.Millisecond
			}
			f := newFetcher(t, o)
			wantError(t, f.Start(t.Context()), tt.want)
			if f.State().Failures != 1 {
				t.Errorf("state %+v", f.State())
			}
		})
	}
}

// TestRedirects: a server may move a bundle about itself, and name no other.
func TestRedirects(t *testing.T) {
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = append(seen, r.URL.Path) }))
	defer other.Close()
	mux := http.NewServeMux()
	mux.Handle("/away", http.RedirectHandler(other.URL+"/x?token=secret", http.StatusFound))
	mux.Handle("/moved", http.RedirectHandler("/bundle", http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	mux.Handle("/bundle", &server{body: pack(t, files("r1"))})
	s := httptest.NewServer(mux)
	defer s.Close()
	start := func(path string) error {
		return newFetcher(t, Options{URL: s.URL + path, Headers: map[string]string{"X-Token": "secret"}}).Start(t.Context())
	}
	if err := start("/moved"); err != nil {
		t.Error(err)
	}
	err := start("/away")
	wantError(t, err, "another host: name that one")
	if len(seen) > 0 || err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("the other host saw %q, the error says %v", seen, err)
	}
	wantError(t, start("/round"), "redirects more than 5 times")
}

// TestErrorsHoldNoSecrets looks for the secrets of a configuration in whatever
// the package says.
func TestErrorsHoldNoSecrets(t *testing.T) {
	const secret = "hunter2"
	var log bytes.Buffer
	for _, fail := range []error{errors.New("refused"), nil} {
		s := &server{fail: fail, status: 403}
		f := newFetcher(t, Options{
			URL: "https://policy.example.com/b?sig=" + secret, Headers: map[string]string{"Authorization": "Bearer " + secret},
			Transport: s, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		err := f.Start(t.Context())
		wantError(t, err, "https://policy.example.com/b")
		for _, text := range []string{err.Error(), fmt.Sprintf("%+v", f.State()), log.String()} {
			if strings.Contains(text, secret) {
				t.Errorf("the secret is in %q", text)
			}
		}
	}
	if log.Len() == 0 {
		t.Error("nothing was logged")
	}
	down := newFetcher(t, Options{URL: "http://127.0.0.1:1/b?sig=" + secret})
	if err := down.Start(t.Context()); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("error %v", err)
	}
}

func TestOptions(t *testing.T) {
	sound := Options{URL: "https://h/b", OnBundle: func(*Bundle) error { return nil }}
	for _, tt := range []struct {
		change func(*Options)
		want   string // "" = accepted
	}{
		{func(*Options) {}, ""},
		{func(o *Options) { o.URL = "http://127.0.0.1:8080/b" }, ""},
		{func(o *Options) { o.URL = "http://[::1]/b" }, ""},
		{func(o *Options) { o.URL = "http://localhost/b" }, ""},
		{func(o *Options) { o.Headers = map[string]string{"Authorization": "Bearer x"} }, ""},
		{func(o *Options) { o.URL = "http://h/b" }, "http://h/b is not encrypted: use https"},
		{func(o *Options) { o.URL = "http://127.0.0.1.example.com/b" }, "is not encrypted"},
		{func(o *Options) { o.URL = "https://u:hunter2@h/b" }, "put them into its headers"},
		{func(o *Options) { o.URL = "ftp://h/b" }, `scheme "ftp"`},
		{func(o *Options) { o.URL = "bundle.tar.gz" }, "want https://host/path"},
		{func(o *Options) { o.URL = "" }, "want https://host/path"},
		{func(o *Options) { o.Headers = map[string]string{"A": "hunter2\n"} }, `value of header "A" has a control character`},
		{func(o *Options) { o.Headers = map[string]string{"A b": "x"} }, `"A b" is not the name of a header`},
		{func(o *Options) { o.Headers = map[string]string{"if-none-match": "x"} }, "is the gateway's own"},
		{func(o *Options) { o.Verification = &Verification{} }, "public key in PEM form"},
		{func(o *Options) { o.Every = -1 }, "cannot be negative"},
		{func(o *Options) { o.OnBundle = nil }, "OnBundle"},
	} {
		o := sound
		tt.change(&o)
		_, err := New(&o)
		if tt.want == "" && err != nil {
			t.Errorf("%s: %v", o.URL, err)
		} else if tt.want != "" {
			wantError(t, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("secret in %v", err)
		}
	}
	if _, err := New(nil); err == nil {
		t.Error("New(nil) gives a fetcher")
	}
}

// TestHeadersAreSent, and none that would change what is received.
func TestHeadersAreSent(t *testing.T) {
	var got http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = maps.Clone(r.Header)
		w.Header().Set("Content-Encoding", "gzip") // as some servers call a .tar.gz
		_, _ = w.Write(pack(t, files("r1")))
	}))
	defer s.Close()
	f := newFetcher(t, Options{URL: s.URL, Headers: map[string]string{"Authorization": "Bearer x"}})
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got.Get("Authorization") != "Bearer x" || got.Get("Accept-Encoding") != "identity" {
		t.Errorf("headers %v", got)
	}
}
