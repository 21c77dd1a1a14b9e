// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDirectorySink(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := DirectorySink(dir)
	first := "log\n12345\nroot\ntime one\n"
	for _, note := range []string{first, "log\n12345\nroot\ntime two\n"} { // of the same tree, signed again
		if err := s.Put(t.Context(), []byte(note), 12345); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(t.Context(), []byte("log\n12345\nother\ntime two\n"), 12345); err == nil || !strings.Contains(err.Error(), "was not replaced") {
		t.Errorf("a checkpoint of another tree: %v", err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "000000012345.checkpoint"))
	if err != nil || string(got) != first {
		t.Errorf("the file has %q, %v", got, err)
	}
	if all, _ := os.ReadDir(dir); len(all) != 1 {
		t.Errorf("%d files, want 1", len(all))
	}
	if err := os.WriteFile(filepath.Join(t.TempDir(), "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := DirectorySink(filepath.Join(dir, "000000012345.checkpoint")).Put(t.Context(), nil, 1); err == nil {
		t.Error("a file was taken for a directory")
	}
}

func TestWebhookSink(t *testing.T) {
	status, got := http.StatusNoContent, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = r.Header.Get("Content-Type") + " " + string(b)
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	s := WebhookSink(server.URL + "/secret")
	if err := s.Put(t.Context(), []byte("note"), 1); err != nil || got != "text/plain; charset=utf-8 note" {
		t.Errorf("it got %q, %v", got, err)
	}
	for _, status = range []int{http.StatusFound, http.StatusInternalServerError} {
		if err := s.Put(t.Context(), nil, 1); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("status %d: %v", status, err)
		}
	}
	server.Close()
	if err := s.Put(t.Context(), nil, 1); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a server that is down: %v", err)
	}
}
