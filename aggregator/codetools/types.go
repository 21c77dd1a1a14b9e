// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"fmt"
	"strings"

	"tollgate/aggregator/catalog"
	"tollgate/codemode/declare"
)

// ExecuteTool is the name of the tool that runs programs.
func (t *Tools) ExecuteTool() string { return t.names.execute }

// Types are the declarations of the tools that view shows, of all servers or of one.
func (t *Tools) Types(view *catalog.View, only string, compact bool) (string, error) {
	s := newSurface(view)
	if only != "" && s.server(only) == nil {
		return "", fmt.Errorf("there is no server %q; servers: %s", only, strings.Join(s.servers, ", "))
	}
	var b strings.Builder
	for _, name := range s.servers {
		g := s.at[name]
		switch {
		case only != "" && g != s.server(only):
		case compact:
			b.WriteString(declare.Compact(g.declared()))
		default:
			b.WriteString(declare.Full(g.declared()))
		}
	}
	return b.String(), nil
}
