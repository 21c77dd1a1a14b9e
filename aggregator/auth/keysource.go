// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// How keys are kept fresh. Between two requests to an authorization server lies at least refreshPause, however many
// tokens name keys that nobody knows; as long as there has been no key at all, firstPause.
const (
	refreshPause = time.Minute
	firstPause   = 10 * time.Second
	refreshAfter = 10 * time.Minute // a key that was withdrawn is not used for longer than about this
	keepFor      = 24 * time.Hour   // while the server does not answer
	roundTimeout = 2 * fetchTimeout // of metadata and keys together
)

// keySource keeps the keys of one authorization server. It asks for them when it is made and when a token comes that
// makes it necessary, never by itself. Several authenticators may share it. Safe for concurrent use.
type keySource struct {
	id      sourceID
	client  *http.Client
	now     func() time.Time
	log     *slog.Logger
	current atomic.Pointer[keySet] // nil until the first success
	fetched atomic.Int64           // when current was last confirmed, in nanoseconds

	ctx    context.Context // ends when nobody uses the source
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	limit   *rate.Limiter
	running chan struct{} // closed when the request under way is over; nil = none
	users   int
	failure string // of the last request; "" = it succeeded, or there was none
}

// sourceID says when two authenticators can share a source.
type sourceID struct {
	issuer, keysURL string
	client          *http.Client
}

func newKeySource(id sourceID, now func() time.Time, log *slog.Logger) *keySource {
	s := &keySource{id: id, client: keyClient(id.client), now: now, log: log, users: 1}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.limit = rate.NewLimiter(rate.Every(firstPause), 1)
	s.refresh()
	return s
}

// share counts one more user. It reports false when the source is closed already.
func (s *keySource) share() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		return false
	}
	s.users++
	return true
}

// release counts one user less. After the last one no request is under way any more.
func (s *keySource) release() {
	s.mu.Lock()
	s.users--
	last := s.users == 0
	s.mu.Unlock()
	if last {
		s.cancel()
		s.work.Wait()
	}
}

// usable is the key set unless it is too old or there is none.
func (s *keySource) usable() *keySet {
	if set := s.current.Load(); set != nil && s.now().Before(s.until()) {
		return set
	}
	return nil
}

// until is when the keys become too old.
func (s *keySource) until() time.Time { return time.Unix(0, s.fetched.Load()).Add(keepFor) }

// key finds the key for a token with the header h, and asks the authorization server when it is none of those known.
func (s *keySource) key(h *header) (any, *keySet, *refusal) {
	if set := s.usable(); set != nil {
		if key, err := set.key(h); err == nil {
			if s.now().Sub(time.Unix(0, s.fetched.Load())) > refreshAfter {
				s.refresh() // the next token sees the result
			}
			return key, set, nil
		}
	}
	if done := s.refresh(); done != nil {
		<-done // within roundTimeout
	}
	set := s.usable()
	if set == nil {
		return nil, nil, unavailable("access tokens cannot be checked: the keys of their authorization server are not there yet", s.pause())
	}
	key, err := set.key(h)
	if err != nil {
		return nil, nil, notAccepted("the access token is signed with a key that its authorization server does not publish")
	}
	return key, set, nil
}

// pause is how long it takes until the authorization server may be asked again.
func (s *keySource) pause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	r := s.limit.ReserveN(now, 1)
	defer r.CancelAt(now)
	return r.DelayFrom(now)
}

// refresh asks for the keys if that is allowed, or joins the request under way. The channel is closed when that is over;
// nil = it is not allowed now.
func (s *keySource) refresh() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil || s.users == 0 {
		return s.running
	}
	if !s.limit.AllowN(s.now(), 1) {
		return nil
	}
	done := make(chan struct{})
	s.running = done
	s.work.Go(func() {
		set, err := s.fetch()
		s.finish(set, err)
		close(done)
	})
	return done
}

func (s *keySource) fetch() (*keySet, error) {
	ctx, cancel := context.WithTimeout(s.ctx, roundTimeout)
	defer cancel()
	address := s.id.keysURL
	if address == "" {
		var err error
		if address, err = discover(ctx, s.client, s.id.issuer); err != nil {
			return nil, err
		}
	}
	body, err := fetch(ctx, s.client, address)
	if err != nil {
		return nil, err
	}
	return parseKeySet(body)
}

// finish takes the result of a request. Keys that did not change stay the same object, so that what was verified with
// them stays verified.
func (s *keySource) finish(set *keySet, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = nil
	if s.failure = ""; err != nil {
		s.failure = err.Error()
		if s.ctx.Err() == nil {
			s.log.Warn("the keys of an authorization server could not be fetched", "issuer", s.id.issuer, "error", err)
		}
		return
	}
	old, now := s.current.Load(), s.now()
	s.fetched.Store(now.UnixNano())
	if old == nil {
		s.limit = rate.NewLimiter(rate.Every(refreshPause), 1)
		s.limit.AllowN(now, 1) // for the request that just ended
	}
	if old == nil || old.digest != set.digest {
		s.current.Store(set)
		s.log.Info("the keys of an authorization server are new", "issuer", s.id.issuer, "keys", set.size)
	}
}
