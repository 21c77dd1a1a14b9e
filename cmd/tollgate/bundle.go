// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
	"tollgate/policy/bundle"
)

// bundleWait is how long a start or a reload waits for the first bundle of a URL.
const bundleWait = 10 * time.Second

// readBundle reads a bundle that is a file.
func readBundle(b *config.Bundle) (*bundle.Bundle, error) {
	v, err := verification(b)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(b.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	got, err := bundle.Read(f, v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.File, err)
	}
	return got, nil
}

// verification is how b must be signed; nil when it needs not be.
func verification(b *config.Bundle) (*bundle.Verification, error) {
	if b.PublicKey == "" {
		return nil, nil
	}
	key, err := os.ReadFile(b.PublicKey)
	if err != nil {
		return nil, err
	}
	v := &bundle.Verification{PublicKey: string(key), KeyID: b.KeyID, Algorithm: b.Algorithm, Scope: b.Scope}
	return v, v.Check()
}

// remote is the bundle that a plan gets from a URL, nil for none.
func (p *plan) remote() *config.Bundle {
	if b := p.cfg.Policy.Bundle; b != nil && b.URL.Reveal() != "" {
		return b
	}
	return nil
}

// follower keeps a gateway up with the bundle at a URL.
type follower struct {
	fetcher *bundle.Fetcher
	made    string // of these settings
	stop    context.CancelFunc
	newest  *bundle.Bundle // accepted last; guarded by gateway.reloading
}

// bundleSettings tell one remote bundle from another.
func bundleSettings(b *config.Bundle, v *bundle.Verification) string {
	headers := []string{}
	for _, name := range slices.Sorted(maps.Keys(b.Headers)) {
		headers = append(headers, name, b.Headers[name].Reveal())
	}
	return fmt.Sprintf("%q %q %v %+v", b.URL.Reveal(), headers, b.Every, v)
}

// follow makes a follower of p's remote bundle. take is handed each new bundle and may refuse it.
func (g *gateway) newFollower(p *plan, take func(*bundle.Bundle) error) (*follower, error) {
	b := p.remote()
	v, err := verification(b)
	if err != nil {
		return nil, cli.WithCode(err, cli.ExitPolicy)
	}
	headers := map[string]string{}
	for name, value := range b.Headers {
		headers[name] = value.Reveal()
	}
	f := &follower{made: bundleSettings(b, v)}
	f.fetcher, err = bundle.New(&bundle.Options{
		URL: b.URL.Reveal(), Headers: headers, Every: b.Every, Verification: v, Log: g.log, OnBundle: take,
		Copy: filepath.Join(g.dir, copyName(b)),
	})
	return f, cli.WithCode(err, cli.ExitPolicy)
}

// copyName is the file that keeps the bundle of one URL: that of another must not stand in for it.
func copyName(b *config.Bundle) string {
	sum := sha256.Sum256([]byte(b.URL.Reveal()))
	return fmt.Sprintf("policy-bundle-%x.tar.gz", sum[:8])
}

// startBundle gets the first bundle and follows it. Without one the gateway is not ready, refuses everything, and tries on.
func (g *gateway) startBundle(p *plan) error {
	var f *follower
	f, err := g.newFollower(p, func(b *bundle.Bundle) error { return g.takeBundle(f, b) })
	if err != nil {
		return err
	}
	g.following.Store(f)
	ctx, cancel := context.WithTimeout(g.ctx, bundleWait)
	defer cancel()
	if err := f.fetcher.Start(ctx); err != nil {
		g.log.Error("there is no policy bundle yet; everything is refused until it comes", "error", err)
	}
	g.run(f)
	return nil
}

func (g *gateway) run(f *follower) {
	ctx, cancel := context.WithCancel(g.ctx)
	f.stop = cancel
	g.work.Go(func() { f.fetcher.Run(ctx) })
}

// takeBundle puts a new bundle in force beside the rest of the plan.
func (g *gateway) takeBundle(f *follower, b *bundle.Bundle) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	if g.following.Load() != f {
		return errors.New("another bundle is configured by now")
	}
	next := *g.current()
	next.bundle = b
	r, err := next.compile()
	if err != nil {
		g.log.Error("the policy bundle has mistakes; the one in force stays", "bundle", b.String(), "error", err)
		return err
	}
	if err := g.publish(&next, r); err != nil {
		return err
	}
	f.newest = b
	g.mu.Lock()
	g.plan, g.failure = &next, ""
	g.mu.Unlock()
	g.noteMisfits()
	g.log.Info("policy bundle in force", "bundle", b.String(), "verified", b.Verified, "revision", g.gate.Revision())
	return nil
}

// bundleFor gives a plan that is being loaded its remote bundle: the one that is followed, or the first of another URL.
// The returned function makes it the one that is followed. g.reloading is held.
func (g *gateway) bundleFor(p *plan) (commit func(), err error) {
	old := g.following.Load()
	if p.remote() == nil {
		return func() { g.unfollow(old); g.following.Store(nil) }, nil
	}
	v, err := verification(p.remote())
	if err != nil {
		return nil, cli.WithCode(err, cli.ExitPolicy)
	}
	if old != nil && old.made == bundleSettings(p.remote(), v) {
		if p.bundle = old.newest; p.bundle == nil {
			return nil, fmt.Errorf("the policy bundle has not come yet: %s", orElse(old.fetcher.State().LastError, "it is being fetched"))
		}
		return func() {}, nil
	}
	var f *follower
	live := false // once it is followed
	f, err = g.newFollower(p, func(b *bundle.Bundle) error {
		if live {
			return g.takeBundle(f, b)
		}
		trial := *p
		trial.bundle = b
		if _, err := trial.compile(); err != nil {
			return err
		}
		f.newest = b
		return nil
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(g.ctx, bundleWait)
	defer cancel()
	if err := f.fetcher.Start(ctx); err != nil {
		return nil, cli.WithCode(err, cli.ExitPolicy)
	}
	p.bundle = f.newest
	return func() {
		g.unfollow(old)
		live = true
		g.following.Store(f)
		g.run(f)
	}, nil
}

func (g *gateway) unfollow(f *follower) {
	if f != nil && f.stop != nil {
		f.stop()
	}
}
