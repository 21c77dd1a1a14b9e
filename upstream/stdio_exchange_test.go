// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/upstream/wire"
)

func TestStdioKeepsBytes(t *testing.T) {
	l, up := pipeLink(t, nil)
	got := begin(t.Context(), l, &exchange{method: "tools/call", params: []byte("{\"n\": 9007199254740993,\r\n \"s\":\"a\\nb\"}")})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n": 9007199254740993,   "s":"a\nb"}}`)
	up.send(`{"result": {"b":1.0, "a":12345678901234567890, "x":"\ud800"} ,"jsonrpc":"2.0","id":1 }`)
	if got, want := result(t, got), `{"b":1.0, "a":12345678901234567890, "x":"\ud800"}`; got != want {
		t.Errorf("result %s, want %s", got, want)
	}

	got = begin(t.Context(), l, &exchange{method: "tools/call"})
	up.expect(`{"jsonrpc":"2.0","id":2,"method":"tools/call"}`)
	up.send(`[{"jsonrpc":"2.0","id":2,"error":{"code":-7,"message":"no","data":[1e400]}}]`)
	o := receive(t, got)
	if o.err != nil || string(o.env.Error) != `{"code":-7,"message":"no","data":[1e400]}` {
		t.Errorf("error %s, %v", o.env.Error, o.err)
	}
	if !o.x.sent {
		t.Error("an answered exchange is not marked as sent")
	}
}

func TestStdioNotify(t *testing.T) {
	l, up := pipeLink(t, nil)
	if err := l.notify(t.Context(), "notifications/initialized", nil); err != nil {
		t.Fatal(err)
	}
	up.expect(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	l.close()
	var e *Error
	if err := l.notify(t.Context(), "notifications/initialized", nil); !errors.As(err, &e) || !errors.Is(err, errLinkClosed) {
		t.Errorf("notify on a closed link: %v", err)
	}
}

func TestStdioOrder(t *testing.T) {
	l, up := pipeLink(t, nil)
	var p recorder
	got := begin(t.Context(), l, &exchange{method: "tools/call", progressToken: []byte(`"7"`), peer: &p})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`)
	up.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"7","progress":1}}`,
		`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"half"}}`,
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"\u0037","progress":2}}`,
		`{"jsonrpc":"2.0","id":1,"result":{}}`)
	result(t, got)
	want := []string{`progress {"progressToken":"7","progress":1}`, `message {"level":"info","data":"half"}`,
		`progress {"progressToken":"\u0037","progress":2}`}
	if diff := cmp.Diff(want, p.heard()); diff != "" {
		t.Errorf("the peer heard (-want +got):\n%s", diff)
	}
}

func TestStdioProgressFollowsItsToken(t *testing.T) {
	l, up := pipeLink(t, nil)
	var a, b recorder
	first := begin(t.Context(), l, &exchange{method: "a", progressToken: []byte(`7`), peer: &a})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"a"}`)
	second := begin(t.Context(), l, &exchange{method: "b", progressToken: []byte(`"7"`), peer: &b})
	up.expect(`{"jsonrpc":"2.0","id":2,"method":"b"}`)
	up.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"7"}}`,
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7}}`,
		`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":8}}`,
		`{"jsonrpc":"2.0","id":2,"result":{}}`, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	result(t, first)
	result(t, second)
	if diff := cmp.Diff([][]string{{`progress {"progressToken":7}`}, {`progress {"progressToken":"7"}`}},
		[][]string{a.heard(), b.heard()}); diff != "" {
		t.Errorf("the peers heard (-want +got):\n%s", diff)
	}
	if n := l.counts.unknown.Load(); n != 1 {
		t.Errorf("%d messages for nobody, want 1", n)
	}
}

