// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"fmt"
	"strings"

	"tollgate/aggregator"
	"tollgate/codemode/declare"
)

const (
	// folder holds one file of types for each server.
	folder = "servers/"
	// suffix is that of its files.
	suffix = ".d.ts"
	// maxFiles bounds the tools that a list of files names.
	maxFiles = 100
)

// listFiles is the virtual folder, with the tools that fit a query under each file.
func (t *Tools) listFiles(s *surface, q *query) string {
	var b strings.Builder
	if strings.TrimSpace(q.Query) == "" {
		for _, name := range s.servers {
			if g := s.at[name]; q.Server == "" || g == s.server(q.Server) {
				fmt.Fprintf(&b, "%s%s%s (%d tools)\n", folder, name, suffix, len(g.tools))
			}
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
	q.Limit = maxHits
	hits, _ := t.ranked(s, q)
	for _, g := range grouped(hits[:min(len(hits), maxFiles)]) {
		fmt.Fprintf(&b, "%s%s%s\n", folder, g[0].server.name, suffix)
		for _, x := range g {
			fmt.Fprintf(&b, "  %s%s/%s%s: %s\n", folder, x.server.name, x.member, suffix, clip(plainLine(x.doc.Description), maxLine))
		}
	}
	if b.Len() == 0 {
		return fmt.Sprintf("No file fits %q.", clip(q.Query, 100))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// readFile is one file of the virtual folder: the types of a server, or of one tool of it.
func (t *Tools) readFile(s *surface, name string) aggregator.OwnReply {
	out, ok := s.file(name)
	if !ok {
		return failure(fmt.Sprintf("there is no file %q; %s lists them", clip(name, 100), t.names.search))
	}
	return text(out)
}

func (s *surface) file(name string) (string, bool) {
	path, ok := strings.CutSuffix(strings.TrimPrefix(strings.TrimPrefix(name, "./"), folder), suffix)
	if !ok {
		return "", false
	}
	global, member, one := strings.Cut(path, "/")
	g := s.at[global]
	if g == nil {
		return "", false
	}
	if !one {
		out := declare.Full(g.declared())
		if len(out) > maxAnswer {
			out = declare.Compact(g.declared())
		}
		return bounded(out), true
	}
	x := g.at[member]
	if x == nil {
		return "", false
	}
	return declare.One(g.name, x.member, &x.doc, false), true
}
