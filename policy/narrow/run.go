// SPDX-License-Identifier: Apache-2.0

package narrow

import "strconv"

// maxNesting bounds the stack of one evaluation.
const maxNesting = 4096

// run is the evaluation of one value. Every schema, value and comparison costs fuel, so it ends however a schema branches or
// refers to itself. An evaluation without fuel says nothing: see run.over.
type run struct {
	fuel   int
	depth  int
	tracks bool     // whether anybody asks for seen
	path   []string // names and positions from the outermost value to this one
}

// miss says that a value does not satisfy a schema.
type miss struct {
	path  []string // to the value
	text  string   // what it must be, continuing "argument x ..."; "" for noValue and out of fuel
	kind  missKind
	types int // of kind wrong: the right ones
}

type missKind int

const (
	other    missKind = iota
	wrong             // of another type
	missing           // text is the name of a member
	noValue           // nothing satisfies the schema
	overdone          // out of fuel
)

func (r *run) spend(n int) { r.fuel -= n }

// over reports whether the evaluation was cut short, so that its answer means nothing.
func (r *run) over() bool { return r.fuel < 0 }

func (r *run) miss(text string) *miss { return r.missOf(other, text) }

func (r *run) missOf(kind missKind, text string) *miss {
	r.spend(len(r.path)) // a schema that probes deep values would otherwise fill memory with paths
	return &miss{path: append([]string(nil), r.path...), text: text, kind: kind}
}

// eval answers nil when v satisfies n, and adds to out, if there, what was looked at in v.
func (r *run) eval(n *node, v any, out *seen) *miss {
	r.spend(1 + len(n.keywords))
	if r.over() || r.depth >= maxNesting {
		r.fuel = min(r.fuel, -1)
		return &miss{kind: overdone}
	}
	var local *seen
	if r.tracks {
		local = &seen{}
	}
	var m *miss
	r.depth++
	for _, k := range n.keywords {
		if m = k.eval(r, v, local); m != nil {
			break
		}
	}
	if r.depth--; m == nil {
		out.add(local)
	}
	return m
}

// member evaluates a member of a value.
func (r *run) member(n *node, name string, v any) *miss {
	r.path = append(r.path, name)
	m := r.eval(n, v, nil)
	r.path = r.path[:len(r.path)-1]
	return m
}

func (r *run) item(n *node, i int, v any) *miss {
	if len(n.keywords) == 0 {
		r.spend(1)
		return nil
	}
	return r.member(n, strconv.Itoa(i), v)
}

// seen is what the keywords of a schema looked at in one object or array.
type seen struct {
	names    map[string]bool
	items    int // so many from the first on
	single   map[int]bool
	allNames bool
	allItems bool
}

func (s *seen) name(name string) {
	if s == nil {
		return
	}
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[name] = true
}

func (s *seen) index(i int) {
	if s == nil {
		return
	}
	if s.single == nil {
		s.single = map[int]bool{}
	}
	s.single[i] = true
}

func (s *seen) first(n int, all bool) {
	if s != nil {
		s.items, s.allItems = max(s.items, n), s.allItems || all
	}
}

func (s *seen) add(o *seen) {
	if s == nil || o == nil {
		return
	}
	for name := range o.names {
		s.name(name)
	}
	for i := range o.single {
		s.index(i)
	}
	s.first(o.items, o.allItems)
	s.allNames = s.allNames || o.allNames
}