func TestStdioMessageIsNeverGuessed(t *testing.T) {
	events := make(chan string, 10)
	l, up := pipeLink(t, func(o *linkOptions, _ *stdioLimits) {
		o.onNotify = func(method string, params []byte) { events <- method + string(params) }
	})
	var a, b recorder
	first := begin(t.Context(), l, &exchange{method: "a", peer: &a})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"a"}`)
	second := begin(t.Context(), l, &exchange{method: "b", peer: &b})
	up.expect(`{"jsonrpc":"2.0","id":2,"method":"b"}`)
	up.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1}}`,
		`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
	for _, want := range []string{`notifications/message{"data":1}`, `notifications/tools/list_changed`} {
		if got := receive(t, events); got != want {
			t.Errorf("onNotify got %s, want %s", got, want)
		}
	}
	up.send(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	result(t, second)
	// A refresh of the gateway's own does not stand between the call and its log.
	refresh := begin(t.Context(), l, &exchange{method: "tools/list"})
	up.expect(`{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
	up.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"data":2}}`,
		`{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","id":3,"result":{}}`)
	result(t, first)
	result(t, refresh)
	if a, b := a.heard(), b.heard(); len(a) != 1 || len(b) != 0 || a[0] != `message {"data":2}` {
		t.Errorf("the peers heard %q and %q", a, b)
	}
}

func TestStdioResponsesForNobody(t *testing.T) {
	l, up := pipeLink(t, nil)
	got := begin(t.Context(), l, &exchange{method: "a"})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"a"}`)
	up.send(`{"jsonrpc":"2.0","id":2,"result":{}}`, `{"jsonrpc":"2.0","id":"1","result":{}}`,
		`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}`,
		`{"jsonrpc":"2.0","id":1,"result":{"n":1}}`, `{"jsonrpc":"2.0","id":1,"result":{"n":2}}`)
	if got := result(t, got); got != `{"n":1}` {
		t.Errorf("result %s, want the first answer", got)
	}
	// An error without id answers a probe, which cannot do harm.
	got = begin(t.Context(), l, &exchange{method: "server/discover"})
	up.expect(`{"jsonrpc":"2.0","id":2,"method":"server/discover"}`)
	up.send(`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what?"}}`)
	if o := receive(t, got); o.err != nil || o.env.Error == nil {
		t.Errorf("the probe returned %v, %v", o.env, o.err)
	}
	if n := l.counts.unknown.Load(); n != 4 {
		t.Errorf("%d messages for nobody, want 4", n)
	}
}

