// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"tollgate/store"
)

// mixed appends n records of all kinds, whose labels and times come and go, so that the index can leave blocks out.
func mixed(t *testing.T, l *Log, n int) (all []Found) {
	t.Helper()
	pick := func(i, every int, of ...string) string { return of[(i/every+i%3)%len(of)] }
	kinds := []Kind{Intent, Outcome, Refusal, Admin, Lease, Start}
	for i := range n {
		r := &Record{Version: 1, Kind: kinds[(i/150+i%2)%len(kinds)], ID: fmt.Sprint("d", i/2), Time: time.Unix(int64(i-i%97*3), 0).UTC()}
		if r.Kind != Lease && r.Kind != Start {
			r.Of = &Labels{
				Org: pick(i, 700, "acme", "", "öl"), Team: pick(i, 300, "red", "blue", "a/b"), User: pick(i, 90, "alice", "böb", `c"d`, "dora", ""),
				Key: pick(i, 40, "", "k1", "k2"), Upstream: pick(i, 260, "db", "", "files", "a"), Kind: pick(i, 800, "tool", "prompt"),
				Tool: pick(i, 260, "query", "b/read", "read", "b/x"), Name: pick(i, 260, "db__query", "query", ""), Origin: pick(i, 500, "mcp", "rest", ""),
			}
		}
		if r.Kind == Outcome {
			r.End = pick(i, 200, "answered", "lost", "cancelled")
		}
		if r.Kind == Refusal {
			r.End, r.Code, r.Sentence = "refused", pick(i, 100, "budget_exceeded", "denied"), "No Kelvin \u212a or \u0130"
		}
		text, err := r.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Found{Stored{uint64(i), text}, r})
		if _, err = l.Append(Entry{Text: text, Keep: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Wait(t.Context(), uint64(n-1)); err != nil {
		t.Fatal(err)
	}
	return all
}

// anyQuery asks for labels that records have, in part ones that none has.
func anyQuery(t *rapid.T) *Query {
	one := func(name string, of ...string) string {
		if !rapid.Bool().Draw(t, "with "+name) {
			return ""
		}
		return rapid.SampledFrom(of).Draw(t, name)
	}
	q := &Query{Newest: rapid.Bool().Draw(t, "newest")}
	for range rapid.IntRange(0, 2).Draw(t, "conditions") {
		switch rapid.IntRange(0, 12).Draw(t, "condition") {
		case 0:
			q.From = time.Unix(rapid.Int64Range(-300, 3000).Draw(t, "from"), 0)
		case 1:
			q.To = time.Unix(rapid.Int64Range(-300, 3000).Draw(t, "to"), 0)
		case 2:
			q.Kinds = rapid.SliceOfN(rapid.SampledFrom([]Kind{Intent, Outcome, Refusal, Admin, Lease, Start, Stop}), 1, 3).Draw(t, "kinds")
		case 3:
			q.ID = fmt.Sprint("d", rapid.IntRange(0, 1300).Draw(t, "id"))
		case 4:
			q.End = one("end", "answered", "lost", "cancelled", "refused")
		case 5:
			q.Code = one("code", "budget_exceeded", "denied")
		case 6:
			q.Text = one("text", "kelvin k", "ALICE", "BÖB", "\u212a OR", "i", "d77")
		case 7:
			q.Labels.Org, q.Labels.Team = one("org", "acme", "öl"), one("team", "red", "a/b")
		case 8, 9:
			q.Labels.User = one("user", "alice", "böb", `c"d`, "dora", "nobody")
		case 10:
			q.Labels.Upstream, q.Labels.Key = one("upstream", "db", "files", "a"), one("key", "k1", "k2")
		case 11:
			q.Labels.Kind, q.Labels.Origin = one("object", "tool", "prompt"), one("origin", "mcp", "rest")
		case 12:
			q.Labels.Tool = one("tool", "query", "db__query", "db/query", "a/b/read", "b/read", "files/read", "/read", "read", "/", "x/", "a/b/x")
			q.Labels.Name = one("name", "db__query")
		}
	}
	return q
}

// wanted are the places of the records that q selects, found by looking at each.
func wanted(q *Query, all []Found) (places []uint64) {
	for _, f := range all {
		text := q.Text == "" || bytes.Contains(bytes.ToLower(f.Text), bytes.ToLower([]byte(q.Text)))
		if text && q.selects(f.Record) {
			places = append(places, f.Seq)
		}
	}
	if q.Newest {
		slices.Reverse(places)
	}
	return places
}

// TestIndexedQuery: over sealed segments and one that is not, in both directions, on pages of any size, a query finds what
// looking at every record finds.
func TestIndexedQuery(t *testing.T) {
	l := open(t, &Options{Dir: private(t), SegmentRecords: 1000, Batch: 100})
	all := mixed(t, l, 2600)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if views := l.segments(); len(views) != 3 || !views[1].sealed || views[2].sealed {
		t.Fatalf("%d segments: the test shows nothing", len(views))
	}
	for _, q := range []Query{ // each condition once, whatever is drawn below
		{From: time.Unix(1500, 0)}, {To: time.Unix(700, 0)}, {From: time.Unix(1100, 0), To: time.Unix(1101, 0)}, {Kinds: []Kind{Admin, Lease}}, {ID: "d321"},
		{End: "lost"}, {Code: "denied"}, {Text: "kelvin k or i"}, {Labels: Labels{Org: "öl"}}, {Labels: Labels{Team: "a/b"}}, {Labels: Labels{User: `c"d`}},
		{Labels: Labels{Key: "k2"}}, {Labels: Labels{Upstream: "files"}}, {Labels: Labels{Kind: "prompt"}}, {Labels: Labels{Name: "query"}},
		{Labels: Labels{Origin: "rest"}}, {Labels: Labels{Tool: "read"}}, {Labels: Labels{Tool: "db__query"}}, {Labels: Labels{Tool: "a/b/x"}},
		{Labels: Labels{Tool: "db/query"}}, {Labels: Labels{Tool: "files/read"}}, {Labels: Labels{Tool: "/b/read"}},
	} {
		for range 2 {
			q.Limit, q.Newest = 300, !q.Newest
			want := wanted(&q, all)
			if got := everyPage(t, l, q); !slices.Equal(got, want) || len(want) == 0 {
				t.Fatalf("%+v selects %d records, want %d", q, len(got), len(want))
			}
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		q := anyQuery(rt)
		want := wanted(q, all)
		q.Limit = len(want)/rapid.IntRange(1, 9).Draw(rt, "pages") + rapid.IntRange(0, 1).Draw(rt, "more")
		q.Limit = max(q.Limit, 1)
		got := everyPage(t, l, *q)
		if !slices.Equal(got, want) {
			rt.Fatalf("%+v selects %d records, want %d", q, len(got), len(want))
		}
		if at := rapid.IntRange(0, 2700).Draw(rt, "cursor"); len(want) > 0 { // a cursor says where, whoever made it
			q.Cursor = fmt.Sprint(at)
			want = slices.DeleteFunc(want, func(seq uint64) bool { return q.Newest != (seq < uint64(at)) })
			if got := everyPage(t, l, *q); !slices.Equal(got, want) {
				rt.Fatalf("from %d %+v selects %d records, want %d", at, q, len(got), len(want))
			}
		}
	})
}

// TestFront: what is read of the front of a record is what decoding it says, and a text that it cannot read it leaves alone.
func TestFront(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyRecord(t)
		text, err := want.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		kind, at, ok := front(text)
		if ok && (string(kind) != string(want.Kind) || !at.Equal(want.Time)) || !ok && !strings.ContainsAny(want.ID, "\"\\\n\u2028") {
			t.Fatalf("%s: %q, %v, %v", text, kind, at, ok)
		}
		text = text[:rapid.IntRange(0, len(text)).Draw(t, "cut")]
		front(text)
	})
	for _, text := range []string{"", "{}", `{"v":1,"kind":"intent"}`, `{"v":1,"kind":"intent","id":"x","time":"25 November"}`, `{"v":2,"kind":"intent","id":"x","time":"2026-11-25T08:00:00Z"}`} {
		if _, _, ok := front([]byte(text)); ok {
			t.Errorf("%q was read", text)
		}
	}
}

