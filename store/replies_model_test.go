// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// naiveReplies is what [Replies] is to be, in a map.
type naiveReplies struct {
	options RepliesOptions
	all     map[[2]string]*naiveReply // by caller and key
	now     time.Time
}

type naiveReply struct {
	digest           byte
	call             string
	running, unknown bool
	kept             Kept
	ends             time.Time
}

func (m *naiveReplies) sweep() {
	for id, e := range m.all {
		if !e.running && !m.now.Before(e.ends) {
			delete(m.all, id)
		}
	}
}

func (m *naiveReplies) begin(id [2]string, digest byte, call string) (*Kept, error) {
	m.sweep()
	if e := m.all[id]; e != nil {
		switch {
		case e.digest != digest:
			return nil, &ConflictError{Different: true, Call: e.call}
		case e.running || e.unknown:
			return nil, &ConflictError{Running: e.running, Unknown: e.unknown, Call: e.call}
		}
		return &e.kept, nil
	}
	own := 0
	for other := range m.all {
		if other[0] == id[0] {
			own++
		}
	}
	switch {
	case own >= m.options.MaxPerCaller:
		return nil, &FullError{Caller: true, Most: m.options.MaxPerCaller}
	case len(m.all) >= m.options.MaxEntries:
		return nil, &FullError{Most: m.options.MaxEntries}
	}
	m.all[id] = &naiveReply{digest: digest, call: call, running: true, ends: m.now.Add(m.options.Keep)}
	return nil, nil
}

func (m *naiveReplies) finish(id [2]string, reply string) {
	m.sweep()
	total := int64(len(reply))
	for _, e := range m.all {
		total += int64(len(e.kept.Reply))
	}
	e := m.all[id]
	e.running, e.ends = false, m.now.Add(m.options.Keep)
	e.kept = Kept{Call: e.call, At: m.now}
	if len(reply) > m.options.MaxBytes || total > m.options.MaxTotal {
		e.kept.TooLarge = true
	} else {
		e.kept.Reply = []byte(reply)
	}
}

// TestRepliesModel does random things, restarts included, and compares every answer.
func TestRepliesModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "replies")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		clk := newClock()
		o := RepliesOptions{Now: clk.now, Keep: 20, MaxBytes: 4, MaxTotal: 9, MaxEntries: 5, MaxPerCaller: 3}
		m := &naiveReplies{options: o, all: map[[2]string]*naiveReply{}}
		r, err := OpenReplies(dir, &o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := errors.Join(append(r.Check(), r.Close())...); err != nil {
				t.Fatal(err)
			}
		}()
		for i := range rapid.IntRange(1, 40).Draw(t, "steps") {
			clk.advance(time.Duration(rapid.IntRange(0, 6).Draw(t, "advance")))
			m.now = clk.t
			id := [2]string{rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "caller"), rapid.SampledFrom([]string{"k", "l", "m", "n"}).Draw(t, "key")}
			e := m.all[id]
			step := rapid.IntRange(0, 19).Draw(t, "step")
			switch {
			case step == 0:
				if err := errors.Join(append(r.Check(), r.Close())...); err != nil {
					t.Fatal(err)
				}
				if r, err = OpenReplies(dir, &o); err != nil {
					t.Fatal(err)
				}
				for _, e := range m.all {
					e.running, e.unknown = false, e.unknown || e.running
				}
			case step < 8 && e != nil && e.running:
				reply := strings.Repeat("x", rapid.IntRange(0, 5).Draw(t, "bytes"))
				m.finish(id, reply)
				if err := r.Finish(t.Context(), id[0], id[1], []byte(reply)); err != nil {
					t.Fatal(err)
				}
			case step == 8 && e != nil && e.running:
				delete(m.all, id)
				if err := r.Forget(t.Context(), id[0], id[1]); err != nil {
					t.Fatal(err)
				}
			default:
				digest := rapid.SampledFrom([]byte{1, 1, 1, 2}).Draw(t, "digest")
				want, wantErr := m.begin(id, digest, fmt.Sprint(i))
				got, err := r.Begin(t.Context(), id[0], id[1], [32]byte{digest}, fmt.Sprint(i))
				if diff := cmp.Diff([]any{want, wantErr}, []any{got, err}); diff != "" {
					t.Fatalf("Begin(%q): (-want +got)\n%s", id, diff)
				}
			}
		}
	})
}
