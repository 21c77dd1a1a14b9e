// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"tollgate/aggregator"
	"tollgate/aggregator/catalog"
	"tollgate/codemode/declare"
	"tollgate/upstream/wire"
)

// surface is a view as programs see it: servers that are globals, with tools that are members. All of it comes from what the
// view shows, so that nothing in it depends on what is hidden.
type surface struct {
	view    *catalog.View
	servers []string           // globals, in the order of upstreams
	at      map[string]*server // by global
	byName  map[string]*tool   // by displayed name
	tools   int
	bytes   int // of their definitions

	compact func() string // the types of all, compact
	ranking func() *ranking
}

// server is one upstream.
type server struct {
	name, upstream, prefix string
	tools                  []*tool
	at                     map[string]*tool // by member
}

// tool is one tool of a server.
type tool struct {
	server *server
	member string
	entry  *catalog.Entry
	doc    declare.Tool
}

// path is what a program calls it by.
func (x *tool) path() string { return x.server.name + "." + x.member }

// surface is that of view. Those of an older catalog are forgotten with the first of a new one, for each holds all of its
// catalog; who still needs one makes it again.
func (t *Tools) surface(view *catalog.View) *surface {
	t.mu.Lock()
	s := t.surfaces[view]
	t.mu.Unlock()
	if s != nil {
		return s
	}
	s = newSurface(view)
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.surfaces[view]; known != nil {
		return known
	}
	for k := range t.surfaces {
		if len(t.surfaces) < maxSurfaces && k.Of(view) {
			continue
		}
		delete(t.surfaces, k)
	}
	t.surfaces[view] = s
	return s
}

func newSurface(view *catalog.View) *surface {
	s := &surface{view: view, at: map[string]*server{}, byName: map[string]*tool{}}
	groups := map[string]*server{}
	var all []*server
	for e := range view.All(catalog.Tool) {
		if e.Upstream == aggregator.OwnUpstream {
			continue
		}
		g := groups[e.Upstream]
		if g == nil {
			g = &server{upstream: e.Upstream, at: map[string]*tool{}}
			g.prefix, _, _ = strings.Cut(e.Name, "__")
			groups[e.Upstream], all = g, append(all, g)
		}
		x := &tool{server: g, entry: e, doc: document(e, view.Definition(e))}
		g.tools = append(g.tools, x)
		s.byName[e.Name] = x
		s.tools++
		s.bytes += len(view.Definition(e))
	}
	slices.SortFunc(all, func(a, b *server) int { return cmp.Compare(a.upstream, b.upstream) })
	var upstreams []string
	for _, g := range all {
		upstreams = append(upstreams, g.upstream)
	}
	s.servers = globals(upstreams)
	for i, g := range all {
		g.name = s.servers[i]
		s.at[g.name] = g
		g.members()
	}
	s.compact = sync.OnceValue(func() string {
		var b strings.Builder
		for _, g := range all {
			b.WriteString(declare.Compact(g.declared()))
		}
		return b.String()
	})
	s.ranking = newRanking(s)
	return s
}

// globals are the names of servers in programs: none is that of a function beside servers.
func globals(upstreams []string) []string {
	upstreams = slices.Clone(upstreams)
	for _, b := range builtins() {
		if i := slices.Index(upstreams, b.Name); b.Global && i >= 0 {
			upstreams[i] = b.Name + "." // no upstream is called so; its name ends with "_"
		}
	}
	return declare.Names(upstreams)
}

// members names the tools of g.
func (g *server) members() {
	slices.SortFunc(g.tools, func(a, b *tool) int { return cmp.Compare(a.entry.OriginalName, b.entry.OriginalName) })
	var originals []string
	for _, x := range g.tools {
		originals = append(originals, x.entry.OriginalName)
	}
	for i, member := range declare.Members(originals) {
		g.tools[i].member = member
		g.at[member] = g.tools[i]
	}
}

// declared is g as package declare takes it.
func (g *server) declared() *declare.Server {
	out := &declare.Server{Name: g.name}
	for _, x := range g.tools {
		out.Tools = append(out.Tools, x.doc)
	}
	return out
}

// document reads a definition.
func document(e *catalog.Entry, definition []byte) declare.Tool {
	text := func(path ...string) string {
		raw, _ := wire.Lookup(definition, path...)
		s, _ := wire.String(raw)
		return s
	}
	flag := func(hint string) *bool {
		raw, ok := wire.Lookup(definition, "annotations", hint)
		is := string(raw) == "true"
		if !ok {
			return nil
		}
		return &is
	}
	d := declare.Tool{
		Name: e.OriginalName, Title: cmp.Or(text("title"), text("annotations", "title")), Description: text("description"),
		ReadOnly: flag("readOnlyHint"), Destructive: flag("destructiveHint"),
	}
	d.Input, _ = wire.Lookup(definition, "inputSchema")
	d.Output, _ = wire.Lookup(definition, "outputSchema")
	return d
}

// small is the compact types of all tools if they have at most so many tokens, else "".
func (s *surface) small(most int) string {
	if most < 0 || s.tools == 0 || tokens(s.bytes) > 32*most { // far beyond: do not even try
		return ""
	}
	if text := s.compact(); tokens(len(text)) <= most {
		return text
	}
	return ""
}

// find is the tool that a model names: as programs do or as it is displayed; nil for none. The first goes before: an
// upstream without a prefix may display a tool as programs call that of another.
func (s *surface) find(name string) *tool {
	global, member, _ := strings.Cut(name, ".")
	if g := s.at[global]; g != nil && g.at[member] != nil {
		return g.at[member]
	}
	return s.byName[name]
}

// displayed is the name under which the gate looks for a member that a program calls of g, which may be nil. One that the
// view does not show is looked for too: the records say whether it is hidden or missing, and the program does not learn
// which. It is never a tool of another server.
func (s *surface) displayed(g *server, global, member string) string {
	if g != nil && g.at[member] != nil {
		return g.at[member].entry.Name
	}
	name := global + "." + member // no displayed name has a dot under a prefix
	switch {
	case g == nil:
	case g.prefix == "" || !strings.HasPrefix(g.tools[0].entry.Name, g.prefix+"__"):
		name = member
	default:
		name = catalog.DisplayName(g.prefix, member, true)
	}
	for s.byName[name] != nil {
		name += "?" // no displayed name has that
	}
	return name
}
