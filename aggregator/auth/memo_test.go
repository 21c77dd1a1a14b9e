// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestMemoIsBounded(t *testing.T) {
	now := newClock().Now()
	m := newMemo(160)
	name := func(i int) *digest {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(i))
		d := digest(sha256.Sum256(b[:]))
		return &d
	}
	favourite := &verdict{until: now.Add(time.Hour)}
	m.put(name(0), favourite)
	for i := 1; i < 5000; i++ {
		m.put(name(i), &verdict{until: now.Add(time.Hour)})
		if m.get(name(0), now) != favourite {
			t.Fatalf("after %d others the one in use is gone", i)
		}
	}
	if n := m.len(); n > 160 {
		t.Errorf("%d entries, want at most 160", n)
	}
	if m.get(name(0), now.Add(time.Hour)) != nil || m.get(name(0), now) != nil {
		t.Error("an entry outlived its time")
	}
}

// TestRemembered: a token is verified once a minute, a bad one once in ten seconds, and never beyond its end.
func TestRemembered(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, nil)
	known := func(token string) *verdict {
		d := digest(sha256.Sum256([]byte(token)))
		now := p.clock.Now()
		if v := a.oauth.accepted.get(&d, now); v != nil {
			return v
		}
		return a.oauth.refused.get(&d, now)
	}
	good := p.draft().sign(t)
	short := p.draft().with(map[string]any{"exp": p.clock.Now().Unix() + 10}).sign(t) // ends, leeway included, after 70 s
	bad := p.draft().with(map[string]any{"aud": "https://evil.example"}).sign(t)
	forged := p.draft().by(jwt.SigningMethodRS256, signer.next, "rsa").sign(t)
	junk := good[:len(good)-10]
	all := []string{good, short, bad, forged, junk}
	ask := func() {
		for _, token := range all {
			a.Request(bearer(token))
		}
	}
	ask()
	for name, test := range map[string]struct {
		token string
		kept  bool
	}{"good": {good, true}, "short": {short, true}, "bad": {bad, true}, "forged": {forged, true}, "junk": {junk, true}, "unknown key": {p.unknown(t, "x"), false}} {
		if (known(test.token) != nil) != test.kept {
			t.Errorf("%s: remembered %t, want %t", name, !test.kept, test.kept)
		}
	}
	p.clock.turn(refusedFor)
	if known(good) == nil || known(bad) != nil || known(forged) != nil {
		t.Errorf("after %s", refusedFor)
	}
	p.clock.turn(acceptedFor - refusedFor - time.Second)
	ask()
	p.clock.turn(11 * time.Second) // 70 s after the start
	if known(good) != nil || known(short) != nil {
		t.Error("after a minute")
	}
	if got, c := a.Request(bearer(short)); got != nil || c.Status != 401 {
		t.Errorf("a remembered token outlived its end: %+v, %+v", got, c)
	}
	if got, c := a.Request(bearer(good)); got == nil {
		t.Errorf("the good one: %+v", c)
	}
}

// TestRefusedCannotDriveOut: a flood of bad tokens leaves those that are accepted remembered, and is itself bounded.
func TestRefusedCannotDriveOut(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, nil)
	good := p.draft().by(jwt.SigningMethodEdDSA, signer.ed, "ed").sign(t)
	a.Request(bearer(good))
	for i := range 3 * maxRefused {
		d := digest(sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i))))
		a.oauth.refused.put(&d, &verdict{until: p.clock.Now().Add(time.Hour), refusal: notAccepted("x")})
	}
	if a.oauth.refused.len() > maxRefused || a.oauth.accepted.len() != 1 {
		t.Errorf("%d refused and %d accepted", a.oauth.refused.len(), a.oauth.accepted.len())
	}
}

// TestFlights: of several requests with the same new token one finds out and the others wait for it.
func TestFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flights{running: map[digest]*flight{}}
		var d digest
		var found atomic.Int32
		release, want := make(chan struct{}), &verdict{}
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				got := f.do(t.Context(), &d, func() *verdict { found.Add(1); <-release; return want })
				if got != want {
					t.Errorf("another verdict: %+v", got)
				}
			})
		}
		synctest.Wait() // one finds out, nine wait
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got := f.do(ctx, &d, func() *verdict { return want }); got != nil {
			t.Errorf("a caller that is gone waits: %+v", got)
		}
		if got := f.do(t.Context(), &digest{1}, func() *verdict { return want }); got != want {
			t.Error("another token waits")
		}
		close(release)
		all.Wait()
		if len(f.running) != 0 || found.Load() != 1 {
			t.Errorf("%d still running, found out %d times", len(f.running), found.Load())
		}
	})
}

// TestConcurrentTokens: many requests with few tokens agree, while keys change under them.
func TestConcurrentTokens(t *testing.T) {
	p := newIDP(t, newClock())
	a := p.server(t, nil)
	good := []string{p.draft().sign(t), p.draft().by(jwt.SigningMethodES256, signer.p256, "p256").sign(t)}
	bad := p.draft().by(jwt.SigningMethodRS256, signer.next, "rsa").sign(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 100 {
				if got, c := a.Request(bearer(good[i%2])); got == nil || got.Subject != "alice" {
					t.Errorf("good token: %+v", c)
				}
				if got, _ := a.Request(bearer(bad)); got != nil {
					t.Error("bad token accepted")
				}
			}
		})
	}
	all.Go(func() {
		for range 20 {
			p.change(func() { p.keys = append(p.keys, jwk("more", "", signer.ed.Public())) })
			p.clock.turn(refreshPause)
			a.Request(bearer(p.unknown(t, "x")))
		}
	})
	all.Wait()
}