// damage changes what a sealed segment stores of its blocks; nil takes it away.
func damage(t *testing.T, path, bucket string, change func(first []byte, value []byte) []byte) {
	t.Helper()
	edit(t, path, func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		changed := map[string][]byte{}
		if err := b.ForEach(func(k, v []byte) error {
			changed[string(k)] = change(k, bytes.Clone(v))
			return nil
		}); err != nil {
			return err
		}
		for k, v := range changed {
			if err := b.Delete([]byte(k)); err != nil {
				return err
			}
			if v == nil {
				continue
			}
			if err := b.Put([]byte(k), v); err != nil {
				return err
			}
		}
		return nil
	})
}

// sealedLog is a closed log of two sealed segments of 1,000 records and one of one record.
func sealedLog(t *testing.T) (o *Options, paths []string) {
	t.Helper()
	o = &Options{Dir: private(t), SegmentRecords: 1000}
	l := open(t, o)
	for _, n := range []int{0, 1000, 2000} { // a commit is never divided
		add(t, l, records(n, min(1000, 2001-n))...)
	}
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range l.segments() {
		paths = append(paths, s.path)
	}
	checkAndClose(t, l)
	return o, paths
}

func queried(t *testing.T, dir string, q *Query) ([]Found, error) {
	t.Helper()
	l, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	page, err := l.Query(t.Context(), q)
	if err != nil {
		return nil, err
	}
	return page.Records, nil
}

