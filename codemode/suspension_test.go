// SPDX-License-Identifier: Apache-2.0

package codemode_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/codemode"
)

// gated parks calls of tools named delete, and answers others with their arguments.
func gated(source string) *codemode.Program {
	p := program(source)
	p.Call = func(_ context.Context, c *codemode.Call) codemode.Answer {
		if c.Tool == "delete" {
			return codemode.Answer{Park: true, Text: "needs approval of ops"}
		}
		return codemode.Answer{Value: c.Arguments}
	}
	return p
}

const approvals = `
	let n = 0
	const log = (x) => { n++; console.log(x); return x }
	const [a, b, c] = await Promise.all([github.x({i: 1}), github.delete({id: 7}).catch((e) => e.code), files.delete({id: 8})])
	log('resumed')
	const d = await github.x({i: 2})
	return [a, b, c, d, n]`

func suspended(t testing.TB, p *codemode.Program) *codemode.Suspension {
	t.Helper()
	r := run(t, p)
	if r.Suspension == nil {
		t.Fatalf("value %s, failure %+v: want a suspension", r.Value, r.Failure)
	}
	return r.Suspension
}

// TestSuspend parks two calls, goes on with one answer at a time in another engine, and ends with what all of them answered.
func TestSuspend(t *testing.T) {
	p := gated(approvals)
	first := run(t, p)
	from := first.Suspension
	if from == nil || first.Value != nil || first.Failure != nil {
		t.Fatalf("%+v", first)
	}
	want := []codemode.Waiting{
		{Call: codemode.Call{Seq: 2, Server: "github", Tool: "delete", Arguments: []byte(`{"id":7}`)}, Text: "needs approval of ops"},
		{Call: codemode.Call{Seq: 3, Server: "files", Tool: "delete", Arguments: []byte(`{"id":8}`)}, Text: "needs approval of ops"},
	}
	if diff := cmp.Diff(want, from.Parked); diff != "" {
		t.Errorf("parked (-want +got):\n%s", diff)
	}
	encoded, err := from.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(encoded) > 100<<10 {
		t.Errorf("an encoded suspension has %d bytes, want at most 100 KiB", len(encoded))
	}
	other := own(t, codemode.Options{})
	if from, err = codemode.DecodeSuspension(encoded); err != nil {
		t.Fatal(err)
	}
	second, err := other.Resume(t.Context(), p, from, map[int]codemode.Answer{3: {Value: []byte(`"deleted"`)}})
	if err != nil || second.Suspension == nil {
		t.Fatalf("%+v, %v: want to be suspended again", second, err)
	}
	third, err := other.Resume(t.Context(), p, second.Suspension, map[int]codemode.Answer{2: {Err: &codemode.ToolError{Code: "rejected", Message: "no"}}})
	if err != nil || third.Failure != nil {
		t.Fatalf("%+v, %v", third, err)
	}
	if got, want := string(third.Value), `[{"i":1},"rejected","deleted",{"i":2},1]`; got != want {
		t.Errorf("value %s, want %s", got, want)
	}
	calls := []codemode.Made{
		{Seq: 1, Server: "github", Tool: "x", Status: codemode.OK}, {Seq: 2, Server: "github", Tool: "delete", Status: codemode.Failed, Code: "rejected"},
		{Seq: 3, Server: "files", Tool: "delete", Status: codemode.OK}, {Seq: 4, Server: "github", Tool: "x", Status: codemode.OK},
	}
	if diff := cmp.Diff(calls, third.Calls, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Text" }, cmp.Ignore())); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if len(third.Logs) != 1 || third.Usage.CPU <= second.Usage.CPU || third.Usage.Wall <= second.Usage.Wall {
		t.Errorf("logs %v, usage %+v after %+v", third.Logs, third.Usage, second.Usage)
	}
	// The first suspension was not used up: both answers at once lead to the same end.
	again, err := engine(t).Resume(t.Context(), p, from, map[int]codemode.Answer{3: {Value: []byte(`"deleted"`)}, 2: {Value: []byte(`1`)}})
	if err != nil || string(again.Value) != `[{"i":1},1,"deleted",{"i":2},1]` {
		t.Errorf("%s, %v", again.Value, err)
	}
}

// TestSuspendOnlyWhenQuiet lets calls and timers end before a script is suspended.
func TestSuspendOnlyWhenQuiet(t *testing.T) {
	p := gated("let n = 0; setTimeout(() => n++, 20); const d = github.delete({}); await github.x({}); await sleep(1); return [await d, n]")
	from := suspended(t, p)
	r, err := engine(t).Resume(t.Context(), p, from, map[int]codemode.Answer{1: {Value: []byte("true")}})
	if err != nil || string(r.Value) != "[true,1]" {
		t.Errorf("%s, %v: the timer must have fired before", r.Value, err)
	}
	// A script that does not wait for the parked call ends, and the call with it.
	r = run(t, gated("github.delete({}); await github.x({}); await sleep(1); return 5"))
	if string(r.Value) != "5" || r.Calls[0].Status != codemode.Cancelled || len(r.Detached) != 1 {
		t.Errorf("%+v", r)
	}
	r = run(t, gated("setTimeout(() => { throw new Error('x') }, 5); await github.delete({})"))
	if r.Failure == nil || r.Failure.Kind != codemode.KindException || r.Suspension != nil {
		t.Errorf("%+v", r)
	}
}

