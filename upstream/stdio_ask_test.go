// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"strings"
	"testing"
	"time"

	"tollgate/upstream/wire"
)

func TestStdioPing(t *testing.T) {
	_, up := pipeLink(t, nil)
	up.send(`{"jsonrpc":"2.0","id":"a\/b","method":"ping"}`)
	up.expect(`{"jsonrpc":"2.0","id":"a\/b","result":{}}`)
}

func TestStdioAsk(t *testing.T) {
	onAsk := func(_ context.Context, method string, params []byte) ([]byte, *wire.Error) {
		return []byte(`{"by":"link","of":"` + method + `"}`), nil
	}
	peer := &recorder{ask: func(_ context.Context, _ string, params []byte) ([]byte, *wire.Error) {
		if strings.Contains(string(params), "refuse") {
			return nil, &wire.Error{Code: -1, Message: "not now"}
		}
		return []byte("{\"by\":\"peer\",\n\"got\":" + string(params) + "}"), nil
	}}
	call := &exchange{method: "tools/call", rev: wire.R20251125, peer: peer}
	const ask = `{"jsonrpc":"2.0","id":"q\u0031","method":"elicitation/create","params":{"n":1.0}}`
	tests := []struct {
		name    string
		running []*exchange
		onAsk   bool
		ask     string
		answer  string
	}{
		{"one call", []*exchange{call}, true, ask, `{"jsonrpc":"2.0","id":"q\u0031","result":{"by":"peer", "got":{"n":1.0}}}`},
		{"one call refuses", []*exchange{call}, true, strings.Replace(ask, `"n"`, `"refuse"`, 1),
			`{"jsonrpc":"2.0","id":"q\u0031","error":{"code":-1,"message":"not now"}}`},
		{"one call and a refresh", []*exchange{call, {method: "tools/list"}}, false, ask,
			`{"jsonrpc":"2.0","id":"q\u0031","result":{"by":"peer", "got":{"n":1.0}}}`},
		{"two calls", []*exchange{call, call}, true, ask,
			`{"jsonrpc":"2.0","id":"q\u0031","result":{"by":"link","of":"elicitation/create"}}`},
		{"nothing runs", nil, true, ask, `{"jsonrpc":"2.0","id":"q\u0031","result":{"by":"link","of":"elicitation/create"}}`},
		{"nobody answers", []*exchange{call, call}, false, ask,
			`{"jsonrpc":"2.0","id":"q\u0031","error":{"code":-32601,"message":"the client does not serve elicitation/create"}}`},
		{"modern", []*exchange{{method: "tools/call", rev: wire.R20260728, peer: peer}}, true, ask,
			`{"jsonrpc":"2.0","id":"q\u0031","error":{"code":-32601,"message":"the client does not serve elicitation/create"}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, up := pipeLink(t, func(o *linkOptions, _ *stdioLimits) {
				if test.onAsk {
					o.onAsk = onAsk
				}
			})
			for _, x := range test.running {
				own := *x
				done := begin(t.Context(), l, &own)
				defer func() { l.close(); receive(t, done) }()
				if _, err := up.in.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			up.send(test.ask)
			up.expect(test.answer)
		})
	}
}

// A request that is still open when its call ends must not reach into the peer any longer.
func TestStdioAskEndsWithItsCall(t *testing.T) {
	l, up := pipeLink(t, nil)
	asked, over, release := make(chan string), make(chan struct{}), make(chan struct{})
	ended := false
	peer := &recorder{ask: func(ctx context.Context, method string, _ []byte) ([]byte, *wire.Error) {
		asked <- method
		<-ctx.Done()
		close(over)
		<-release
		ended = true // a race, unless exchange waits for this
		return nil, &wire.Error{Code: wire.CodeInternal, Message: "call over"}
	}}
	got := begin(t.Context(), l, &exchange{method: "tools/call", peer: peer})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`)
	up.send(`{"jsonrpc":"2.0","id":5,"method":"sampling/createMessage"}`)
	receive(t, asked)
	up.send(`{"jsonrpc":"2.0","id":1,"result":{}}`)
	receive(t, over)
	select {
	case <-got:
		t.Error("the call returned while its request was still with the peer")
	case <-time.After(10 * time.Millisecond):
	}
	close(release)
	if !t.Failed() {
		result(t, got)
	}
	if !ended {
		t.Error("the call returned before its request")
	}
	up.expect(`{"jsonrpc":"2.0","id":5,"error":{"code":-32603,"message":"call over"}}`)
}

func TestStdioUpstreamTakesBackItsRequest(t *testing.T) {
	l, up := pipeLink(t, nil)
	asked := make(chan struct{})
	peer := &recorder{ask: func(ctx context.Context, _ string, _ []byte) ([]byte, *wire.Error) {
		close(asked)
		<-ctx.Done()
		return []byte("{}"), nil
	}}
	got := begin(t.Context(), l, &exchange{method: "tools/call", peer: peer})
	up.expect(`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`)
	up.send(`{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"}`) // the ids of both sides are apart
	receive(t, asked)
	up.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`,
		`{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	up.expect(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	up.send(`{"jsonrpc":"2.0","id":1,"result":{}}`)
	result(t, got)
	up.send(`{"jsonrpc":"2.0","id":3,"method":"ping"}`)
	up.expect(`{"jsonrpc":"2.0","id":3,"result":{}}`)
}

func TestStdioAsksAreBounded(t *testing.T) {
	release := make(chan struct{})
	l, up := pipeLink(t, func(o *linkOptions, limits *stdioLimits) {
		limits.asks = 2
		o.onAsk = func(ctx context.Context, _ string, _ []byte) ([]byte, *wire.Error) {
			<-ctx.Done()
			<-release
			return nil, &wire.Error{Code: wire.CodeInternal, Message: "over"}
		}
	})
	up.send(`{"jsonrpc":"2.0","id":1,"method":"roots/list"}`, `{"jsonrpc":"2.0","id":2,"method":"roots/list"}`,
		`{"jsonrpc":"2.0","id":3,"method":"roots/list"}`)
	up.expect(`{"jsonrpc":"2.0","id":3,"error":{"code":-32603,"message":"too many requests are being answered"}}`)
	closed := make(chan struct{})
	go func() { l.close(); close(closed) }()
	select {
	case <-closed:
		t.Error("close returned while requests were being answered")
	case <-time.After(10 * time.Millisecond):
	}
	close(release)
	receive(t, closed)
}
