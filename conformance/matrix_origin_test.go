// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// origin is one scripted MCP server of the matrix, of one era. Whoever connects, by whichever transport, finds the same
// state: it lives in this process, and a child on standard streams only carries the bytes.
type origin struct {
	name   string
	modern bool
	both   pair // the calls that run at the same time

	mu      sync.Mutex // guards what follows
	grown   []string   // tools that were added
	ears    map[*ear]struct{}
	signals map[string]chan struct{} // closed once it happened
	pids    map[int]struct{}         // children
}

// ear is who hears of changes: a session of 2025-11-25, or one subscriptions/listen. origin.mu guards it.
type ear struct {
	lists bool
	uris  map[string]bool
	caps  []byte // declared at initialize
	level string // logging/setLevel
	tell  func(method, params string)
}

func newOrigin(name string, modern bool) *origin {
	return &origin{name: name, modern: modern, ears: map[*ear]struct{}{}, signals: map[string]chan struct{}{}, pids: map[int]struct{}{}}
}

// turn is one request to the origin.
type turn struct {
	*wire.Envelope
	ctx  context.Context
	ear  *ear // of the session; nil in the era without sessions
	send func(line []byte)
	ask  func(method, params string) *wire.Envelope // nil answer: the request was cancelled
}

func (t *turn) result(modern bool, result string, list bool) {
	t.send(wire.AppendResult(nil, t.ID, []byte(era(result, modern, list))))
}

