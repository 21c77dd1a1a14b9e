// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrOtherEngine is the error of resuming with another build of the engine than the one that suspended.
var ErrOtherEngine = errors.New("the program was suspended by another version of the code engine: run it again from its beginning")

// Suspension is an execution that waits for parked calls only: what it needs to go on, in this process or in another one of
// the same build. It holds the memory of the script, so it is as secret as what the script has seen.
type Suspension struct {
	Calls  []Made    // all so far
	Parked []Waiting // in the order they were made

	state state
	build [sha256.Size]byte
	size  uint32 // of linear memory
	pages []run  // that differ from the image of the build
}

// Waiting is a call that was parked.
type Waiting struct {
	Call Call   `json:"call"`
	Text string `json:"text,omitempty"` // of the answer that parked it
}

// state is what else a sandbox remembers.
type state struct {
	Program     [sha256.Size]byte `json:"program"`
	Logs        []Log             `json:"logs,omitempty"`
	LogsDropped int               `json:"logs_dropped,omitempty"`
	Logged      int               `json:"logged,omitempty"`
	Used        time.Duration     `json:"used"`
	Wall        time.Duration     `json:"wall"`
	Drift       time.Duration     `json:"drift,omitempty"`
}

// digest tells programs apart whose memory must not be mixed.
func (p *Program) digest() (sum [sha256.Size]byte) {
	h := sha256.New()
	part := func(t string) {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(t))))
		h.Write([]byte(t))
	}
	part(p.Source)
	part(fmt.Sprint(len(p.Servers)))
	for _, s := range p.Servers {
		part(s)
	}
	for _, b := range p.Builtins {
		part(fmt.Sprintf("%q %q %v", b.Name, b.First, b.Global))
	}
	h.Sum(sum[:0])
	return sum
}

// suspend keeps the memory of a guest that has nothing to do.
func (s *sandbox) suspend() {
	slices.SortFunc(s.parked, func(a, b Waiting) int { return cmp.Compare(a.Call.Seq, b.Call.Seq) })
	from := &Suspension{Calls: s.out.Calls, Parked: s.parked, build: s.build.id, size: uint32(len(s.memory.buf))}
	for at := 0; at < len(s.memory.buf); at += pageSize {
		if p := s.memory.buf[at : at+pageSize]; string(p) != string(s.build.image.page(at)) {
			from.pages = appendPage(from.pages, at, p)
		}
	}
	used := s.turn.used + time.Since(s.turn.since)
	from.state = state{
		Program: s.program.digest(), Logs: s.out.Logs, LogsDropped: s.out.LogsDropped, Logged: s.logged,
		Used: used, Wall: s.out.Usage.Wall + time.Since(s.started), Drift: s.drift,
	}
	s.out.Suspension = from
}

// fits reports why a suspension cannot go on here.
func (from *Suspension) fits(b *build, p *Program, l Limits, answers map[int]Answer) error {
	if from == nil {
		return nil
	}
	if from.build != b.id {
		return ErrOtherEngine
	}
	if from.state.Program != p.digest() {
		return errors.New("the suspension belongs to another program: resume it with the source, servers and builtins it had")
	}
	if int64(from.size) > l.Memory {
		return fmt.Errorf("the suspended script uses %d bytes of memory: the limit is %d", from.size, l.Memory)
	}
	parked := map[int]bool{}
	for _, w := range from.Parked {
		parked[w.Call.Seq] = true
	}
	for seq := range answers {
		if !parked[seq] {
			return fmt.Errorf("an answer for call %d, which is not parked", seq)
		}
	}
	return nil
}

// restore brings the guest to where the prelude, or the suspended script, left it.
func (s *sandbox) restore(from *Suspension) error {
	g, b := s.guest, s.build
	size := b.image.size
	if from != nil {
		size = from.size
	}
	if have := g.mem.Size(); have < size {
		if _, ok := g.mem.Grow((size - have) / page); !ok {
			s.memory.denied = true
			return errGuestMemory
		}
	}
	for _, at := range b.image.stale {
		clear(s.memory.buf[at : at+pageSize])
	}
	for _, r := range b.image.pages {
		copyInPieces(s.memory.buf[r.offset:], r.bytes)
	}
	if from != nil {
		for _, r := range from.pages {
			copyInPieces(s.memory.buf[r.offset:], r.bytes)
		}
		s.remember(from)
	}
	g.at = b.at
	pointer, err := g.stackPointer()
	if err != nil {
		return err
	}
	pointer.Set(uint64(b.at.StackPointer))
	steps := &steps{g: g}
	steps.once("qjs_set_runtime_and_context", uint64(b.at.Runtime), uint64(b.at.Context))
	steps.once("qjs_set_memory_limit", uint64(s.limits.Memory/4*3))
	steps.once("qjs_set_max_stack_size", uint64(s.limits.Stack))
	return steps.err
}

// remember takes over what the sandbox knew.
func (s *sandbox) remember(from *Suspension) {
	st := from.state
	s.out.Calls = append([]Made(nil), from.Calls...)
	s.out.Logs = append([]Log(nil), st.Logs...)
	s.out.LogsDropped, s.logged = st.LogsDropped, st.Logged
	s.out.Usage.Wall, s.drift = st.Wall, st.Drift
	s.turn.used += st.Used
}

// answer hands over the answers for parked calls.
func (s *sandbox) answer(from *Suspension, answers map[int]Answer) {
	for _, w := range from.Parked {
		a, known := answers[w.Call.Seq]
		if !known {
			s.parked = append(s.parked, w)
			continue
		}
		call := w.Call
		if s.stopped == nil && !s.over {
			s.settle(completion{&call, a})
		}
	}
}

// header is what an encoded suspension has beside memory.
type header struct {
	Calls  []Made    `json:"calls"`
	Parked []Waiting `json:"parked"`
	State  state     `json:"state"`
}

func (from *Suspension) header() ([]byte, error) {
	return json.Marshal(header{from.Calls, from.Parked, from.state})
}
