// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// searched is a log of n calls by three users, each with an intent and an outcome, one a second.
func searched(t *testing.T, n int) *Log {
	t.Helper()
	l, err := Open(&Options{Dir: t.TempDir(), SegmentRecords: 700})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	var last *Receipt
	for i := range n {
		of := &Labels{User: []string{"alice", "böb", `c"d`}[i%3], Upstream: "db", Tool: "query", Name: "db__query"}
		at := time.Unix(int64(i), 0).UTC()
		for _, r := range []*Record{
			{Version: 1, Kind: Intent, ID: fmt.Sprint("d", i), Time: at, Of: of},
			{Version: 1, Kind: Outcome, ID: fmt.Sprint("d", i), Time: at, Of: of, End: "answered", Error: "Some Text"},
		} {
			text, err := r.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			if last, err = l.Append(Entry{Text: text, Keep: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := last.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// everyPage follows the cursors of a query and returns the places of what it selects.
func everyPage(t *testing.T, l *Log, q Query) (places []uint64) {
	t.Helper()
	for {
		page, err := l.Query(t.Context(), &q)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Records {
			places = append(places, f.Seq)
		}
		if page.Next == "" {
			return places
		}
		if len(page.Records) != q.Limit {
			t.Fatalf("%d records on a page of %d that is not the last", len(page.Records), q.Limit)
		}
		q.Cursor = page.Next
	}
}

// TestQuery: what a query selects is what looking at every record selects, in both directions and over all pages.
func TestQuery(t *testing.T) {
	l := searched(t, 1500)
	for name, c := range map[string]struct {
		q    Query
		want func(i uint64) bool // i is a place; its call is i/2
	}{
		"all":             {Query{Limit: 997}, func(uint64) bool { return true }},
		"user":            {Query{Limit: 100, Labels: Labels{User: "alice"}}, func(i uint64) bool { return i/2%3 == 0 }},
		"user not ASCII":  {Query{Limit: 100, Labels: Labels{User: "böb"}}, func(i uint64) bool { return i/2%3 == 1 }},
		"user with quote": {Query{Limit: 100, Labels: Labels{User: `c"d`}}, func(i uint64) bool { return i/2%3 == 2 }},
		"kind and time": {
			Query{Limit: 3, Kinds: []Kind{Outcome}, From: time.Unix(10, 0), To: time.Unix(20, 0)},
			func(i uint64) bool { return i%2 == 1 && i/2 >= 10 && i/2 < 20 },
		},
		"end":          {Query{Limit: 500, End: "answered"}, func(i uint64) bool { return i%2 == 1 }},
		"text":         {Query{Limit: 500, Text: "some TEXT"}, func(i uint64) bool { return i%2 == 1 }},
		"tool by path": {Query{Limit: 1000, Labels: Labels{Tool: "db/query"}}, func(uint64) bool { return true }},
		"nothing":      {Query{Limit: 10, Labels: Labels{User: "ali"}}, func(uint64) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			var want []uint64
			for i := range l.Size() {
				if c.want(i) {
					want = append(want, i)
				}
			}
			if got := everyPage(t, l, c.q); !slices.Equal(got, want) {
				t.Errorf("%d records, want %d", len(got), len(want))
			}
			c.q.Newest = true
			slices.Reverse(want)
			if got := everyPage(t, l, c.q); !slices.Equal(got, want) {
				t.Errorf("newest first: %d records, want %d", len(got), len(want))
			}
		})
	}
}

func TestFind(t *testing.T) {
	l := searched(t, 30)
	found, err := l.Find(t.Context(), "d7")
	if err != nil || len(found) != 2 || found[0].Record.Kind != Intent || found[1].Record.Kind != Outcome {
		t.Fatalf("%+v, %v, want the intent and the outcome", found, err)
	}
	if found, err = l.Find(t.Context(), "d"); err != nil || len(found) != 0 {
		t.Errorf("an id that is none found %+v, %v", found, err)
	}
}

func TestQueryErrors(t *testing.T) {
	l := searched(t, 5)
	if _, err := l.Query(t.Context(), &Query{Cursor: "x"}); err == nil {
		t.Error("a cursor that is no number was taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Query(ctx, &Query{}); err == nil {
		t.Error("a cancelled query answered")
	}
}
