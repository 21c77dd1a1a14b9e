// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"tollgate/store/audit"
)

// ended is one call as the log tells of it.
type ended struct {
	at    time.Time
	of    audit.Labels
	usage Usage
}

// naiveCosts looks at every call, with other means than the rollups.
func naiveCosts(all []ended, zone *time.Location, q *CostQuery) *CostReport {
	civil := func(at time.Time) string { return at.In(zone).Format(time.DateOnly) }
	report := &CostReport{Zone: zone.String(), Groups: []CostGroup{}}
	groups := map[string]*CostGroup{}
	var days []string
	for _, c := range all {
		tool := cmp.Or(c.of.Name, c.of.Tool)
		words := map[string]string{
			"day": civil(c.at), "org": c.of.Org, "team": c.of.Team, "user": c.of.User, "key": c.of.Key, "upstream": c.of.Upstream, "tool": tool,
			"kind": c.of.Kind, "origin": c.of.Origin,
		}
		names := []string{"", c.of.Tool, c.of.Name, c.of.Upstream + "/" + c.of.Tool}
		switch {
		case !q.From.IsZero() && words["day"] < civil(q.From), !q.To.IsZero() && words["day"] > civil(q.To), !slices.Contains(names, q.Tool):
			continue
		case !slices.Contains([]string{"", c.of.Org}, q.Org), !slices.Contains([]string{"", c.of.Team}, q.Team), !slices.Contains([]string{"", c.of.User}, q.User),
			!slices.Contains([]string{"", c.of.Key}, q.Key), !slices.Contains([]string{"", c.of.Upstream}, q.Upstream):
			continue
		}
		days = append(days, words["day"])
		report.Total.add(&c.usage)
		key := map[string]string{}
		var name []string
		for _, word := range q.GroupBy {
			key[word] = words[word]
			name = append(name, words[word])
		}
		if len(name) == 0 {
			continue
		}
		id := strings.Join(name, "\x00")
		if groups[id] == nil {
			groups[id] = &CostGroup{Key: key}
		}
		groups[id].add(&c.usage)
	}
	var ids []string
	for id := range groups {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(groups[b].Cost, groups[a].Cost), strings.Compare(a, b))
	})
	for _, id := range ids {
		report.Groups = append(report.Groups, *groups[id])
	}
	bound := func(asked time.Time, have func([]string) string) time.Time {
		if asked.IsZero() && len(days) == 0 {
			return time.Time{}
		}
		text := ""
		if asked.IsZero() {
			text = have(days)
		} else {
			text = civil(asked)
		}
		day, _ := time.ParseInLocation(time.DateOnly+" 15", text+" 12", zone) // at noon, which every day has
		return day
	}
	report.From, report.To = bound(q.From, slices.Min[[]string]), bound(q.To, slices.Max[[]string])
	return report
}

func drawEnded(t *rapid.T, start time.Time) ended {
	word := func(name string, words ...string) string { return rapid.SampledFrom(words).Draw(t, name) }
	c := ended{at: start.Add(time.Duration(rapid.Int64Range(0, int64(5*24*time.Hour)).Draw(t, "at")))}
	c.of = audit.Labels{
		Org: word("org", "acme", ""), Team: word("team", "a", "b", strings.Repeat("t", 130)), User: word("user", "u", "v"), Key: word("key", "", "k"), Upstream: word("upstream", "x", "y"),
		Kind: word("kind", "tool", "resource"), Tool: word("tool", "t", "u/v", "y", strings.Repeat("long ", 80)), Origin: word("origin", "mcp", "rest"),
	}
	c.of.Name = word("name", "", "t", c.of.Upstream+"_"+c.of.Tool[:1])
	c.usage = Usage{Calls: 1, Answered: 1, Cost: rapid.Int64Range(0, 3).Draw(t, "cost"), Bytes: 10, Micros: 7}
	if word("end", "answered", "refused") == "refused" {
		c.usage = Usage{Refused: 1}
	}
	return c
}

