// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// readAllEvents returns the events of r as "name|data", where the cursor ended, and the error that ended it.
func readAllEvents(r io.Reader, limit int64) (events []string, cur cursor, err error) {
	reader := newEventReader(r, limit, &cur)
	for {
		ev, err := reader.next()
		if err != nil {
			return events, cur, err
		}
		events = append(events, ev.name+"|"+string(ev.data))
	}
}

func TestEventReader(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		cur      cursor
	}{
		{name: "one", in: "data: x\n\n", want: []string{"|x"}},
		{name: "crlf", in: "data: x\r\n\r\ndata:y\r\n\r\n", want: []string{"|x", "|y"}},
		{name: "cr", in: "data: x\r\rdata: y\r\r", want: []string{"|x", "|y"}},
		{name: "mixed ends", in: "event: a\rdata: x\r\n\ndata: y\n\r", want: []string{"a|x", "|y"}},
		{name: "several lines", in: "data: a\ndata:\ndata:  b\n\n", want: []string{"|a\n\n b"}},
		{name: "comments", in: ": hi\n:\ndata: x\n: there\n\n:bye\n\n", want: []string{"|x"}},
		{name: "comment is no blank line", in: "data: a\n:\ndata: b\n\n", want: []string{"|a\nb"}},
		{name: "byte order mark", in: "\xef\xbb\xbfdata: x\n\n", want: []string{"|x"}},
		{name: "field without colon", in: "data\ndata: x\n\n", want: []string{"|\nx"}},
		{name: "unknown field", in: "foo: bar\ndata: x\n\n", want: []string{"|x"}},
		{name: "name is for one event", in: "event: a\ndata: x\n\ndata: y\n\n", want: []string{"a|x", "|y"}},
		{name: "no data, no event", in: "event: a\n\ndata: y\n\n", want: []string{"|y"}},
		{name: "without the blank line", in: "data: x\n\ndata: lost\n", want: []string{"|x"}},
		{name: "id of an empty event", in: "id: 7\ndata:\n\n", cur: cursor{id: "7"}},
		{name: "id stays", in: "id: 7\ndata: x\n\ndata: y\n\n", want: []string{"|x", "|y"}, cur: cursor{id: "7"}},
		{name: "id of an incomplete event", in: "id: 7\ndata: x\n\nid: 8\ndata: y\n", want: []string{"|x"}, cur: cursor{id: "7"}},
		{name: "id forgotten by the server", in: "id: 7\n\nid\n\n"},
		{name: "id that no header can hold", in: "id: a\x00b\ndata: x\n\n", want: []string{"|x"}},
		{name: "id that is too long", in: "id: " + strings.Repeat("7", maxEventID+1) + "\n\n"},
		{name: "retry", in: "retry: 1500\n\n", cur: cursor{retry: 1500 * time.Millisecond}},
		{name: "retry is digits", in: "retry: 1500ms\n\nretry: -1\n\n"},
		{name: "retry for ever", in: "retry: 9223372036854775807\n\n", cur: cursor{retry: maxRetry}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole": strings.NewReader(test.in), "in bytes": iotest.OneByteReader(strings.NewReader(test.in)),
			} {
				got, cur, err := readAllEvents(r, 8<<10)
				if !errors.Is(err, io.EOF) {
					t.Errorf("%s: ended with %v, want io.EOF", name, err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%s: events (-want +got):\n%s", name, diff)
				}
				if cur != test.cur {
					t.Errorf("%s: cursor %+v, want %+v", name, cur, test.cur)
				}
			}
		})
	}
}

// A CR ends the line: the event is there before the next byte, which may take minutes.
func TestEventReaderDoesNotWait(t *testing.T) {
	in, out := io.Pipe()
	defer in.Close()
	go func() {
		_, _ = io.WriteString(out, "data: x\r\r")
	}()
	ev, err := newEventReader(in, 100, &cursor{}).next()
	if err != nil || string(ev.data) != "x" {
		t.Fatalf("next() = %q, %v, want x", ev.data, err)
	}
}

// endless repeats text and counts what was read.
type endless struct {
	text string
	n    int64
	max  int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n >= e.max {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text)
	}
	e.n += int64(n)
	return n, nil
}

func TestEventReaderLimit(t *testing.T) {
	const limit = 64 << 10
	for _, text := range []string{"data: aaaaaaaaaa\n", "x", "data", "data:\n", "id: 5", "event: a"} {
		src := &endless{text: text, max: 100 << 20}
		if _, _, err := readAllEvents(src, limit); !errors.Is(err, errEventTooLarge) {
			t.Errorf("%q for ever: %v, want errEventTooLarge", text, err)
		}
		if src.n > 100*limit {
			t.Errorf("%q for ever: read %d bytes before the end", text, src.n)
		}
	}
	comments := &endless{text: ": nothing to see", max: 64 << 20}
	allocated := testing.AllocsPerRun(1, func() { _, _, _ = readAllEvents(comments, limit) })
	if allocated > 20 {
		t.Errorf("64 MiB of one comment took %v allocations", allocated)
	}
	if _, _, err := readAllEvents(&endless{text: ": nothing to see", max: 1 << 20}, limit); !errors.Is(err, io.EOF) {
		t.Errorf("a comment for ever: %v, want io.EOF", err)
	}
}

// An event above the limit must not be asked for again.
func TestEventReaderMovesPastLargeEvents(t *testing.T) {
	long := "data: " + strings.Repeat("a", 20<<10) + "\n\n"
	for in, want := range map[string]string{"id: 1\n\nid: 2\n" + long: "2", "id: 1\n\n" + long: ""} {
		if _, cur, err := readAllEvents(strings.NewReader(in), 100); !errors.Is(err, errEventTooLarge) || cur.id != want {
			t.Errorf("%.20q: cursor at %q after %v, want %q", in, cur.id, err, want)
		}
	}
}

func FuzzEventReader(f *testing.F) {
	for _, s := range []string{
		"data: x\n\n", "event: a\rid: 1\r\ndata: x\ndata: y\n\n", "\xef\xbb\xbf:c\nretry: 5\n\n", "data\n\ndata: \xff\x00\r\r",
	} {
		f.Add(s, int64(16))
	}
	f.Fuzz(func(t *testing.T, in string, limit int64) {
		limit = limit & 0xfff
		whole, cur, err := readAllEvents(strings.NewReader(in), limit)
		pieces, cur2, err2 := readAllEvents(iotest.OneByteReader(strings.NewReader(in)), limit)
		if !cmp.Equal(whole, pieces) || cur != cur2 || !errors.Is(err, err2) {
			t.Fatalf("read whole: %q %+v %v\nread in bytes: %q %+v %v", whole, cur, err, pieces, cur2, err2)
		}
		for _, ev := range whole {
			if int64(len(ev)) > 2*(limit+maxEventID)+1 {
				t.Fatalf("event of %d bytes with a limit of %d", len(ev), limit)
			}
		}
		if strings.ContainsFunc(cur.id, isControl) || cur.retry < 0 || cur.retry > maxRetry {
			t.Fatalf("cursor %+v", cur)
		}
	})
}
