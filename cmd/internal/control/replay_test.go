// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// past hands out records of some lengths.
type past struct {
	Replayer
	lengths []int
	fail    error
	asked   *DecisionQuery
	ended   chan error // of a reader that went away
}

func (p *past) Decisions(ctx context.Context, q *DecisionQuery, w DecisionWriter) error {
	p.asked = q
	if err := w.Begin("digest"); err != nil {
		return err
	}
	for i, n := range p.lengths {
		if err := w.Record([]byte(record(i, n))); err != nil {
			return err
		}
		if err := w.At(uint64(i+1), uint64(len(p.lengths))); err != nil {
			return err
		}
	}
	if p.ended == nil {
		return p.fail
	}
	<-ctx.Done()
	p.ended <- ctx.Err()
	return ctx.Err()
}

func record(i, n int) string {
	return fmt.Sprintf(`{"v":1,"n":%d,"x":"%s"}`, i, strings.Repeat("x", n))
}

func clientOf(t *testing.T, h http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c := NewClient(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.Listener.Addr().String())
	})
	t.Cleanup(c.Close)
	return c
}

// TestDecisions: records come as they are, however long, and an error or an end in the middle is no end.
func TestDecisions(t *testing.T) {
	lengths := []int{0, 10, 1 << 18, 1<<18 - 30, 3 << 20, 5}
	from := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	for _, fail := range []error{nil, &Error{Message: "the disk is gone", Hint: "mend it", Exit: 1}} {
		p := &past{lengths: lengths, fail: fail}
		mux := http.NewServeMux()
		serveReplay(mux, p)
		d, err := clientOf(t, mux).Decisions(t.Context(), &DecisionQuery{From: from})
		if err != nil {
			t.Fatal(err)
		}
		var read, of uint64
		d.Progress = func(r, o uint64) { read, of = r, o }
		n := 0
		var failed error
		for text, err := range d.Records() {
			if err != nil {
				failed = err
				break
			}
			if string(text) != record(n, lengths[n]) {
				t.Fatalf("record %d is %.40s of %d bytes", n, text, len(text))
			}
			n++
		}
		if n != len(lengths) || read != uint64(n) || of != uint64(n) || d.EmptyDigest != "digest" || !p.asked.From.Equal(from) {
			t.Errorf("%d records, progress %d of %d, %q, asked %+v", n, read, of, d.EmptyDigest, p.asked)
		}
		var e *Error
		if errors.As(failed, &e) != (fail != nil) || e != nil && e.Hint != "mend it" {
			t.Errorf("ended with %v, want %v", failed, fail)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDecisionsCutOff: a gateway that goes away is not the end of the log, and a reader that does ends the reading.
func TestDecisionsCutOff(t *testing.T) {
	cut := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"event":"begin"}`+"\n"+record(1, 5)+"\n"+`{"v":1,"half`)
	})
	d, err := clientOf(t, cut).Decisions(t.Context(), &DecisionQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range d.Records() {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "before all records had come") {
		t.Errorf("ended with %v", last)
	}
	p := &past{lengths: []int{1, 1}, ended: make(chan error, 1)}
	mux := http.NewServeMux()
	serveReplay(mux, p)
	if d, err = clientOf(t, mux).Decisions(t.Context(), &DecisionQuery{}); err != nil {
		t.Fatal(err)
	}
	for range d.Records() {
		break
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := <-p.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the reading ended with %v", err)
	}
	for _, answer := range []string{"", "{}\n", `{"event":"at"}` + "\n", `{"event":"error","error":{"message":"no","exit":1}}` + "\n"} {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		if _, err := clientOf(t, h).Decisions(t.Context(), &DecisionQuery{}); err == nil {
			t.Errorf("%q is an answer", answer)
		}
	}
}