func drawQuery(t *rapid.T, start time.Time) *CostQuery {
	word := func(name string, words ...string) string { return rapid.SampledFrom(words).Draw(t, name) }
	q := &CostQuery{}
	for range rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(t, "filters") {
		switch word("filter", "org", "team", "user", "key", "upstream", "tool") {
		case "org":
			q.Org = word("org", "acme", "nobody")
		case "team":
			q.Team = word("team", "a", "b", strings.Repeat("t", 130), "nobody")
		case "user":
			q.User = "v"
		case "key":
			q.Key = "k"
		case "upstream":
			q.Upstream = "x"
		default:
			long := strings.Repeat("long ", 80)
			q.Tool = word("tool", "t", "y", "x/t", "u/v", "x/u/v", "x_t", long, "x/"+long)
		}
	}
	if rapid.Bool().Draw(t, "from") {
		q.From = start.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "after")) * time.Hour)
	}
	if rapid.Bool().Draw(t, "to") {
		q.To = start.Add(time.Duration(rapid.IntRange(60, 130).Draw(t, "before")) * time.Hour)
	}
	q.GroupBy = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"day", "org", "team", "user", "key", "upstream", "tool", "kind", "origin"}), 0, 3, rapid.ID[string]).Draw(t, "by")
	return q
}

// shorten is what the rollups make of labels that are too long.
func shorten(report *CostReport) {
	for _, g := range report.Groups {
		for word, label := range g.Key {
			g.Key[word] = shortLabel(label)
		}
	}
}

// TestRollupsModel folds calls, writes checkpoints that may fail before or after they are on disk, dies and reads the log
// again from the applied sequence. Whenever it is asked, the costs are those of all calls, each once.
func TestRollupsModel(t *testing.T) {
	dir := t.TempDir()
	db := openRollups(t, dir)
	places := []*time.Location{time.UTC, load(t, "Europe/Berlin"), load(t, "America/Sao_Paulo")}
	rapid.Check(t, func(t *rapid.T) {
		err := db.Update(func(tx *bolt.Tx) error {
			return errors.Join(empty(tx, bucketRollups), empty(tx, bucketTools), empty(tx, bucketUsers), empty(tx, bucketMonths), putApplied(tx, 0))
		})
		if err != nil {
			t.Fatal(err)
		}
		zone := rapid.SampledFrom(places).Draw(t, "zone")
		start := time.Date(2018, 10, 27, 12, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 8).Draw(t, "start"))
		r := newRollups(zone, 0, applied)
		var log []ended
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1: // a checkpoint
				outcome := rapid.SampledFrom([]string{"works", "works", "fails", "seems to fail"}).Draw(t, "outcome")
				r.cut(uint64(len(log)))
				var broken error
				if outcome == "fails" {
					broken = errors.New("disk full")
				}
				if err := flushRollups(db, r, uint64(len(log)), broken); (err != nil) != (broken != nil) {
					t.Fatal(err)
				}
				if outcome == "works" {
					r.flushed(uint64(len(log)))
				}
			case 2: // a crash
				from := uint64(0)
				if err := db.View(func(tx *bolt.Tx) (err error) { from, err = applied(tx); return err }); err != nil {
					t.Fatal(err)
				}
				r = newRollups(zone, from, applied)
				for _, c := range log[from:] {
					r.apply(c.at, &c.of, &c.usage)
				}
			case 3, 4:
				q := drawQuery(t, start)
				got, err := r.costs(t.Context(), db, q)
				want := naiveCosts(log, zone, q)
				shorten(want)
				sameDay := gocmp.Comparer(func(a, b time.Time) bool {
					return a.IsZero() == b.IsZero() && a.Format(time.DateOnly) == b.Format(time.DateOnly)
				})
				if diff := gocmp.Diff(want, got, sameDay); err != nil || diff != "" {
					t.Fatalf("costs of %+v: %v (-want +got)\n%s", q, err, diff)
				}
			default:
				c := drawEnded(t, start)
				log = append(log, c)
				r.apply(c.at, &c.of, &c.usage)
			}
		}
		rebuilt := newRollups(zone, 0, applied) // as a check does
		for _, c := range log {
			rebuilt.apply(c.at, &c.of, &c.usage)
		}
		all, err := r.all(db)
		if diff := gocmp.Diff(rebuilt.live.delta, all); err != nil || diff != "" {
			t.Fatalf("all rows: %v (-want +got)\n%s", err, diff)
		}
		err = db.View(func(tx *bolt.Tx) error { return errors.Join(checkTables(tx)...) })
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestCostsUnderLoad asks all the time while calls are folded and checkpoints are written: an answer has every call that
// was folded before the question, and none twice.
func TestCostsUnderLoad(t *testing.T) {
	db := openRollups(t, fastDir(t))
	r := newRollups(nil, 0, applied)
	const calls = 3000
	var mu sync.Mutex // guards folded
	folded := 0
	count := func() int64 {
		mu.Lock()
		defer mu.Unlock()
		return int64(folded)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := range calls {
			mu.Lock()
			r.apply(time.Unix(int64(i)*600, 0), &audit.Labels{User: fmt.Sprint(i % 7)}, &Usage{Calls: 1, Cost: 1})
			folded++
			mu.Unlock()
			if i%20 == 0 {
				r.cut(uint64(i + 1))
				if err := flushRollups(db, r, uint64(i+1), nil); err != nil {
					t.Error(err)
					return
				}
				r.flushed(uint64(i + 1))
			}
		}
	})
	for range 3 {
		wg.Go(func() {
			for asked := 0; ; asked++ {
				before := count()
				report, err := r.costs(t.Context(), db, &CostQuery{GroupBy: []string{"user"}})
				if after := count(); err != nil || report.Total.Calls < before || report.Total.Calls > after || report.Total.Cost != report.Total.Calls {
					t.Errorf("%+v calls, %v; want from %d to %d", report, err, before, after)
					return
				}
				select {
				case <-done:
					if asked < 10 {
						t.Errorf("only %d questions: the test shows little", asked)
					}
					return
				default:
				}
			}
		})
	}
	wg.Wait()
}

