// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestLineReader(t *testing.T) {
	long := strings.Repeat("x", 3*readBuffer)
	const limit = 2*readBuffer + 10
	fits := strings.Repeat("y", limit)
	input := "one\r\n\n  two\t\n" + long + "\n" + fits + "\nthree\n" + fits + "y\nend"
	want := []string{"one", "", "two", "LONG xxx xxx", fits, "three", "LONG yyy yyy", "end"}
	for _, r := range []io.Reader{strings.NewReader(input), iotest.OneByteReader(strings.NewReader(input)),
		iotest.DataErrReader(strings.NewReader(input))} {
		var got []string
		in := newLineReader(r, limit)
		for {
			line, err := in.next()
			if errors.Is(err, errLongLine) {
				if _, err := in.skip(1 << 20); err != nil {
					t.Fatal(err)
				}
				tail := bytes.TrimSpace(in.tail)
				line = fmt.Appendf(nil, "LONG %s %s", in.head[:3], tail[len(tail)-3:])
			} else if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				break
			}
			got = append(got, string(line))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	}
}

// FuzzLineReader compares the lines with those of a plain split, over every limit.
func FuzzLineReader(f *testing.F) {
	f.Add([]byte("a\n\nbcd\r\ne"), 2)
	f.Add([]byte("\n"), 0)
	f.Fuzz(func(t *testing.T, data []byte, limit int) {
		limit = max(1, limit%100)
		var want []string
		for line := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
			if len(line) > limit {
				want = append(want, "long")
				continue
			}
			want = append(want, string(bytes.TrimSpace(line)))
		}
		if len(data) == 0 {
			want = nil
		}
		var got []string
		in := newLineReader(bytes.NewReader(data), int64(limit))
		for {
			line, err := in.next()
			if errors.Is(err, errLongLine) {
				line = []byte("long")
				if _, err := in.skip(1 << 20); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			} else if err != nil {
				break
			}
			got = append(got, string(line))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	})
}

func TestAttribute(t *testing.T) {
	tests := []struct {
		head, tail string
		want       int64
	}{
		{`{"jsonrpc":"2.0","id":7,"result":{"a`, `xxx"}}`, 7},
		{`{"id" : 7, "jsonrpc":"2.0","extra":"e","error":{`, `}}`, 7},
		{`{"result":{"a":"xx`, `xx"},"jsonrpc":"2.0","id":7}`, 7},
		{`{"result":{"a":"xx`, `xx"} , "id" : 7 , "jsonrpc" : "2.0" } `, 7},
		{`{"result":{"a":"xx`, `xx\",\"id\":7},\"jsonrpc\""}}`, 0},  // within a string
		{`{"result":{"a":"xx`, `"jsonrpc",{"id":7}`, 0},             // not a member of the message
		{`{"result":{"a":"xx`, `xx"},"jsonrpc":"2.0","id":"7"}`, 0}, // never an id of ours
		{`{"result":{"a":"xx`, `xx"},"jsonrpc":"2.0","id":7e0}`, 0},
		{`{"method":"m","params":{"a`, `},"jsonrpc":"2.0","id":7}`, 0},              // a request has the upstream's ids
		{`{"jsonrpc":"2.0","id":7,"params":{"a`, `},"method":"m"}`, 0},              //
		{`{"level":"error","id":7,"error":"boom"}`, `"id":7,"error":"boom"}`, 0},    // a log line
		{`{"jsonrpc":"2.0","id":99999999999999999999,"result":1}`, `"result":1`, 0}, //
		{`plain text "jsonrpc"`, `,"id":7}`, 0},
		{``, ``, 0},
	}
	for _, test := range tests {
		if got := attribute([]byte(test.head), []byte(test.tail)); got != test.want {
			t.Errorf("attribute(%s … %s) = %d, want %d", test.head, test.tail, got, test.want)
		}
	}
}

// A response that cannot be used fails its call at once, with a cause; nobody waits for the timeout.
func TestStdioInvalidResponse(t *testing.T) {
	tests := []struct{ line, detail string }{
		{`{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}`, "duplicate"},
		{`{"result":{"a":"` + "\xff" + `"},"jsonrpc":"2.0","id":1}`, "UTF-8"},
		{`{"jsonrpc":"2.0","id":1,"result":{"a":1}`, "invalid JSON"},
		{`{"jsonrpc":"2.0","id":1,"result":{},"error":{}}`, "either"},
	}
	for _, test := range tests {
		l, up := pipeLink(t, nil)
		got := begin(t.Context(), l, &exchange{method: "a"})
		up.expect(`{"jsonrpc":"2.0","id":1,"method":"a"}`)
		up.send(test.line)
		if e := failure(t, got, KindProtocol, true); !strings.Contains(e.Error(), test.detail) {
			t.Errorf("%s: error %q, want %q in it", test.line, e, test.detail)
		}
	}
}

func TestStdioReplyLimits(t *testing.T) {
	l, up := pipeLink(t, func(_ *linkOptions, limits *stdioLimits) { limits.line = 1000 })
	reply := func(id, size int) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":"%s"}`, id, strings.Repeat("x", size))
	}
	for id, test := range []struct {
		size   int
		limit  int64
		detail string
	}{{900, 0, ""}, {1000, 0, "answered a with more than 1000 bytes"}, {500, 400, "answered a with more than 400 bytes"},
		{300, 400, ""}} {
		got := begin(t.Context(), l, &exchange{method: "a", maxReply: test.limit})
		up.expect(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"a"}`, id+1))
		up.send(reply(id+1, test.size))
		if test.detail == "" {
			result(t, got)
		} else if e := failure(t, got, KindTooLarge, true); e.Detail != test.detail {
			t.Errorf("%d bytes: %q, want %q", test.size, e.Detail, test.detail)
		}
	}
}

func TestStdioJunk(t *testing.T) {
	tests := []struct {
		name, line   string
		tolerated    int // lines
		limit, cause string
	}{
		{"lines", "tick", 1000, "", `upstream "demo" wrote more than 1000 lines in a row that are no messages`},
		{"bytes", strings.Repeat("x", 99), 10, "bytes", `upstream "demo" wrote more than 1000 bytes in a row that are no messages`},
		{"long lines", strings.Repeat("x", 499), 2, "bytes", `upstream "demo" wrote more than 1000 bytes in a row that are no messages`},
		{"nothing", "", 1000, "bytes", `upstream "demo" wrote more than 1000 bytes in a row that are no messages`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, up := pipeLink(t, func(_ *linkOptions, limits *stdioLimits) {
				limits.line = 400
				if test.limit == "bytes" {
					limits.junkBytes = 1000
				}
			})
			for range 2 { // a message in between makes good for what was before it
				for range test.tolerated {
					up.send(test.line)
				}
				up.send(`{"jsonrpc":"2.0","id":0,"method":"ping"}`)
				up.expect(`{"jsonrpc":"2.0","id":0,"result":{}}`)
			}
			for range test.tolerated + 1 {
				up.send(test.line)
			}
			receive(t, l.done())
			if got := l.cause().Error(); got != test.cause {
				t.Errorf("cause %q, want %q", got, test.cause)
			}
		})
	}
}
