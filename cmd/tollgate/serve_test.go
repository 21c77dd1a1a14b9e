// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tollgate/cmd/internal/config"
)

// TestBodyNobodyReads: a refused client that announces a body and never sends it is answered and let go.
func TestBodyNobodyReads(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) })
	server := httptest.NewServer(bodyDeadline(refuse, 50*time.Millisecond))
	defer server.Close()
	for _, body := range []string{"Content-Length: 1000\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "POST /mcp HTTP/1.1\r\nHost: localhost\r\n"+body); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%q: %v", body, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized || !resp.Close {
			t.Errorf("%q: %s, connection ends %v", body, resp.Status, resp.Close)
		}
	}
}

// TestReloadNewestWins: a reload that read the files earlier must not undo one that read them later.
func TestReloadNewestWins(t *testing.T) {
	older, err := demoPlan()
	if err != nil {
		t.Fatal(err)
	}
	newer, err := demoPlan()
	if err != nil {
		t.Fatal(err)
	}
	reading, read := make(chan struct{}), make(chan struct{})
	loads := 0
	g, err := openGateway(older, func() (*plan, error) {
		if loads++; loads > 1 {
			return newer, nil
		}
		close(reading)
		<-read
		return older, nil
	}, filepath.Join(t.TempDir(), "state"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	reload := func() { _, err := g.reload(); done <- err }
	go reload()
	<-reading
	second := make(chan struct{})
	go func() { reload(); close(second) }()
	select {
	case <-second: // it did not wait for the first
	case <-time.After(50 * time.Millisecond):
	}
	close(read)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if g.current() != newer {
		t.Error("the configuration in force is not the one read last")
	}
	if err := g.close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestNeedRestart: an operator must hear that a change is not in force, above all one that takes rights away.
func TestNeedRestart(t *testing.T) {
	with := func(mtls *config.MTLS) *plan {
		return &plan{cfg: &config.Config{Auth: config.Auth{MTLS: mtls}}}
	}
	if got := needRestart(with(&config.MTLS{}), with(nil)); !slices.Equal(got, []string{"auth.mtls"}) {
		t.Errorf("no client certificates any more: %v", got)
	}
	if got := needRestart(with(nil), with(nil)); len(got) != 0 {
		t.Errorf("no change: %v", got)
	}
}

func TestCleanLines(t *testing.T) {
	if got, want := cleanLines("a\x1b[2J\nb\u202e"), `a\x1b[2J`+"\n"+`b\u202e`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