func TestCostErrors(t *testing.T) {
	db := openRollups(t, t.TempDir())
	r := newRollups(nil, 0, applied)
	day := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		q    CostQuery
		word string
	}{
		{CostQuery{GroupBy: []string{"month"}}, `"month": want day, org`},
		{CostQuery{GroupBy: []string{"day", "day"}}, "twice"},
		{CostQuery{From: day, To: day.Add(-1)}, "from 2026-11-25 to 2026-11-24"},
	} {
		if report, err := r.costs(t.Context(), db, &test.q); err == nil || !strings.Contains(err.Error(), test.word) {
			t.Errorf("costs of %+v = %v, %v; want an error with %q", test.q, report, err, test.word)
		}
	}
	for i := range costsLook {
		r.apply(day.AddDate(0, 0, i), &audit.Labels{}, &Usage{Calls: 1})
	}
	r.cut(1)
	if err := flushRollups(db, r, 1, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.costs(ctx, db, &CostQuery{}); !errors.Is(err, context.Canceled) {
		t.Errorf("costs = %v, want that it was cancelled", err)
	}
	err := db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketTools)).Put(appendRow(nil, dayAt(day, time.UTC), &audit.Labels{}), []byte("damaged"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.costs(t.Context(), db, &CostQuery{}); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("costs with a damaged row = %v", err)
	}
}

// FuzzSplitRow: a key that is accepted is one that appendRow writes.
func FuzzSplitRow(f *testing.F) {
	f.Add(appendRow(nil, 20_000, &audit.Labels{Org: "acme", Tool: strings.Repeat("é", 300)}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, key []byte) {
		labels, err := splitRow(key)
		if err != nil {
			return
		}
		size := daySize
		for _, label := range labels {
			size += len(label)
		}
		if rest := len(key) - size; rest < labelCount || rest > 10*labelCount {
			t.Errorf("%x: %d bytes of lengths", key, rest)
		}
	})
}
