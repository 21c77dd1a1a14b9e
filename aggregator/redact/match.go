// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"bytes"
	"strconv"
)

// matcher follows all pointers at once. A state is a segment that has to match next, or the end of a pointer; a set of
// states is a few words with a bit for each. The states of one pointer are neighbours in one word, so going on to the next
// segment is a shift.
type matcher struct {
	start    []uint64 // where every document begins
	one      []uint64 // states at a *
	deep     []uint64 // states at a **
	literals []uint64 // states at a name
	indices  []uint64 // those of literals that can be an index
	final    []uint64 // ends of pointers
	names    map[string][]uint64
	lengths  uint64 // of names, to look up few of those that no pointer has
	elements map[int][]uint64
}

func newMatcher(pointers [][]segment) *matcher {
	m := &matcher{names: map[string][]uint64{}, elements: map[int][]uint64{}}
	used, first := make([]int, 0, 1), make([]int, len(pointers)) // bits taken of each word; first state of each pointer
	for i, p := range pointers {
		if len(used) == 0 || used[len(used)-1]+len(p)+1 > 64 {
			used = append(used, 0)
		}
		first[i] = (len(used)-1)*64 + used[len(used)-1]
		used[len(used)-1] += len(p) + 1
	}
	words := len(used)
	for _, set := range []*[]uint64{&m.start, &m.one, &m.deep, &m.literals, &m.indices, &m.final} {
		*set = make([]uint64, words)
	}
	for i, p := range pointers {
		add(m.start, first[i])
		for j, s := range p {
			m.add(first[i]+j, s, words)
		}
		add(m.final, first[i]+len(p))
	}
	m.close(m.start)
	return m
}

func add(set []uint64, state int) { set[state/64] |= 1 << (state % 64) }

func (m *matcher) add(state int, s segment, words int) {
	switch s.kind {
	case anyOne:
		add(m.one, state)
		return
	case anyDeep:
		add(m.deep, state)
		return
	}
	add(m.literals, state)
	m.lengths |= 1 << min(len(s.name), 63)
	if m.names[s.name] == nil {
		m.names[s.name] = make([]uint64, words)
	}
	add(m.names[s.name], state)
	if i, err := strconv.Atoi(s.name); err == nil && strconv.Itoa(i) == s.name && i >= 0 {
		add(m.indices, state)
		m.elements[i] = m.names[s.name]
	}
}

// close adds what ** leads to without a level of its own. No pointer has two ** in a row.
func (m *matcher) close(set []uint64) {
	for i := range set {
		set[i] |= (set[i] & m.deep[i]) << 1
	}
}

// step puts the states after one more level into to and reports whether there are any. hit are the states whose name the
// level has, nil for none. to may be from.
func (m *matcher) step(to, from, hit []uint64) bool {
	var some uint64
	for i, s := range from {
		match := m.one[i]
		if hit != nil {
			match |= hit[i]
		}
		n := (s&match)<<1 | s&m.deep[i]
		n |= (n & m.deep[i]) << 1
		to[i] = n
		some |= n
	}
	return some != 0
}

// hitName are the states whose name key means; key is as written, without its quotes.
func (m *matcher) hitName(key []byte) []uint64 {
	switch {
	case bytes.IndexByte(key, '\\') >= 0:
		return m.names[name(key)]
	case m.lengths>>min(len(key), 63)&1 == 0:
		return nil
	}
	return m.names[string(key)]
}

// meet reports whether two sets have a state in common.
func meet(a, b []uint64) bool {
	for i := range a {
		if a[i]&b[i] != 0 {
			return true
		}
	}
	return false
}
