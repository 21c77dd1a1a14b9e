// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/upstream/wire"
)

// TestMain doubles as the children the tests start, and fails the package when anything outlives the tests.
func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		os.Exit(runChild(mode))
	}
	code := m.Run()
	if left := leftovers(5 * time.Second); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "left behind by the tests:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leftovers describes goroutines and child processes that are still there after a while.
func leftovers(patience time.Duration) string {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		left := append(strangers(), children()...)
		if len(left) == 0 || time.Now().After(end) {
			return strings.Join(left, "\n\n")
		}
	}
}

// strangers are the stacks of goroutines other than this one and those of the runtime and the test framework.
func strangers() (stacks []string) {
	buf := make([]byte, 4<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	for _, s := range all[1:] {
		if !strings.Contains(s, "testing.(*M)") && !strings.Contains(s, "os/signal.loop") &&
			!strings.Contains(s, "testing.tRunner") {
			stacks = append(stacks, s)
		}
	}
	return stacks
}

// children are the children of this process, zombies included. Only Linux can tell.
func children() (found []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == fmt.Sprint(os.Getpid()) {
			found = append(found, "child "+string(b))
		}
	}
	return found
}

// far is the far end of a link over a pipe: the test plays the upstream, line by line.
type far struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// expect reads the next line and fails unless it is exactly want.
func (f *far) expect(want string) {
	f.t.Helper()
	_ = f.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := f.in.ReadString('\n')
	if err != nil {
		f.t.Fatalf("reading the line %s: %v", want, err)
	}
	if got := strings.TrimSuffix(line, "\n"); got != want {
		f.t.Fatalf("the upstream received\n\t%s\nwant\n\t%s", got, want)
	}
}

func (f *far) send(lines ...string) {
	f.t.Helper()
	_ = f.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	for _, line := range lines {
		if _, err := io.WriteString(f.conn, line+"\n"); err != nil {
			f.t.Fatalf("writing %s: %v", line, err)
		}
	}
}

func testOptions(cfg *Config) *linkOptions {
	return &linkOptions{log: slog.New(slog.DiscardHandler), maxReply: 16 << 20, cfg: cfg}
}

// pipeLink opens a link over a pipe; adjust may be nil.
func pipeLink(t *testing.T, adjust func(*linkOptions, *stdioLimits)) (*stdioLink, *far) {
	t.Helper()
	near, other := net.Pipe()
	cfg := &Config{Name: "demo"}
	o := testOptions(cfg)
	limits := defaultStdioLimits(o.maxReply)
	if adjust != nil {
		adjust(o, &limits)
	}
	l := newStdioLink(near, nil, cfg, o, limits)
	t.Cleanup(func() {
		l.close()
		_ = other.Close()
	})
	return l, &far{t: t, conn: other, in: bufio.NewReader(other)}
}

// outcome is what one call of exchange returned.
type outcome struct {
	env *wire.Envelope
	err error
	x   *exchange
}

// begin runs an exchange in its own goroutine.
func begin(ctx context.Context, l link, x *exchange) <-chan outcome {
	c := make(chan outcome, 1)
	go func() {
		env, err := l.exchange(ctx, x)
		c <- outcome{env, err, x}
	}()
	return c
}

func result(t *testing.T, c <-chan outcome) string {
	t.Helper()
	o := receive(t, c)
	if o.err != nil {
		t.Fatalf("%s: %v", o.x.method, o.err)
	}
	return string(o.env.Result)
}

// failure waits for an exchange to fail with an *Error of the given kind.
func failure(t *testing.T, c <-chan outcome, kind ErrorKind, sent bool) *Error {
	t.Helper()
	o := receive(t, c)
	var e *Error
	if !errors.As(o.err, &e) {
		t.Fatalf("%s returned %v, want an *Error", o.x.method, o.err)
	}
	if e.Kind != kind || e.Sent != sent || o.x.sent != sent {
		t.Fatalf("%s: %v (kind %s, sent %v, exchange sent %v), want kind %s, sent %v", o.x.method, e, e.Kind, e.Sent,
			o.x.sent, kind, sent)
	}
	return e
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing happened for 10s")
		panic("unreachable")
	}
}

// recorder is a peer that writes down what it is told.
type recorder struct {
	ask func(ctx context.Context, method string, params []byte) ([]byte, *wire.Error)

	mu    sync.Mutex // guards notes
	notes []string
}

func (r *recorder) Notify(method string, params []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, strings.TrimPrefix(method, "notifications/")+" "+string(params))
}

func (r *recorder) Ask(ctx context.Context, method string, params []byte) ([]byte, *wire.Error) {
	return r.ask(ctx, method, params)
}

func (r *recorder) heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.notes
}
