// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
	"tollgate/store/audit/export"
	"tollgate/store/ledger"
)

// recorded is a gateway that has nothing but an audit log, and a client of it.
func recorded(t *testing.T) (*gateway, *control.Client) {
	t.Helper()
	e, err := ledger.Open(&ledger.Options{Dir: t.TempDir(), Audit: audit.Options{SegmentRecords: 700}})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{accounts: &accounts{engine: e}}
	local := newLocalServer(control.Handler(g))
	client := control.NewClient(local.dial)
	t.Cleanup(func() {
		client.Close()
		if err := local.close(); err != nil {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return g, client
}

// write records n refusals, every third one of ann.
func write(t *testing.T, g *gateway, n int, detail string) {
	t.Helper()
	for i := range n {
		user := "bob"
		if i%3 == 0 {
			user = "ann"
		}
		r := &audit.Record{
			Kind: audit.Refusal, Class: audit.Async, ID: fmt.Sprintf("R%d", i), Of: &audit.Labels{User: user}, End: "refused", Sentence: "<&>\u2028 " + strconv.Itoa(i), Detail: detail,
		}
		if i == n-1 {
			r.Class = audit.Strict // all before it are on disk then
		}
		if err := g.accounts.engine.Record(t.Context(), r); err != nil {
			t.Error(err) // this may be another goroutine
		}
	}
}

// exportedLines are the places and texts of an export as JSONL.
func exportedLines(t *testing.T, text []byte) (all []audit.Stored) {
	t.Helper()
	for line := range bytes.Lines(text) {
		var l struct {
			Seq    uint64          `json:"seq"`
			Record json.RawMessage `json:"record"`
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		all = append(all, audit.Stored{Seq: l.Seq, Text: l.Record})
	}
	return all
}

// TestExportOfManyPages: whatever the size of pages, an export is what the log has, byte for byte, up to its first question.
func TestExportOfManyPages(t *testing.T) {
	g, client := recorded(t)
	write(t, g, 2500, "")
	write(t, g, 600, strings.Repeat("x", 60_000)) // pages of bytes, not of records
	for _, user := range []string{"", "ann"} {
		var want []audit.Stored
		for r, err := range g.accounts.engine.Log().Scan(t.Context(), 0, g.accounts.engine.Log().Size()) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, r)
		}
		pages := 0
		var out bytes.Buffer
		x := &exporter{query: control.RecordQuery{User: user}, format: export.JSONL, progress: &progress{}, texts: func(ctx context.Context, q *control.RecordQuery) (*control.Texts, error) {
			if pages++; pages == 2 {
				write(t, g, 10, "later")
			}
			return client.Texts(ctx, q)
		}}
		if err := x.run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		expected := want
		if user != "" {
			expected = nil
			for _, r := range want {
				if strings.Contains(string(r.Text), `"user":"ann"`) {
					expected = append(expected, r)
				}
			}
		}
		got := exportedLines(t, out.Bytes())
		if len(got) != len(expected) || x.written != len(got) || pages < 2 {
			t.Fatalf("user %q: %d records in %d pages, want %d", user, len(got), pages, len(expected))
		}
		for i, r := range expected {
			if got[i].Seq != r.Seq || !bytes.Equal(got[i].Text, r.Text) {
				t.Fatalf("record %d is\n%s, want\n%s", r.Seq, got[i].Text, r.Text)
			}
		}
	}
}

// TestExportInterrupted: the file of an export that did not come to its end is the one that was there before.
func TestExportInterrupted(t *testing.T) {
	g, client := recorded(t)
	write(t, g, 1500, "")
	dir := t.TempDir()
	name := filepath.Join(dir, "out.csv")
	if err := os.WriteFile(name, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	x := &exporter{format: export.CSV, progress: &progress{}, texts: func(ctx context.Context, q *control.RecordQuery) (*control.Texts, error) {
		if q.Cursor != "" {
			interrupt()
		}
		return client.Texts(ctx, q)
	}}
	if err := replaceWith(name, func(w io.Writer) error { return x.run(ctx, w) }); cli.ExitCode(err, classify) != cli.ExitInterrupted || x.written == 0 {
		t.Fatalf("after %d records: %v", x.written, err)
	}
	all, err := os.ReadDir(dir)
	if text, e := os.ReadFile(name); err != nil || e != nil || len(all) != 1 || string(text) != "before" {
		t.Fatalf("%d files, %q, %v, %v", len(all), text, err, e)
	}
}

// TestProgress: a person is told how far it is, once it takes its time, and what follows has a line of its own.
func TestProgress(t *testing.T) {
	var said strings.Builder
	p := &progress{w: &said, next: time.Now().Add(time.Hour)}
	p.at(1, 0, 100)
	p.end()
	if said.Len() > 0 {
		t.Fatalf("too early: %q", said.String())
	}
	p.next = time.Now().Add(-time.Second)
	p.at(10, 49, 100)
	p.at(11, 50, 100)
	p.end()
	if want := "\r10 records, 50 % of the log \n"; said.String() != want {
		t.Fatalf("said %q, want %q", said.String(), want)
	}
}

// TestExportAndRetention: records that are removed while they are exported are not left out in silence.
func TestExportAndRetention(t *testing.T) {
	g, client := recorded(t)
	for range 4 {
		write(t, g, 700, "") // what is committed together is in one segment
	}
	log := g.accounts.engine.Log()
	pages := 0
	x := &exporter{format: export.CSV, progress: &progress{}, texts: func(ctx context.Context, q *control.RecordQuery) (*control.Texts, error) {
		if pages++; pages == 2 {
			if err := log.Seal(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := log.Prune(time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		return client.Texts(ctx, q)
	}}
	err := x.run(t.Context(), &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("retention removed records 1000 to %d", log.First()-1)) {
		t.Fatalf("error %v, the log begins at %d", err, log.First())
	}
}

// TestTailHasEveryRecordOnce: records that come between two questions are neither left out nor printed twice.
func TestTailHasEveryRecordOnce(t *testing.T) {
	g, client := recorded(t)
	write(t, g, 20, "")
	seen := map[uint64]int{}
	var first, last uint64
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	f := &tailer{client: client, query: control.FollowQuery{Last: 5, RecordQuery: control.RecordQuery{User: "ann"}}, print: func(r *control.Text) error {
		if len(seen) == 0 {
			first = r.Seq
		}
		if r.Seq < last {
			t.Errorf("record %d behind %d", r.Seq, last)
		}
		seen[r.Seq]++
		last = r.Seq
		return nil
	}}
	if err := f.next(ctx); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 5 {
		t.Fatalf("%d records to begin with, want 5", len(seen))
	}
	done := make(chan struct{})
	go func() { defer close(done); write(t, g, 3000, "") }()
	for want := 5 + 1000; len(seen) < want; {
		if err := f.next(ctx); err != nil {
			t.Fatalf("after %d of %d records: %v", len(seen), want, err)
		}
	}
	<-done
	for r, err := range g.accounts.engine.Log().Scan(ctx, first, g.accounts.engine.Log().Size()) {
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if strings.Contains(string(r.Text), `"user":"ann"`) {
			want = 1
		}
		if seen[r.Seq] != want {
			t.Errorf("record %d was printed %d times, want %d", r.Seq, seen[r.Seq], want)
		}
	}
}

// TestFollowEnds: a question that nothing answers ends with its time, with its asker and with the gateway.
func TestFollowEnds(t *testing.T) {
	g, client := recorded(t)
	size := g.accounts.engine.Log().Size()
	page, err := client.Follow(t.Context(), &control.FollowQuery{From: size, Wait: time.Millisecond})
	if err != nil || len(page.Records) != 0 || page.Next != strconv.FormatUint(size, 10) {
		t.Fatalf("%v, %v", page, err)
	}
	g.draining.Store(true)
	begin := time.Now()
	if _, err := client.Follow(t.Context(), &control.FollowQuery{From: size, Wait: time.Minute}); err != nil || time.Since(begin) > 20*time.Second {
		t.Fatalf("a gateway that ends waits: %v after %v", err, time.Since(begin))
	}
	g.draining.Store(false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Follow(ctx, &control.FollowQuery{From: size, Wait: time.Minute}); err == nil {
		t.Fatal("it waits for nobody")
	}
}

// TestChangesWithoutRecord: while nothing can be recorded nobody gets a key, and a key can be taken away all the same.
func TestChangesWithoutRecord(t *testing.T) {
	g := configured(t, t.TempDir(), accountsYAML)
	made, err := g.CreateKey(t.Context(), &control.Key{Subject: "ann", Roles: []string{"clerk"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.accounts.engine.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := g.CreateKey(t.Context(), &control.Key{Subject: "bob", Roles: []string{"clerk"}}); err == nil || !strings.Contains(err.Error(), "key.create was not done: it cannot be recorded") {
		t.Errorf("create: %v", err)
	}
	if _, err := g.RotateKey(t.Context(), made.Key.ID, 0); err == nil || !strings.Contains(err.Error(), "key.rotate was not done") {
		t.Errorf("rotate: %v", err)
	}
	if err := g.RevokeKey(t.Context(), made.Key.ID); err == nil || !strings.Contains(err.Error(), "key.revoke of "+made.Key.ID+" was done: it cannot be recorded") {
		t.Errorf("revoke: %v", err)
	}
	keys, err := g.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.Subject == "bob" || k.Subject == "ann" && k.Revoked.IsZero() {
			t.Errorf("key of %s: %+v", k.Subject, k)
		}
	}
	_ = g.close(t.Context()) // the ledger is closed already
}
