// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func quiet(string, []byte) {}

// asking is a call that asks once and ends with the answer.
func asking(ctx context.Context, p *Parked) {
	answer, _ := p.Ask(ctx, "elicitation/create", nil)
	p.Value = string(answer)
}

func TestLotRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLot(nil)
		defer l.Close()
		p, err := l.Start("alice", asking)
		if err != nil {
			t.Fatal(err)
		}
		questions, done, err := p.Round(t.Context(), quiet)
		if err != nil || done || len(questions) != 1 {
			t.Fatalf("first round: %v %v %v", questions, done, err)
		}
		if _, ok := l.Take(p.ID, "bob"); ok {
			t.Error("somebody else took the call")
		}
		again, ok := l.Take(p.ID, "alice")
		if !ok {
			t.Fatal("the call is not there")
		}
		if _, twice := l.Take(p.ID, "alice"); twice {
			t.Error("the call was taken twice at once")
		}
		// A client that forgot the answer is asked again.
		again.Answer([]byte(`{"other":{}}`))
		if questions, done, _ := again.Round(t.Context(), quiet); done || len(questions) != 1 {
			t.Errorf("without an answer: %v %v", questions, done)
		}
		again, _ = l.Take(p.ID, "alice")
		again.Answer([]byte(`{"q1":{"x":9007199254740993}}`))
		if _, done, _ := again.Round(t.Context(), quiet); !done || again.Value != `{"x":9007199254740993}` {
			t.Errorf("at the end: %v %v", done, again.Value)
		}
		if l.Waiting() != 0 {
			t.Errorf("%d calls are left", l.Waiting())
		}
	})
}

// TestLotKeepsTheResult: some servers ask and go on without the answer; the client still comes back for the result.
func TestLotKeepsTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLot(nil)
		defer l.Close()
		p, _ := l.Start("alice", func(ctx context.Context, p *Parked) {
			go p.Ask(ctx, "roots/list", nil)
			<-time.After(time.Second) // in the bubble: the question is on its way
			p.Value = "result"
		})
		if questions, _, _ := p.Round(t.Context(), quiet); len(questions) != 1 {
			t.Fatalf("questions %v", questions)
		}
		<-time.After(time.Minute)
		again, ok := l.Take(p.ID, "alice")
		if !ok {
			t.Fatal("the result is gone")
		}
		if _, done, _ := again.Round(t.Context(), quiet); !done || again.Value != "result" {
			t.Errorf("done %v, value %v", done, again.Value)
		}
		if l.Waiting() != 0 {
			t.Errorf("%d calls are left", l.Waiting())
		}
	})
}

func TestLotExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLot(&LotOptions{TTL: time.Minute, PerCaller: 2})
		defer l.Close()
		var calls []*Parked
		for range 3 {
			p, _ := l.Start("alice", asking)
			_, _, err := p.Round(t.Context(), quiet)
			if tooMany := errors.Is(err, ErrTooMany); tooMany != (len(calls) == 2) {
				t.Fatalf("call %d: %v", len(calls), err)
			}
			calls = append(calls, p)
		}
		<-time.After(59 * time.Second)
		if l.Waiting() != 2 {
			t.Errorf("%d calls wait before the time is over", l.Waiting())
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if _, ok := l.Take(calls[0].ID, "alice"); ok || l.Waiting() != 0 {
			t.Errorf("%d calls wait after the time is over", l.Waiting())
		}
	})
}

func TestLotClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLot(nil)
		defer l.Close()
		ended := false
		p, _ := l.Start("alice", func(ctx context.Context, _ *Parked) {
			<-ctx.Done()
			ended = true
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, done, _ := p.Round(ctx, quiet); !done || !ended {
			t.Errorf("done %v, ended %v", done, ended)
		}
	})
}

func TestSealer(t *testing.T) {
	now := time.Unix(1000, 0)
	s, err := NewSealer(make([]byte, 32), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	b := &Binding{Caller: "a", Method: "tools/call", Name: "n", Digest: "d"}
	text, err := s.Seal(State{Kind: Relayed, Upstream: "up", Inner: "x"}, b, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := s.Open(text, b); err != nil || st.Inner != "x" || st.Upstream != "up" {
		t.Errorf("open: %+v, %v", st, err)
	}
	for i := range text {
		changed := []byte(text)
		changed[i] ^= 1
		if _, err := s.Open(string(changed), b); !errors.Is(err, ErrState) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	for _, other := range []*Binding{{"b", "tools/call", "n", "d"}, {"a", "prompts/get", "n", "d"}, {"a", "tools/call", "m", "d"}, {"a", "tools/call", "n", "e"}} {
		if _, err := s.Open(text, other); !errors.Is(err, ErrState) {
			t.Errorf("%+v: %v", other, err)
		}
	}
	now = now.Add(time.Minute)
	if _, err := s.Open(text, b); !errors.Is(err, ErrState) {
		t.Errorf("expired: %v", err)
	}
	if _, err := NewSealer(make([]byte, 16), nil); err == nil {
		t.Error("a short key was taken")
	}
}

// TestFastUpstream: what an upstream says before the client's request is looked after waits for it.
func TestFastUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLot(nil)
		defer l.Close()
		p, err := l.Start("alice", func(_ context.Context, p *Parked) { p.Notify("notifications/progress", []byte("{}")) })
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		heard := 0
		if _, done, _ := p.Round(t.Context(), func(string, []byte) { heard++ }); !done || heard != 1 {
			t.Errorf("done %v, heard %d", done, heard)
		}
	})
}