func TestResumeRefuses(t *testing.T) {
	p := gated("return await github.delete({})")
	from := suspended(t, p)
	other := gated("return await github.delete({}) ")
	narrow := gated(p.Source)
	narrow.Limits.Memory = 4 << 20
	for what, test := range map[string]struct {
		p       *codemode.Program
		from    *codemode.Suspension
		answers map[int]codemode.Answer
	}{
		"another program":       {other, from, nil},
		"no suspension":         {p, nil, nil},
		"an answer of no call":  {p, from, map[int]codemode.Answer{2: {}}},
		"an answer of the past": {p, from, map[int]codemode.Answer{0: {}}},
	} {
		if _, err := engine(t).Resume(t.Context(), test.p, test.from, test.answers); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if r, err := engine(t).Resume(t.Context(), narrow, from, nil); err != nil || r.Suspension == nil {
		t.Errorf("%+v, %v: what fits into less memory goes on", r, err)
	}
	encoded, err := from.Encode()
	if err != nil {
		t.Fatal(err)
	}
	encoded[10]++ // of the build
	foreign, err := codemode.DecodeSuspension(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine(t).Resume(t.Context(), p, foreign, nil); !errors.Is(err, codemode.ErrOtherEngine) {
		t.Errorf("error %v, want ErrOtherEngine", err)
	}
}

// TestSuspendBudget checks that being suspended does not give a script new time or calls.
func TestSuspendBudget(t *testing.T) {
	p := gated("for (;;) { const t = Date.now(); while (Date.now() < t + 30) {} await github.delete({}) }")
	p.Limits.CPU = 100 * time.Millisecond
	r := run(t, p)
	rounds := 0
	for ; r.Suspension != nil && rounds < 20; rounds++ {
		var err error
		if r, err = engine(t).Resume(t.Context(), p, r.Suspension, map[int]codemode.Answer{rounds + 1: {}}); err != nil {
			t.Fatal(err)
		}
	}
	if rounds > 4 || r.Failure == nil || r.Failure.Kind != codemode.KindCPU {
		t.Errorf("%d rounds, failure %+v", rounds, r.Failure)
	}
	p = gated("for (;;) await github.delete({})")
	p.Limits.Calls = 3
	r = run(t, p)
	for rounds = 0; r.Suspension != nil; rounds++ {
		var err error
		if r, err = engine(t).Resume(t.Context(), p, r.Suspension, map[int]codemode.Answer{rounds + 1: {}}); err != nil {
			t.Fatal(err)
		}
	}
	if rounds != 3 || r.Failure == nil || r.Failure.Limit != "calls" {
		t.Errorf("%d rounds, failure %+v", rounds, r.Failure)
	}
}

// TestSuspendLarge keeps some megabytes through encoding.
func TestSuspendLarge(t *testing.T) {
	p := gated(`const a = Array.from({length: 40000}, (_, i) => ({i, s: 'value ' + i}))
		const b = new Uint8Array(3e6).map((_, i) => i * 31)
		const r = await github.delete({})
		return [r, a.length, a[39999].s, b[2999999], a.reduce((s, x) => s + x.i, 0)]`)
	encoded, err := suspended(t, p).Encode()
	if err != nil {
		t.Fatal(err)
	}
	from, err := codemode.DecodeSuspension(encoded)
	if err != nil {
		t.Fatal(err)
	}
	r, err := engine(t).Resume(t.Context(), p, from, map[int]codemode.Answer{1: {Value: []byte("12345678901234567890")}})
	want := fmt.Sprintf(`["12345678901234567890",40000,"value 39999",%d,799980000]`, byte((2999999*31)&0xff))
	if err != nil || string(r.Value) != want {
		t.Errorf("%s, %v: want %s", r.Value, err, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	encoded, err := suspended(t, gated("return await github.delete({})")).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(encoded); n += 1 + n/20 {
		if _, err := codemode.DecodeSuspension(encoded[:n]); err == nil {
			t.Fatalf("%d of %d bytes were taken", n, len(encoded))
		}
	}
	flipped := 0
	for n := 8 + 32; n < len(encoded); n += 1 + n/20 {
		b := bytes.Clone(encoded)
		b[n] ^= 0x10
		if _, err := codemode.DecodeSuspension(b); err != nil {
			flipped++
		}
	}
	if flipped < 20 {
		t.Errorf("only %d changed texts were refused", flipped)
	}
}

// FuzzDecodeSuspension checks that nothing makes decoding panic, and that what it takes is written the same.
func FuzzDecodeSuspension(f *testing.F) {
	encoded, err := suspended(f, gated("return await github.delete({})")).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded)
	f.Add(encoded[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := codemode.DecodeSuspension(b)
		if err != nil {
			return
		}
		again, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := codemode.DecodeSuspension(again); err != nil {
			t.Fatalf("what was decoded cannot be decoded again: %v", err)
		}
		if _, err := json.Marshal(s.Parked); err != nil {
			t.Fatal(err)
		}
	})
}
