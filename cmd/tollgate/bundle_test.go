// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
	"tollgate/upstream"
	"tollgate/upstream/demo"
)

// archive is an OPA bundle with one file of access rules.
func archive(t *testing.T, rules string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range map[string]string{"/.manifest": `{"revision":"r1","roots":["tollgate","acme"]}`, "/access/rules.rego": "package tollgate.access\n\n" + rules} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// publisher serves one bundle, or nothing.
type publisher struct {
	*httptest.Server
	bundle atomic.Pointer[[]byte]
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := p.bundle.Load()
		if b == nil {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		etag := fmt.Sprintf(`"%x"`, sha256.Sum256(*b))
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(*b) // the other side is gone
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) set(b []byte) { p.bundle.Store(&b) }

// configured is a gateway with the demo's orders and the configuration text.
func configured(t *testing.T, dir, text string) *gateway {
	t.Helper()
	name := filepath.Join(dir, "tollgate.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() (*plan, error) {
		cfg, err := config.Load(name, nil)
		if err != nil {
			return nil, err
		}
		p, err := planOf(cfg)
		if err != nil {
			return nil, err
		}
		d, err := demoPlan()
		if err != nil {
			return nil, err
		}
		p.upstreams, p.sources = []upstream.Config{{Name: "orders", InProcess: demo.Orders}}, d.sources[1:]
		return p, nil
	}
	p, err := load()
	if err != nil {
		t.Fatal(err)
	}
	g, err := openGateway(p, load, filepath.Join(dir, "state"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(20 * time.Second); ; {
		if holds() {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: waited in vain", what)
		}
	}
}

const everybodyReads = `permit if input.object.original_name == "get_order"`

// TestBundleAtAURL: without a bundle everything is refused; the first one makes the gateway ready; a broken one changes
// nothing and is told; the next good one is in force; and a restart without the server uses the copy.
func TestBundleAtAURL(t *testing.T) {
	server, dir := newPublisher(t), t.TempDir()
	text := fmt.Sprintf("version: 1\npolicy: {bundle: {url: %s/bundle.tar.gz, every: 1s}}\nroles: {reader: {}}\n", server.URL)
	g := configured(t, dir, text)
	visible := func() string {
		c, err := g.Catalog(t.Context(), &control.CatalogQuery{Role: "reader"})
		if err != nil {
			return err.Error()
		}
		var names []string
		for _, e := range c.Entries {
			names = append(names, e.OriginalName)
		}
		return strings.Join(names, " ")
	}
	if g.gate.Ready() || !strings.Contains(visible(), "no policy is loaded") {
		t.Errorf("without a bundle: %s", visible())
	}
	server.set(archive(t, everybodyReads))
	eventually(t, "the first bundle", g.gate.Ready)
	if got := visible(); got != "get_order" {
		t.Errorf("the first bundle shows %q", got)
	}
	server.set(archive(t, "permit if input.arguments.x"))
	eventually(t, "the broken bundle", func() bool {
		s, err := g.Status(t.Context())
		return err == nil && s.Bundle != nil && strings.Contains(s.Bundle.LastError, "rules.rego")
	})
	if got := visible(); got != "get_order" {
		t.Errorf("after a broken bundle: %q", got)
	}
	server.set(archive(t, everybodyReads+"\n\npermit if input.object.original_name == \"list_orders\""))
	eventually(t, "the next bundle", func() bool { return visible() == "get_order list_orders" })
	if err := os.WriteFile(filepath.Join(dir, "tollgate.yaml"), []byte(text+"toolsets: {some: {tools: [orders__get_order]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := g.reload(); err != nil || visible() != "get_order list_orders" {
		t.Errorf("a reload beside the bundle: %v, %s", err, visible())
	}
	if err := g.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.bundle.Store(nil)
	g = configured(t, dir, text)
	if got := visible(); got != "get_order list_orders" {
		t.Errorf("from the copy: %q", got)
	}
	if s, err := g.Status(t.Context()); err != nil || s.Bundle == nil || !s.Bundle.FromCopy {
		t.Errorf("status: %+v, %v", s, err)
	}
	if err := g.close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOtherBundle: a reload that names another bundle takes it when it is good, and changes nothing when it is not.
func TestOtherBundle(t *testing.T) {
	first, second, dir := newPublisher(t), newPublisher(t), t.TempDir()
	first.set(archive(t, everybodyReads))
	text := "version: 1\npolicy: {bundle: {url: %s/b.tar.gz, every: 1s}}\nroles: {reader: {}}\n"
	g := configured(t, dir, fmt.Sprintf(text, first.URL))
	change := func(url string) error {
		if err := os.WriteFile(filepath.Join(dir, "tollgate.yaml"), []byte(fmt.Sprintf(text, url)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := g.reload()
		return err
	}
	second.set(archive(t, "permit if x"))
	// The revision of the rules; that of the catalog goes before it and changes when the upstream has connected.
	rules := func() string { return strings.Split(g.gate.Revision(), "/")[1] }
	before := rules()
	if err := change(second.URL); err == nil || rules() != before {
		t.Errorf("a broken bundle: %v", err)
	}
	second.set(archive(t, "permit := true"))
	if err := change(second.URL); err != nil || rules() == before {
		t.Errorf("a good bundle: %v", err)
	}
	second.set(archive(t, everybodyReads))
	eventually(t, "the bundle that is followed now", func() bool { return rules() == before })
	if err := g.close(t.Context()); err != nil {
		t.Error(err)
	}
}
