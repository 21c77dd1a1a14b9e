// SPDX-License-Identifier: Apache-2.0

package codemode_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/codemode"
)

// TestCallLimit stops exactly at the limit: one after the other all that are allowed are made, at once none.
func TestCallLimit(t *testing.T) {
	for source, want := range map[string]int{
		"for (let i = 0; i < 200; i++) await github.x({i})":                                      50,
		"await Promise.all(Array.from({length: 200}, (_, i) => github.x({i})))":                  0,
		"for (let i = 0; i < 200; i++) await github.x({i}).catch(() => {})":                      50,
		"for (let i = 0; i < 20; i++) await Promise.all([1, 2, 3, 4].map((n) => github.x({n})))": 48,
	} {
		var made atomic.Int32
		p := program(source)
		p.Limits.Calls = 50
		p.Call = func(_ context.Context, c *codemode.Call) codemode.Answer {
			made.Add(1)
			return codemode.Answer{Value: c.Arguments}
		}
		r := run(t, p)
		if r.Failure == nil || r.Failure.Kind != codemode.KindLimit || r.Failure.Limit != "calls" || r.Failure.Line != 1 {
			t.Errorf("%s: %+v", source, r.Failure)
		}
		if got := int(made.Load()); got != want {
			t.Errorf("%s: %d calls were made, want %d", source, got, want)
		}
		sent := 0
		for _, c := range r.Calls {
			if c.Status == codemode.OK {
				sent++
			}
		}
		if sent != want || len(r.Calls) != 50 {
			t.Errorf("%s: %d of %d calls are reported as made, want %d of 50", source, sent, len(r.Calls), want)
		}
	}
}

// TestLimitNames checks that every limit on an amount says which it is.
func TestLimitNames(t *testing.T) {
	for name, test := range map[string]struct {
		source string
		limits codemode.Limits
	}{
		"source":    {"return 1 // " + strings.Repeat("x", 200), codemode.Limits{Source: 100}},
		"arguments": {"await github.x({a: 'x'.repeat(200)})", codemode.Limits{Arguments: 100}},
		"calls":     {"await github.x(); await github.x(); await github.x()", codemode.Limits{Calls: 2}},
		"timers":    {"sleep(1); sleep(1); sleep(1)", codemode.Limits{Timers: 2}},
		"sleep":     {"await sleep(101)", codemode.Limits{Sleep: 100 * time.Millisecond}},
		"result":    {"return 'x'.repeat(9e6)", codemode.Limits{Memory: 128 << 20}},
	} {
		p := program(test.source)
		p.Limits = test.limits
		f := failure(t, p, codemode.KindLimit)
		if f.Limit != name || f.Hint == "" {
			t.Errorf("%s: %+v", name, *f)
		}
	}
	p := program("return [(await github.x({a: 'x'.repeat(100 - 8)})).a.length, await sleep(100) ?? 1]")
	p.Limits = codemode.Limits{Arguments: 100, Calls: 1, Timers: 1, Sleep: 100 * time.Millisecond}
	if got := value(t, p); got != "[92,1]" {
		t.Errorf("all that is allowed: %s", got)
	}
}

