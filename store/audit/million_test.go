// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// millionVar names the folder of the log that BenchmarkAtMillion is about, which is made when it is not there.
const millionVar = "TOLLGATE_AUDIT_MILLION"

const (
	millionRecords = 1_000_000
	millionUsers   = 2000
)

// BenchmarkAtMillion measures a sealed log of one million records, half of them intents with their full decision input and
// half outcomes, of 2,000 users over a day. The log takes most of a minute to make, so that it is kept in the folder that
// TOLLGATE_AUDIT_MILLION names; without that nothing runs.
func BenchmarkAtMillion(b *testing.B) {
	dir := os.Getenv(millionVar)
	if dir == "" {
		b.Skipf("set %s to a folder for a log of a million records", millionVar)
	}
	if _, err := os.Stat(filepath.Join(dir, noteName)); err != nil {
		makeMillion(b, dir)
	}
	b.Logf("sealed: %.0f bytes a call", float64(dirBytes(b, dir))/(millionRecords/2))
	l, err := OpenReader(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	start := millionStart()
	queries := []struct {
		name  string
		query Query
		found int // on the page; 0 = any number
	}{
		{"user, newest 100", Query{Labels: Labels{User: millionUser(7)}, Newest: true}, 100},
		{"user, all", Query{Labels: Labels{User: millionUser(7)}, Limit: maxPage}, 0},
		{"id", Query{ID: millionID(333_333)}, 2},
		{"minute of the day", Query{From: start.Add(9 * time.Hour), To: start.Add(9*time.Hour + time.Minute), Limit: maxPage}, 0},
		{"refusals, of which there are none", Query{Kinds: []Kind{Refusal}}, 0},
		{"text of one record", Query{Text: "invoice 0333333 "}, 1},
		{"text of one user", Query{Text: "INVOICE 0300007 ", Labels: Labels{User: millionUser(7)}}, 1},
	}
	for _, q := range queries {
		b.Run("query "+q.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, err := l.Query(b.Context(), &q.query)
				if err != nil || q.found > 0 && len(page.Records) != q.found {
					b.Fatalf("%+v, %v", page, err)
				}
				b.ReportMetric(float64(len(page.Records)), "found")
			}
		})
	}
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			v, err := l.Verify(b.Context(), nil)
			if err != nil || v.Problem != nil || v.Checked <= millionRecords {
				b.Fatalf("%+v, %v", v, err)
			}
		}
	})
	b.Run("prove", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := l.Prove(b.Context(), 123_456, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func millionStart() time.Time   { return time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC) }
func millionUser(n int) string  { return fmt.Sprintf("user-%d@example.com", n) }
func millionID(call int) string { return fmt.Sprintf("06H13NC5HHN88BEIIN%08d", call*7919%100_000_000) }

// makeMillion writes the log and seals it.
func makeMillion(b *testing.B, dir string) {
	began := time.Now()
	clk := newClock()
	l, err := Open(&Options{Dir: dir, Key: testKey(), SegmentRecords: millionRecords / 4, Now: clk.now})
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var text int
	for call := range millionRecords / 2 {
		for _, r := range millionCall(random, call) {
			line, err := r.Append(nil)
			if err != nil {
				b.Fatal(err)
			}
			text += len(line)
			if _, err := l.Append(Entry{Text: line, Keep: true}); err != nil {
				b.Fatal(err)
			}
		}
		if call%2000 == 1999 {
			if err := l.Wait(b.Context(), uint64(2*call)); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := l.Wait(b.Context(), millionRecords-1); err != nil {
		b.Fatal(err)
	}
	live := (*l.files.Load())[len(*l.files.Load())-1]
	raw := fileSize(b, live.path) + fileSize(b, live.hashes.path)
	b.Logf("%v to write; text: %d bytes a call; not sealed, with hashes: %.0f bytes a call", time.Since(began).Round(time.Second),
		text/(millionRecords/2), float64(raw)/(float64(l.Size()-live.first)/2))
	clk.advance(24 * time.Hour)
	fill(b, l, 1)
	began = time.Now()
	if err := l.Seal(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Logf("%v until the rest was sealed", time.Since(began).Round(time.Millisecond))
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// millionCall are the records of a call.
func millionCall(random *rand.Rand, call int) []*Record {
	user, tool := call%millionUsers, random.IntN(100)
	at := millionStart().Add(time.Duration(call) * (24 * time.Hour / (millionRecords / 2)))
	of := &Labels{
		Org: "acme", Team: fmt.Sprintf("team-%d", user%50), User: millionUser(user), Key: fmt.Sprintf("k%07d", user),
		Upstream: fmt.Sprintf("upstream-%d", tool%10), Kind: "tool", Tool: fmt.Sprintf("list_orders_%d", tool),
		Name: fmt.Sprintf("upstream-%d__list_orders_%d", tool%10, tool), Origin: "mcp",
	}
	input := fmt.Sprintf(`{"version":1,"action":"call","principal":{"user":%q,"team":%q,"org":"acme","roles":["analyst","reader"],"key":%q},`+
		`"object":{"kind":"tool","name":%q,"upstream":%q,"original":%q,"labels":{"reads":true}},"session":{"id":"%016x","revision":"2025-11-25"},`+
		`"client":{"name":"desk","version":"2.0.%d"},"source_ip":"192.0.2.%d","time":%q,"arguments":{"query":"invoice %07d of the customer","limit":%d,"since":"2026-%02d-01"}}`,
		of.User, of.Team, of.Key, of.Name, of.Upstream, of.Tool, random.Uint64(), random.IntN(9), random.IntN(250), at.Format(time.RFC3339), call, random.IntN(500), 1+random.IntN(12))
	id, result := millionID(call), fmt.Sprintf("%016x%016x%016x%016x", random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64())
	return []*Record{
		{
			Version: 1, Kind: Intent, ID: id, Time: at, Node: "gateway-1", Class: Durable, Of: of, Input: json.RawMessage(input), Arguments: &Arguments{Level: LevelFull},
			Revision: "9f2c4e1ab37d5508", Method: "tools/call",
			Reserve: &Reserve{Cost: 10_000_000, Charges: []AccountRef{{Budget: "team-month", Account: of.Team, Period: millionStart()}}, Leased: true},
		},
		{
			Version: 1, Kind: Outcome, ID: id, Time: at.Add(time.Duration(random.IntN(1e9))), Node: "gateway-1", Class: Durable, Of: of, End: "answered",
			Bytes: int64(random.IntN(20_000)), Result: result, Began: at, Cost: int64(random.IntN(10_000_000)), Micros: int64(random.IntN(1e6)),
		},
	}
}

// dirBytes is the size of all files of a log.
func dirBytes(b *testing.B, dir string) (sum int64) {
	b.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range paths {
		sum += fileSize(b, path)
	}
	return sum
}
