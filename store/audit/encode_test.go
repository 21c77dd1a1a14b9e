// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func anyRecord(t *rapid.T) *Record {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab \"\\<>&é\u2028\U0001f600\n")), 0, 12, -1)
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	})
	r := &Record{
		Version: 1, Kind: rapid.SampledFrom([]Kind{Intent, Outcome, Refusal, Admin, Lease, Start, Stop}).Draw(t, "kind"),
		ID: text.Draw(t, "id"), Time: moment.Draw(t, "time"), Class: Strict, Reason: text.Draw(t, "reason"),
		Cost: rapid.Int64().Draw(t, "cost"), Bytes: rapid.Int64Min(0).Draw(t, "bytes"), Open: rapid.Bool().Draw(t, "open"),
	}
	if rapid.Bool().Draw(t, "of") {
		r.Of = &Labels{User: text.Draw(t, "user"), Tool: text.Draw(t, "tool")}
	}
	if rapid.Bool().Draw(t, "reserve") {
		r.Reserve = &Reserve{Cost: 1, Charges: []AccountRef{{Budget: text.Draw(t, "budget"), Period: moment.Draw(t, "period")}}}
	}
	if rapid.Bool().Draw(t, "input") {
		r.Input = json.RawMessage(`{"arguments":{"a":"<b>&","n":9007199254740993,"e":1e400}}`)
	}
	return r
}

// TestRecordsComeBack: what was written is read, in one line, the same bytes each time, documents byte for byte.
func TestRecordsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRecord(t)
		text, err := r.Append([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.TrimPrefix(text, []byte("before"))
		if bytes.ContainsRune(text, '\n') || !bytes.Contains(text, r.Input) {
			t.Fatalf("text %q, input %q", text, r.Input)
		}
		again, _ := r.Append(nil)
		if !bytes.Equal(text, again) {
			t.Fatalf("%q, then %q", text, again)
		}
		got, err := Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAppendRefuses(t *testing.T) {
	r := &Record{Version: 1, Kind: Admin, Details: json.RawMessage(`{`)}
	got, err := r.Append([]byte("kept"))
	if err == nil || string(got) != "kept" {
		t.Errorf("Append answered %q, %v, want an error and what was there", got, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{``, `[]`, `{}`, `{"v":1}`, `{"kind":"intent"}`, `{"v":1,"kind":"intent"} x`} {
		if _, err := Decode([]byte(text)); err == nil {
			t.Errorf("Decode(%q) took it", text)
		}
	}
	if _, err := Decode([]byte(`{"v":2,"kind":"intent"}`)); !errors.Is(err, errVersion) {
		t.Errorf("version 2: %v", err)
	}
	r, err := Decode([]byte(`{"v":1,"kind":"intent","id":"d1","later":{"x":1}}`))
	if err != nil || r.ID != "d1" {
		t.Errorf("a member of a later program: %+v, %v", r, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"v":1,"kind":"outcome","id":"d","time":"2026-11-25T01:02:03Z","end":"answered","cost":5}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Decode(text)
		if err != nil {
			return
		}
		again, err := r.Append(nil)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", text, err)
		}
		if _, err := Decode(again); err != nil {
			t.Fatalf("%q became %q: %v", text, again, err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	r := &Record{
		Version: 1, Kind: Intent, ID: "01JDZ", Time: time.Unix(1, 5).UTC(), Class: Async, Of: &Labels{User: "alice", Upstream: "db", Tool: "query"},
		Input: json.RawMessage(`{"version":1,"arguments":{"q":"` + strings.Repeat("x", 300) + `"}}`),
	}
	buffer := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Append(buffer[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