func (t *turn) fail(code int, message, data string) {
	t.send(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%q,"data":%s}}`, t.ID, code, message, data))
}

func (t *turn) notify(method, params string) {
	t.send(wire.AppendRequest(nil, nil, method, []byte(params)))
}

// member decodes a string inside the params, "" when there is none.
func (t *turn) member(path ...string) string {
	raw, _ := wire.Lookup(t.Params, path...)
	s, _ := wire.String(raw)
	return s
}

func (o *origin) join(e *ear) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ears[e] = struct{}{}
}

func (o *origin) leave(e *ear) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.ears, e)
}

// happened tells of an event of the script once; a channel for it is closed.
func (o *origin) happened(what string) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.signals[what]
	if c == nil {
		c = make(chan struct{})
		o.signals[what] = c
	}
	return c
}

func (o *origin) note(what string) {
	o.happened(what)
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case <-o.signals[what]:
	default:
		close(o.signals[what])
	}
}

// handle answers one request.
func (o *origin) handle(t *turn) {
	switch t.Method {
	case "tools/call":
		o.call(t)
	case "tools/list":
		o.mu.Lock()
		names := append(strings.Fields("call elicit sample rude roots progress log chorus hang grow touch"), o.grown...)
		o.mu.Unlock()
		for i, n := range names {
			names[i] = `{"name":"` + n + `","inputSchema":{"type":"object"}}`
		}
		t.result(o.modern, `{"tools":[`+strings.Join(names, ",")+`]}`, true)
	case "prompts/list":
		t.result(o.modern, `{"prompts":[]}`, true)
	case "resources/list":
		t.result(o.modern, `{"resources":[]}`, true)
	case "resources/templates/list":
		t.result(o.modern, `{"resourceTemplates":[{"name":"any","uriTemplate":"test://`+o.name+`/{name}"}]}`, true)
	default:
		if o.modern {
			o.handleModern(t)
		} else {
			o.handleLegacy(t)
		}
	}
}

const originCapabilities = `{"logging":{},"resources":{"subscribe":true},"tools":{"listChanged":true}}`

func (o *origin) handleModern(t *turn) {
	switch t.Method {
	case "server/discover":
		t.result(true, `{"supportedVersions":["2026-07-28"],"capabilities":`+originCapabilities+`}`, true)
	case "subscriptions/listen":
		filter, _ := wire.Lookup(t.Params, "notifications")
		stamp := func(params string) string {
			return string(wire.Set([]byte(params), "_meta", fmt.Appendf(nil, `{"io.modelcontextprotocol/subscriptionId":%s}`, t.ID)))
		}
		raw, _ := wire.Lookup(filter, "toolsListChanged")
		e := &ear{lists: string(raw) == "true", uris: map[string]bool{}, tell: func(method, params string) { t.notify(method, stamp(params)) }}
		list, _ := wire.Lookup(filter, "resourceSubscriptions")
		for item := range wire.Elements(list) {
			uri, _ := wire.String(item)
			e.uris[uri] = true
		}
		o.mu.Lock() // whoever reads the acknowledgement is heard from then on, and nobody before
		t.notify("notifications/subscriptions/acknowledged", stamp(`{"notifications":`+string(filter)+`}`))
		o.ears[e] = struct{}{}
		o.mu.Unlock()
		<-t.ctx.Done()
		o.leave(e)
	default:
		t.fail(-32601, "method not found", "null")
	}
}

func (o *origin) handleLegacy(t *turn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch t.Method {
	case "initialize":
		caps, _ := wire.Lookup(t.Params, "capabilities")
		t.ear.caps = slices.Clone(caps)
		t.result(false, `{"protocolVersion":"2025-11-25","capabilities":`+originCapabilities+`,"serverInfo":{"name":"origin","version":"1"}}`, false)
	case "logging/setLevel":
		t.ear.level = t.member("level")
		t.result(false, "{}", false)
	case "resources/subscribe", "resources/unsubscribe":
		t.ear.uris[t.member("uri")] = t.Method == "resources/subscribe"
		t.result(false, "{}", false)
	case "ping":
		t.result(false, "{}", false)
	default:
		t.fail(-32601, "method not found", "null")
	}
}

// grow adds a tool and tells everybody who listens.
func (o *origin) grow(tool string) {
	o.mu.Lock()
	o.grown = append(o.grown, tool)
	o.mu.Unlock()
	o.broadcast("notifications/tools/list_changed", "{}", func(e *ear) bool { return e.lists })
}

// touch tells those who watch uri that it changed.
func (o *origin) touch(uri string) {
	o.broadcast("notifications/resources/updated", `{"uri":"`+uri+`"}`, func(e *ear) bool { return e.uris[uri] })
}

func (o *origin) broadcast(method, params string, to func(*ear) bool) {
	o.mu.Lock()
	var tell []func(method, params string)
	for e := range o.ears {
		if to(e) {
			tell = append(tell, e.tell)
		}
	}
	o.mu.Unlock()
	for _, f := range tell {
		f(method, params)
	}
}

// watching reports whether anybody watches uri.
func (o *origin) watching(uri string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for e := range o.ears {
		if e.uris[uri] {
			return true
		}
	}
	return false
}

// carrier is the mode of a child that carries bytes between its standard streams and an origin of the test.
const carrier = "carrier"

// carrierAddress in the environment of such a child is where the origin listens.
const carrierAddress = "TOLLGATE_TEST_ORIGIN"

func carry() {
	conn, err := net.Dial("tcp", os.Getenv(carrierAddress))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(conn, os.Getpid())
	go func() {
		_, _ = io.Copy(conn, os.Stdin) // ends with either side
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(os.Stdout, conn)
}

// listen makes the origin the other end of carriers and returns its address.
func (o *origin) listen(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { o.serveChild(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // nothing depends on it any more
		work.Wait()
	})
	return l.Addr().String()
}

// piped is a connection of which a little was read already.
type piped struct {
	net.Conn
	r *bufio.Reader
}

func (p piped) Read(b []byte) (int, error) { return p.r.Read(b) }

// serveChild serves one connection: one session, in the era that has them.
func (o *origin) serveChild(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return
	}
	s := &upstreamtest.Server{}
	e := &ear{lists: true, uris: map[string]bool{}, tell: s.Notify}
	s.Handle = func(r *upstreamtest.Request) bool {
		o.handle(&turn{Envelope: r.Envelope, ctx: r.Context, ear: e, send: func(line []byte) { r.Send(string(line)) }, ask: r.Ask})
		return true
	}
	o.mu.Lock()
	o.pids[pid] = struct{}{}
	o.mu.Unlock()
	if !o.modern {
		o.join(e)
	}
	s.Serve(piped{conn, in})
	o.mu.Lock()
	delete(o.pids, pid)
	delete(o.ears, e)
	o.mu.Unlock()
}

// killChildren ends all children as kill -9 does.
func (o *origin) killChildren() error {
	o.mu.Lock()
	pids := o.pids
	o.pids = map[int]struct{}{}
	o.mu.Unlock()
	for pid := range pids {
		p, err := os.FindProcess(pid)
		if err != nil {
			return err
		}
		if err := p.Kill(); err != nil {
			return err
		}
	}
	return nil
}

// quoted is s as a JSON string.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}
