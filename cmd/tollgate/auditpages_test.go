// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"tollgate/cmd/internal/control"
	"tollgate/store/audit"
)

// disturbed calls disturb once, when whoever has it looks for the first time whether it has ended.
type disturbed struct {
	context.Context
	disturb func()
}

func (d *disturbed) Err() error {
	if f := d.disturb; f != nil {
		d.disturb = nil
		f()
	}
	return d.Context.Err()
}

// TestRetentionWithinAPage: what is removed while a page is read is not left out in silence, on the first page or a later one.
func TestRetentionWithinAPage(t *testing.T) {
	for _, cursor := range []string{"", "800"} {
		g, _ := recorded(t)
		for range 4 {
			write(t, g, 700, "")
		}
		log := g.accounts.engine.Log()
		if err := log.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx := &disturbed{Context: t.Context(), disturb: func() {
			if _, err := log.Prune(time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
		}}
		page, err := g.Texts(ctx, &control.RecordQuery{Cursor: cursor})
		if log.First() <= 800 {
			t.Fatalf("the log begins at %d: nothing was removed", log.First())
		}
		if want := fmt.Sprintf("to %d were removed by retention", log.First()-1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("from %q: %+v, %v, want an error with %q", cursor, page, err, want)
		}
	}
}

// TestPagesOfLargeRecords: a page takes no more memory than a page of records, however many more the log has.
func TestPagesOfLargeRecords(t *testing.T) {
	g, _ := recorded(t)
	for range 10 {
		write(t, g, 100, strings.Repeat("x", 100_000))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	page, err := g.Texts(t.Context(), &control.RecordQuery{Kinds: []string{string(audit.Refusal)}})
	runtime.ReadMemStats(&after)
	if err != nil || len(page.Records) < 50 || len(page.Records) > 100 {
		t.Fatalf("%d records, %v", len(page.Records), err)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 8*maxTextBytes {
		t.Errorf("a page of %d bytes took %d", maxTextBytes, taken)
	}
}
