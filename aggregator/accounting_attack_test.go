// SPDX-License-Identifier: Apache-2.0

package aggregator_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/aggregator"
	"tollgate/policy"
	"tollgate/store/audit"
	ledgers "tollgate/store/ledger"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// fates is an upstream that does all that upstreams do to calls, each as often as the others.
func fates(c *cloud) {
	var n atomic.Int64
	c.fails = func(ctx context.Context, r *upstream.Request) error {
		switch rand.IntN(8) {
		case 0:
			return &upstream.Error{Upstream: "cloud", Kind: upstream.KindClosed, Sent: true, Detail: "went away"}
		case 1:
			return &upstream.Error{Upstream: "cloud", Kind: upstream.KindUnavailable, Detail: "is down"}
		case 2: // until its client goes away
			<-ctx.Done()
			return &upstream.Error{Upstream: "cloud", Kind: upstream.KindClosed, Sent: rand.IntN(2) == 0, Err: ctx.Err()}
		case 3:
			panic("fate")
		}
		return nil
	}
	c.replies = func(r *upstream.Request) *upstream.Reply {
		if r.Method == aggregator.MethodGetTask {
			status := []string{"working", "completed", "failed"}[rand.IntN(3)]
			raw, _ := wire.Lookup(r.Params, "taskId")
			return result(`{"resultType":"complete","taskId":` + string(raw) + `,"status":"` + status + `","result":{"structuredContent":{"price":0.01}}}`)
		}
		switch rand.IntN(3) {
		case 0:
			return question("s")
		case 1:
			return result(fmt.Sprintf(`{"resultType":"task","taskId":"t%d","status":"working"}`, n.Add(1)))
		}
		return result(`{"content":[],"structuredContent":{"price":0.02}}`)
	}
}

// visit is one client that makes a call, goes on with it for some rounds, and may go away at any moment.
func visit(b *booked, who string) {
	defer func() { _ = recover() }() // an edge does the same
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	p := person(who, "r")
	call := askable(`{"region":"x"}`)
	call.Client.Capabilities = []byte(`{"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}`)
	if rand.IntN(4) == 0 {
		call.IdempotencyKey = fmt.Sprint(rand.IntN(20))
	}
	time.AfterFunc(time.Duration(rand.IntN(3_000))*time.Microsecond, leave)
	last := b.Call(ctx, p, call)
	for range rand.IntN(4) {
		switch last.End {
		case aggregator.InputRequired:
			last = b.Call(ctx, p, reply(call, &last))
		case aggregator.TaskCreated:
			ask := status(&last)
			ask.Client = call.Client
			b.Call(ctx, p, ask)
		}
	}
}

// TestEveryCallEnds: whatever upstreams and clients do at once, and in the middle, each intent has one last outcome when the
// gateway has closed, what they cost is what the budget has spent, and nothing is held.
func TestEveryCallEnds(t *testing.T) {
	visits := 400
	if testing.Short() {
		visits = 100
	}
	for _, class := range []audit.Class{audit.Strict, audit.Durable, audit.Async} {
		t.Run(string(class), func(t *testing.T) {
			c := &cloud{}
			fates(c)
			rules := priced(10, metered(), policy.LimitRule{Name: "places", Concurrency: 40})
			rules.recording = recording(class)
			b := newBooked(t, c, rules, nil)
			var work sync.WaitGroup
			for i := range visits {
				work.Go(func() { visit(b, fmt.Sprintf("u%d", i%7)) })
			}
			work.Wait()
			b.Close()
			if err := b.accounting.Close(); err != nil {
				t.Fatal(err)
			}
			b.want(t, "all", b.ends(t, 0), 0)
			if c.calls.Load() < int64(visits)/4 {
				t.Errorf("only %d calls were made", c.calls.Load())
			}
		})
	}
}

// ends fails the test unless each intent but open ones has one last outcome, and answers what all cost.
func (b *booked) ends(t *testing.T, open int) (sum int64) {
	t.Helper()
	b.flush(t)
	intents, ended := map[string]bool{}, map[string]int{}
	for _, r := range b.records(t, audit.Intent, audit.Outcome) {
		if r.Kind == audit.Intent {
			intents[r.ID] = true
			continue
		}
		if !intents[r.ID] {
			t.Errorf("an outcome before its intent: %+v", r)
		}
		if sum += r.Cost; !r.Open {
			ended[r.ID]++
		}
	}
	for id := range intents {
		switch n := ended[id]; {
		case n == 0:
			open--
		case n > 1:
			t.Errorf("call %s has %d last outcomes", id, n)
		}
	}
	if open != 0 {
		t.Errorf("%d calls have no end more than there should be", -open)
	}
	return sum
}

// TestCloseWhileCallsRun: a gateway that ends under its calls gives none of them an answer that is not recorded, and the next
// one charges what may have been done.
func TestCloseWhileCallsRun(t *testing.T) {
	const calls = 8
	release, under := make(chan struct{}), make(chan struct{}, calls)
	c := &cloud{replies: func(*upstream.Request) *upstream.Reply {
		under <- struct{}{}
		<-release
		return result(`{"content":[],"structuredContent":{"price":0.01}}`)
	}}
	b := newBooked(t, c, priced(1, metered()), nil)
	replies := make(chan aggregator.Reply, calls)
	for range calls {
		go func() { replies <- b.Call(context.Background(), person("ada", "r"), deployCall(`{"region":"x"}`)) }()
	}
	for range calls {
		<-under
	}
	b.shut()
	close(release)
	for range calls {
		r := <-replies
		if r.Result != nil || r.Refusal == nil || r.Refusal.Code != aggregator.CodeUnrecorded || !strings.Contains(said(&r), "the call was made") {
			t.Errorf("got %+v %q", r, said(&r))
		}
	}
	engine, err := ledgers.Open(&ledgers.Options{Dir: b.dir, Now: b.now})
	if err != nil {
		t.Fatal(err)
	}
	next := &booked{engine: engine}
	if sum := next.ends(t, 0); sum != calls*10*cent {
		t.Errorf("the calls that were cut off cost %s", ledgers.FormatUSD(sum))
	}
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
}