// TestQuerySkipsBlocks: a block that cannot have what a query asks for is not opened, so that it does not matter that it
// cannot be read.
func TestQuerySkipsBlocks(t *testing.T) {
	o, paths := sealedLog(t)
	for _, path := range paths[:2] {
		damage(t, path, bucketBlocks, func(first, block []byte) []byte {
			if bytes.Equal(first, key(512)) {
				return block
			}
			return block[:len(block)-1]
		})
	}
	at := func(i int) time.Time { return time.Date(2026, 11, 25, 8, 0, i, 0, time.UTC) }
	for name, q := range map[string]*Query{
		"id":          {ID: "600"},
		"user":        {Labels: Labels{User: "user-6"}},
		"time":        {From: at(512), To: at(768)},
		"id and text": {ID: "600", Text: "READ"},
		"newest":      {ID: "600", Newest: true},
	} {
		if name == "time" {
			q.Limit = 1000
		}
		found, err := queried(t, o.Dir, q)
		want := map[string]int{"user": 100, "time": 256}[name]
		if err != nil || len(found) != max(want, 1) {
			t.Errorf("%s: %d records, %v", name, len(found), err)
		}
	}
	for name, q := range map[string]*Query{"other user": {Labels: Labels{User: "user-9"}}, "text": {Text: "600"}, "tool": {Labels: Labels{Tool: "read"}}} {
		if found, err := queried(t, o.Dir, q); err == nil {
			t.Errorf("%s: %d records, though blocks cannot be read", name, len(found))
		}
	}
}

// TestDamagedIndex: an index that is not what sealing wrote is an error, and not an answer without records.
func TestDamagedIndex(t *testing.T) {
	for name, change := range map[string]func(first, index []byte) []byte{
		"bit of a term": func(_, index []byte) []byte { index[len(index)/2] ^= 1; return index },
		"bit of a time": func(_, index []byte) []byte { index[9] ^= 1; return index },
		"cut off":       func(_, index []byte) []byte { return index[:len(index)-8] },
		"empty":         func(_, _ []byte) []byte { return []byte{} },
		"first gone":    gone(0),
		"one gone":      gone(256),
		"last gone":     gone(768),
	} {
		t.Run(name, func(t *testing.T) {
			o, paths := sealedLog(t)
			damage(t, paths[0], bucketIndex, change)
			v := verified(t, o.Dir, nil)
			if v.Problem == nil || v.Problem.From != 0 || v.Problem.To != 1000 || !strings.Contains(v.Problem.Sentence, "index of") {
				t.Errorf("Verify finds %v", v.Problem)
			}
			for _, newest := range []bool{false, true} {
				found, err := queried(t, o.Dir, &Query{ID: "nobody", Newest: newest})
				if failed, ok := errors.AsType[*store.CorruptError](err); !ok || !strings.Contains(failed.Error(), "index of") {
					t.Errorf("newest=%v: %d records, %v", newest, len(found), err)
				}
			}
		})
	}
}

func gone(first uint64) func(first, index []byte) []byte {
	return func(k, index []byte) []byte {
		if bytes.Equal(k, key(first)) {
			return nil
		}
		return index
	}
}

// TestQueryOpaque: records that the index could not read keep their blocks from being skipped.
func TestQueryOpaque(t *testing.T) {
	l := open(t, &Options{Dir: private(t), SegmentRecords: 600})
	want := `{"v":1,"kind":"admin","id":"a1","time":"3026-11-25T08:00:00Z"}` // a year that has no nanoseconds
	add(t, l, records(0, 300)...)
	add(t, l, want)
	add(t, l, records(301, 300)...)
	add(t, l, records(601, 1)...)
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, q := range []Query{{ID: "a1"}, {From: time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)}, {Kinds: []Kind{Admin}, To: time.Date(3027, 1, 1, 0, 0, 0, 0, time.UTC)}} {
		for range 2 { // the second time it is known what times the segment has
			if got := everyPage(t, l, q); !slices.Equal(got, []uint64{300}) {
				t.Errorf("%+v selects %v", q, got)
			}
		}
	}
}

// TestQueryKnowsTimes: what a part of a segment has says nothing of the rest of it.
func TestQueryKnowsTimes(t *testing.T) {
	o, _ := sealedLog(t)
	l := open(t, o)
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	if got := everyPage(t, l, Query{From: noon, Newest: true, Cursor: "256", Limit: 10}); got != nil {
		t.Errorf("in a part of the first segment: %v", got)
	}
	if got := everyPage(t, l, Query{From: noon.Add(-4 * time.Hour).Add(990 * time.Second), To: noon.Add(-4 * time.Hour).Add(995 * time.Second), Limit: 10}); len(got) != 5 {
		t.Errorf("the end of the first segment: %v", got)
	}
	for range 2 {
		last := noon.Add(-4 * time.Hour).Add(999 * time.Second) // the newest record of its block and its segment
		for _, q := range []Query{{From: last, To: last.Add(1)}, {From: last.Add(-500 * time.Millisecond), To: last.Add(1)}} {
			if got := everyPage(t, l, q); !slices.Equal(got, []uint64{999}) {
				t.Errorf("%+v selects %v", q, got)
			}
		}
		if got := everyPage(t, l, Query{From: noon, Limit: 10}); got != nil {
			t.Errorf("after all of them: %v", got)
		}
	}
}
