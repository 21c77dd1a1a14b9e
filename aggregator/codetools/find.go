// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tollgate/aggregator"
	"tollgate/codemode/declare"
	"tollgate/upstream/wire"
)

const (
	// defaultHits and maxHits are how many tools a search shows.
	defaultHits = 8
	maxHits     = 50
	// maxRead bounds the names of one read.
	maxRead = 200
	// maxLine bounds what a search says of a tool, in bytes.
	maxLine = 160
)

// query is what search is asked.
type query struct {
	Query  string `json:"query"`
	Server string `json:"server"`
	Limit  int    `json:"limit"`
	Detail string `json:"detail"`
}

// search answers the tools that a query finds.
func (t *Tools) search(c *aggregator.OwnCall, s *surface, mode string) aggregator.OwnReply {
	var q query
	if err := decode(c.Arguments, &q, "query", "server", "limit", "detail"); err != nil {
		return failure(err.Error())
	}
	if t.names.files {
		return text(t.listFiles(s, &q))
	}
	out, err := t.found(s, &q, mode)
	if err != nil {
		return failure(err.Error())
	}
	return text(out)
}

// found is the answer to a query as text.
func (t *Tools) found(s *surface, q *query, mode string) (string, error) {
	if q.Server != "" && s.server(q.Server) == nil {
		return "", fmt.Errorf("there is no server %q; servers: %s", clip(q.Server, 100), clip(strings.Join(s.servers, ", "), maxNamed))
	}
	if strings.TrimSpace(q.Query) == "" && q.Server == "" {
		return s.overview(), nil
	}
	hits, more := t.ranked(s, q)
	if len(hits) == 0 {
		return fmt.Sprintf("Nothing fits %q. An empty query lists servers: %s.", clip(q.Query, 100), clip(strings.Join(s.servers, ", "), maxNamed)), nil
	}
	var b strings.Builder
	for _, g := range grouped(hits) {
		switch {
		case q.Detail == "types" && mode != Search:
			for _, x := range g {
				b.WriteString(declare.One(x.server.name, x.member, &x.doc, true) + "\n")
			}
		case q.Detail == "types":
			for _, x := range g {
				b.Write(s.view.Definition(x.entry))
				b.WriteByte('\n')
			}
		default:
			for _, x := range g {
				b.WriteString(x.line(mode) + "\n")
			}
		}
	}
	if more > 0 {
		fmt.Fprintf(&b, "%d more fit: ask more closely, or with a larger limit.\n", more)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// grouped are hits by server, the server of the best first.
func grouped(hits []*tool) [][]*tool {
	var out [][]*tool
	at := map[*server]int{}
	for _, x := range hits {
		i, ok := at[x.server]
		if !ok {
			i = len(out)
			at[x.server], out = i, append(out, nil)
		}
		out[i] = append(out[i], x)
	}
	return out
}

// line is what a search says of a tool.
func (x *tool) line(mode string) string {
	name := x.path()
	if mode == Search {
		name = x.entry.Name
	}
	mark := ""
	switch {
	case x.doc.Destructive != nil && *x.doc.Destructive:
		mark = " [write]"
	case x.doc.ReadOnly != nil && *x.doc.ReadOnly:
		mark = " [read]"
	}
	return clip(fmt.Sprintf("%s%s: %s", name, mark, plainLine(cmp.Or(x.doc.Description, x.doc.Title))), maxLine)
}

// overview names the servers and what they have.
func (s *surface) overview() string {
	if len(s.servers) == 0 {
		return "There are no tools."
	}
	var b strings.Builder
	for _, name := range s.servers {
		fmt.Fprintf(&b, "%s: %d tools\n", name, len(s.at[name].tools))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// server is the one of a global or of an upstream; nil for none.
func (s *surface) server(name string) *server {
	if g := s.at[name]; g != nil {
		return g
	}
	for _, g := range s.at {
		if g.upstream == name {
			return g
		}
	}
	return nil
}

// read answers the types, or in mode search the definitions, of tools.
func (t *Tools) read(c *aggregator.OwnCall, s *surface, mode string) aggregator.OwnReply {
	var in struct {
		Names    []string `json:"names"`
		FileName string   `json:"fileName"`
	}
	if err := decode(c.Arguments, &in, "names", "fileName"); err != nil {
		return failure(err.Error())
	}
	if t.names.files {
		return t.readFile(s, in.FileName)
	}
	if len(in.Names) == 0 || len(in.Names) > maxRead {
		return failure(fmt.Sprintf("give 1 to %d names", maxRead))
	}
	out, missing := s.types(in.Names, mode)
	if out == "" {
		return failure(s.unknown(missing))
	}
	if len(missing) > 0 {
		out += "\n" + s.unknown(missing)
	}
	return text(out)
}

// types are those of names, as many as an answer has room for, and the names of nothing.
func (s *surface) types(names []string, mode string) (out string, missing []string) {
	var b strings.Builder
	left := 0
	seen := map[*tool]bool{}
	write := func(x *tool) {
		if seen[x] {
			return
		}
		if seen[x] = true; b.Len() > maxAnswer*3/4 {
			left++
			return
		}
		if mode == Search {
			b.Write(s.view.Definition(x.entry))
		} else {
			b.WriteString(strings.TrimSuffix(declare.One(x.server.name, x.member, &x.doc, false), "\n"))
		}
		b.WriteByte('\n')
	}
	for _, name := range names {
		if global, ok := strings.CutSuffix(name, ".*"); ok && s.server(global) != nil {
			for _, x := range s.server(global).tools {
				write(x)
			}
			continue
		}
		if x := s.find(name); x != nil {
			write(x)
			continue
		}
		missing = append(missing, name)
	}
	if left > 0 {
		fmt.Fprintf(&b, "(%d more tools: name fewer at once)\n", left)
	}
	return strings.TrimSuffix(b.String(), "\n"), missing
}

// unknown says that names are of nothing, and what is near them.
func (s *surface) unknown(names []string) string {
	var lines []string
	for _, name := range names[:min(len(names), 10)] {
		line := fmt.Sprintf("%s is not a tool.", clip(name, 100))
		if near := s.near(name); len(near) > 0 {
			line += " Did you mean " + strings.Join(near, ", ") + "?"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

const (
	// maxNear is how many names are proposed.
	maxNear = 3
	// maxLooked is with how many tools a name is compared: programs may ask often, and that is not their own time.
	maxLooked = 1 << 11
)

// near are the tools whose path is most like name, of its server before others.
func (s *surface) near(name string) []string {
	type candidate struct {
		path string
		far  int
	}
	var all []candidate
	global, member, dotted := strings.Cut(name, ".")
	if !dotted {
		global, member = "", name
	}
	most, looked := min(max(2, len(member)/3), maxCompared/3), 0
	look := func(g *server) {
		for _, x := range g.tools[:min(len(g.tools), maxLooked-looked)] {
			looked++
			far := min(within(name, x.path(), most), within(member, x.member, most-1)+1, within(name, x.entry.Name, most))
			if far > 0 && far <= most { // one that is called so was there a moment ago
				all = append(all, candidate{x.path(), far})
			}
		}
	}
	if g := s.at[global]; g != nil {
		look(g)
	}
	for _, other := range s.servers {
		if other != global {
			look(s.at[other])
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.path, b.path)) })
	var out []string
	for _, c := range all[:min(len(all), maxNear)] {
		out = append(out, c.path)
	}
	return out
}

// decode reads those arguments of an own tool that names says, spelt exactly so: rules and records know no others. What is
// missing is zero; what is too much is left alone.
func decode(arguments []byte, into any, names ...string) error {
	known := []byte("{}")
	for m := range wire.Members(arguments) {
		if slices.Contains(names, m.Name) {
			known = wire.Set(known, m.Name, m.Value)
		}
	}
	var wrong *json.UnmarshalTypeError
	switch err := json.Unmarshal(known, into); {
	case errors.As(err, &wrong):
		return fmt.Errorf("the arguments are not what the tool takes: %s must not be a %s", wrong.Field, wrong.Value)
	case err != nil:
		return errors.New("the arguments are not what the tool takes")
	}
	return nil
}