// TestAnswers gives a script what upstreams should not answer.
func TestAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		"":                           "null",
		"7":                          "7",
		"not json":                   `"invalid_answer"`,
		"1]]":                        `"invalid_answer"`,
		`{"a":1`:                     `"invalid_answer"`,
		"\"\xff\"":                   "", // as the decoder likes: it must only be a string
		`{"a":1,"a":2}`:              `{"a":2}`,
		`"\ud800"`:                   `"\ud800"`,
		`{"__proto__":{"x":1}}`:      `{"__proto__":{"x":1}}`,
		`{"then":1,"constructor":2}`: `{"then":1,"constructor":2}`,
		`[1,9007199254740993]`:       `[1,"9007199254740993"]`,
		`D{"forged":1}`:              `"invalid_answer"`,
	} {
		p := program("try { return await github.x() } catch (e) { return e.code ?? e.name }")
		p.Call = func(context.Context, *codemode.Call) codemode.Answer {
			return codemode.Answer{Value: json.RawMessage(answer)}
		}
		if got := value(t, p); want != "" && got != want {
			t.Errorf("the answer %.100q becomes %.100s, want %s", answer, got, want)
		}
	}
	p := program("let v = await github.x(), n = 0; while (Array.isArray(v)) { v = v[0]; n++ } return n")
	p.Call = func(context.Context, *codemode.Call) codemode.Answer {
		return codemode.Answer{Value: []byte(strings.Repeat("[", 1000) + strings.Repeat("]", 1000))}
	}
	if got := value(t, p); got != "1000" {
		t.Errorf("%s levels, want 1000", got)
	}
	// One bad answer of many that are ready together rejects its own call only.
	p = program("return (await Promise.allSettled([0, 1, 2, 3, 4, 5].map((i) => github.x({i})))).map((r) => r.status[0]).join('')")
	p.Call = func(_ context.Context, c *codemode.Call) codemode.Answer {
		if c.Seq == 3 {
			return codemode.Answer{Value: []byte("{")}
		}
		return codemode.Answer{Value: []byte("{}")}
	}
	if got := value(t, p); got != `"ffrfff"` {
		t.Errorf("got %s", got)
	}
	// A large answer is cut, and the script is told.
	p = program("const r = await github.list(); return [r.length, r[0], r.at(-1)]")
	p.Call = func(context.Context, *codemode.Call) codemode.Answer {
		return codemode.Answer{Value: []byte("[" + strings.Repeat(`{"id":12345678901234567890},`, 1_000_000) + "0]")}
	}
	p.Limits = codemode.Limits{Answer: 10_000}
	r := run(t, p)
	var got []any
	if err := json.Unmarshal(r.Value, &got); err != nil || len(got) != 3 || !strings.HasPrefix(fmt.Sprint(got[2]), "[cut: ") {
		t.Errorf("%s, %v", r.Value, err)
	}
	if len(r.Logs) != 1 || r.Logs[0].Level != "warn" {
		t.Errorf("logs %v", r.Logs)
	}
}

// TestSleeps runs on a clock that jumps, so that waiting costs nothing.
func TestSleeps(t *testing.T) {
	e := engine(t)
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p := program(`const order = [], wait = async (ms) => { await sleep(ms); order.push(ms) }
			await Promise.all([wait(3000), wait(1000), wait(2000), wait(1000)]); return order`)
		r, err := e.Run(t.Context(), p)
		if err != nil || string(r.Value) != "[1000,1000,2000,3000]" {
			t.Errorf("%s, %v", r.Value, err)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("took %v, want 3s", took)
		}
		begin = time.Now()
		p = program("for (;;) { await sleep(900) }")
		p.Limits.Wall = 30 * time.Second
		r, err = e.Run(t.Context(), p)
		if err != nil || r.Failure == nil || r.Failure.Kind != codemode.KindTimeout {
			t.Errorf("%+v, %v", r.Failure, err)
		}
		if took := time.Since(begin); took != 30*time.Second {
			t.Errorf("timed out after %v, want 30s", took)
		}
		p = program("await Promise.race([github.hang({}), sleep(500).then(() => { throw new Error('too slow') })])")
		p.Call = func(ctx context.Context, _ *codemode.Call) codemode.Answer {
			<-ctx.Done()
			return codemode.Answer{Err: &codemode.ToolError{Code: "cancelled"}}
		}
		begin = time.Now()
		r, err = e.Run(t.Context(), p)
		if err != nil || r.Failure == nil || r.Failure.Message != "Error: too slow" || time.Since(begin) != 500*time.Millisecond {
			t.Errorf("%+v, %v after %v", r.Failure, err, time.Since(begin))
		}
	})
}

// TestPanic lets a caller's function panic in the inline path: the panic goes on, and nothing is held afterwards.
func TestPanic(t *testing.T) {
	for range 3 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			p := program("await github.x({})")
			p.Call = func(context.Context, *codemode.Call) codemode.Answer { panic("a bug") }
			_, _ = engine(t).Run(t.Context(), p)
		}()
	}
	if got := value(t, program("return 1")); got != "1" {
		t.Error(got)
	}
}