func TestStdioCancel(t *testing.T) {
	l, up := pipeLink(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	got := begin(ctx, l, &exchange{method: "tools/call"})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`)
	cancel()
	up.expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"the caller went away"}}`)
	if e := failure(t, got, KindClosed, true); !errors.Is(e, context.Canceled) {
		t.Errorf("%v does not wrap context.Canceled", e)
	}
	up.send(`{"jsonrpc":"2.0","id":1,"result":{}}`)

	ctx, cancel = context.WithCancel(t.Context())
	got = begin(ctx, l, &exchange{method: "initialize"})
	up.expect(`{"jsonrpc":"2.0","id":2,"method":"initialize"}`)
	cancel()
	failure(t, got, KindClosed, true)
	failure(t, begin(ctx, l, &exchange{method: "never/sent"}), KindClosed, false)

	deadline, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	got = begin(deadline, l, &exchange{method: "ping"})
	up.expect(`{"jsonrpc":"2.0","id":3,"method":"ping"}`) // no cancellation of initialize before it
	up.expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3,"reason":"the deadline passed"}}`)
	if e := failure(t, got, KindTimeout, true); !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("%v does not wrap context.DeadlineExceeded", e)
	}
}

// An outcome that is known is reported, even to a caller whose time is over.
func TestStdioAnswerBeatsTheDeadline(t *testing.T) {
	l, up := pipeLink(t, nil)
	for id := 1; id <= 20; id++ { // either channel may win a select
		slow := newGate()
		ctx, cancel := context.WithCancel(t.Context())
		got := begin(ctx, l, &exchange{method: "a", peer: slow})
		up.expect(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"a"}`, id))
		up.send(`{"jsonrpc":"2.0","method":"notifications/message"}`)
		receive(t, slow.entered)
		up.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{}}`, id), `{"jsonrpc":"2.0","id":0,"method":"ping"}`)
		up.expect(`{"jsonrpc":"2.0","id":0,"result":{}}`)
		cancel()
		slow.open()
		result(t, got)
	}
}

func TestStdioSubscriptions(t *testing.T) {
	events := make(chan string, 10)
	l, up := pipeLink(t, func(o *linkOptions, limits *stdioLimits) {
		o.onNotify = func(method string, _ []byte) { events <- method }
		limits.notes = 4
	})
	note := func(id int, method string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%d}}}`,
			"notifications/"+method, id)
	}
	var a recorder
	slow := newGate()
	first := begin(t.Context(), l, &exchange{method: "subscriptions/listen", stream: true, peer: &a})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen"}`)
	second := begin(t.Context(), l, &exchange{method: "subscriptions/listen", stream: true, peer: slow})
	up.expect(`{"jsonrpc":"2.0","id":2,"method":"subscriptions/listen"}`)
	up.send(note(1, "subscriptions/acknowledged"), note(2, "subscriptions/acknowledged"), note(1, "tools/list_changed"),
		note(9, "prompts/list_changed"), `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{}}`)
	for _, want := range []string{"notifications/prompts/list_changed", "notifications/resources/updated"} {
		if got := receive(t, events); got != want {
			t.Errorf("onNotify got %s, want %s", got, want)
		}
	}
	up.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	failure(t, first, KindClosed, true)
	if got := a.heard(); len(got) != 2 || !strings.HasPrefix(got[1], "tools/list_changed") {
		t.Errorf("the first subscription heard %q", got)
	}

	// A subscriber that does not keep up must learn that it missed something.
	receive(t, slow.entered)
	for range 5 {
		up.send(note(2, "tools/list_changed"))
	}
	up.expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"changes were not taken in time"}}`)
	slow.open()
	failure(t, second, KindOverloaded, true)
}

// gate is a peer that blocks in Notify until it is opened.
type gate struct {
	entered chan struct{}
	closed  chan struct{}
}

func newGate() *gate { return &gate{entered: make(chan struct{}, 1), closed: make(chan struct{})} }

func (g *gate) open() { close(g.closed) }

func (g *gate) Notify(string, []byte) {
	select {
	case g.entered <- struct{}{}:
	default:
	}
	<-g.closed
}

func (g *gate) Ask(context.Context, string, []byte) ([]byte, *wire.Error) { return nil, nil }

func TestStdioSlowPeerDelaysNobody(t *testing.T) {
	l, up := pipeLink(t, nil)
	slow := newGate()
	first := begin(t.Context(), l, &exchange{method: "slow", progressToken: []byte("1"), peer: slow})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"slow"}`)
	for range 5000 {
		up.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}`)
	}
	up.send(`{"jsonrpc":"2.0","id":1,"result":{}}`)
	receive(t, slow.entered)
	second := begin(t.Context(), l, &exchange{method: "quick"})
	up.expect(`{"jsonrpc":"2.0","id":2,"method":"quick"}`)
	up.send(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	result(t, second)
	slow.open()
	result(t, first)
	if n := l.counts.dropped.Load(); n < 3000 || n >= 5000 {
		t.Errorf("%d notifications dropped, want what a mailbox cannot hold", n)
	}
}

func TestStdioUpstreamThatStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := pipeLink(t, nil)
		start := time.Now()
		writing, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		queued, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		first := begin(writing, l, &exchange{method: "tools/call"})
		synctest.Wait()
		second := begin(queued, l, &exchange{method: "tools/call"})
		var waiting []<-chan outcome
		for range 200 { // more than the queue holds
			waiting = append(waiting, begin(t.Context(), l, &exchange{method: "tools/call"}))
		}
		failure(t, first, KindTimeout, true)
		failure(t, second, KindTimeout, false)
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("the callers came back after %v, want 2s", d)
		}
		for _, c := range waiting {
			failure(t, c, KindClosed, false)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("the link died after %v, want 10s", d)
		}
		if got, want := l.cause().Error(), `upstream "demo" did not read its input for 10s`; got != want {
			t.Errorf("cause %q, want %q", got, want)
		}
	})
}

func TestStdioWithdrawnRequestIsNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, up := pipeLink(t, nil)
		first := begin(t.Context(), l, &exchange{method: "first"})
		synctest.Wait() // being written
		ctx, cancel := context.WithCancel(t.Context())
		second := begin(ctx, l, &exchange{method: "second"})
		synctest.Wait() // in the queue
		cancel()
		failure(t, second, KindClosed, false)
		third := begin(t.Context(), l, &exchange{method: "third"})
		synctest.Wait()
		up.expect(`{"jsonrpc":"2.0","id":1,"method":"first"}`)
		up.expect(`{"jsonrpc":"2.0","id":3,"method":"third"}`)
		up.send(`{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","id":3,"result":{}}`)
		result(t, first)
		result(t, third)
	})
}

func TestStdioAnswerBeforeTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, up := pipeLink(t, nil)
		first := begin(t.Context(), l, &exchange{method: "first"})
		synctest.Wait()
		second := begin(t.Context(), l, &exchange{method: "second"})
		synctest.Wait()
		up.send(`{"jsonrpc":"2.0","id":2,"result":{}}`)
		if o := receive(t, second); o.err != nil || o.x.sent {
			t.Errorf("error %v, sent %v; want an answer to what was never sent", o.err, o.x.sent)
		}
		up.expect(`{"jsonrpc":"2.0","id":1,"method":"first"}`)
		up.send(`{"jsonrpc":"2.0","id":3,"method":"ping"}`)
		up.expect(`{"jsonrpc":"2.0","id":3,"result":{}}`) // and not the second request
		l.close()
		receive(t, first)
	})
}

func TestMailboxBounds(t *testing.T) {
	b := newMailbox(3, 10)
	fits := func(size int) bool { return b.put(note{params: make([]byte, size)}) }
	if !fits(50) || fits(1) {
		t.Error("an empty mailbox takes one note of any size, and no more")
	}
	b.take()
	if !fits(4) || !fits(6) || fits(1) || !fits(0) || fits(0) {
		t.Error("the bounds are 10 bytes and 3 notes")
	}
	b.putLast(note{method: "end"})
	if got := b.take(); len(got) != 4 || !got[3].last {
		t.Errorf("%d notes, want 3 and the end", len(got))
	}
	if fits(0) {
		t.Error("something came after the end")
	}
}

func TestStdioClose(t *testing.T) {
	l, up := pipeLink(t, nil)
	got := begin(t.Context(), l, &exchange{method: "a"})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"a"}`)
	if l.cause() != nil {
		t.Fatalf("a live link has the cause %v", l.cause())
	}
	l.close()
	l.close()
	receive(t, l.done())
	failure(t, got, KindClosed, true)
	failure(t, begin(t.Context(), l, &exchange{method: "b"}), KindClosed, false)
	if _, err := up.in.ReadByte(); err == nil {
		t.Error("the pipe is still open")
	}
}

func TestStdioFarEndCloses(t *testing.T) {
	l, up := pipeLink(t, nil)
	got := begin(t.Context(), l, &exchange{method: "a"})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"a"}`)
	_ = up.conn.Close()
	e := failure(t, got, KindClosed, true)
	if want := `upstream "demo" closed its output; outcome unknown`; e.Error() != want {
		t.Errorf("error %q, want %q", e, want)
	}
}

func TestDialPipe(t *testing.T) {
	near, other := net.Pipe()
	defer other.Close()
	cfg := &Config{Name: "demo", InProcess: func(context.Context) (io.ReadWriteCloser, error) { return near, nil }}
	l, err := dialPipe(t.Context(), cfg, testOptions(cfg))
	if err != nil {
		t.Fatal(err)
	}
	if l.pid() != 0 || l.stderr() != "" {
		t.Errorf("a pipe has pid %d and standard error %q", l.pid(), l.stderr())
	}
	l.close()

	cfg.InProcess = func(context.Context) (io.ReadWriteCloser, error) { return nil, io.ErrUnexpectedEOF }
	var e *Error
	if _, err := dialPipe(t.Context(), cfg, testOptions(cfg)); !errors.As(err, &e) || e.Kind != KindUnavailable {
		t.Errorf("dialPipe returned %v, want unavailable", err)
	}
}
