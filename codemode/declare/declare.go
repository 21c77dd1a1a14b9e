// SPDX-License-Identifier: Apache-2.0

package declare

import (
	"encoding/json"
	"strings"

	"tollgate/upstream/wire"
)

// Tool is what a declaration is made of. Everything in it comes from an upstream.
type Tool struct {
	Name               string // members are named from it
	Title, Description string
	Input, Output      json.RawMessage // JSON Schemas; Output may be missing
	ReadOnly           *bool           // nil: the upstream does not say
	Destructive        *bool
	Approval           bool // calls wait for a person
}

// Server is a server as scripts see it.
type Server struct {
	Name, Description string // Name is a global identifier, or becomes one
	Tools             []Tool
}

// style says how much is written.
type style struct {
	compact     bool
	depth       int // types inside of each other
	size        int // bytes of the type of one input or output
	description int // bytes of a description of a tool
	note        int // bytes of one of a property
}

func styleOf(compact bool) style {
	if compact {
		return style{compact: true, depth: 5, size: 1 << 10, description: 100}
	}
	return style{depth: 16, size: 24 << 10, description: 8 << 10, note: 2 << 10}
}

// Full declares all tools of a server with what is said about them and their arguments.
func Full(s *Server) string { return server(s, styleOf(false)) }

// Compact declares all tools of a server, one per line.
func Compact(s *Server) string { return server(s, styleOf(true)) }

func server(s *Server, how style) string {
	names := make([]string, len(s.Tools))
	for i := range s.Tools {
		names[i] = s.Tools[i].Name
	}
	used := map[string]bool{}
	var members strings.Builder
	var types strings.Builder
	for i, member := range Members(names) {
		m := &method{tool: &s.Tools[i], member: member, how: how, types: &types, used: used}
		m.write(&members, "  ", member)
	}
	var b strings.Builder
	b.WriteString(types.String())
	text := clean(s.Description)
	if how.compact {
		text = sentence(text, how.description)
	}
	comment(&b, "", cut(text, how.description+how.note))
	b.WriteString("declare const " + Names([]string{s.Name})[0] + ": {\n")
	b.WriteString(members.String())
	b.WriteString("};\n")
	return b.String()
}

// One declares one tool as server.member(input: …): Promise<…>, with the types that it needs in front.
func One(server, member string, t *Tool, compact bool) string {
	var types, b strings.Builder
	m := &method{tool: t, member: member, how: styleOf(compact), types: &types, used: map[string]bool{}}
	m.write(&b, "", server+"."+member)
	return types.String() + b.String()
}

// method writes one tool.
type method struct {
	tool   *Tool
	member string
	how    style
	types  *strings.Builder // declarations of types that have names
	used   map[string]bool  // these names
}

func (m *method) write(b *strings.Builder, indent, name string) {
	if !m.how.compact {
		comment(b, indent, m.describe())
	}
	b.WriteString(indent + name + "(")
	input := m.schema(m.tool.Input, "Input", indent)
	if !m.none(input.text) {
		b.WriteString("input")
		if input.optional {
			b.WriteString("?")
		}
		b.WriteString(": " + input.text)
	}
	b.WriteString("): Promise<" + m.output(indent) + ">;")
	if m.how.compact {
		if text := m.describe(); text != "" {
			b.WriteString(" // " + text)
		}
	}
	b.WriteString("\n")
}

// none reports whether a tool whose input has this type takes no arguments: it declares that there are none.
func (m *method) none(input string) bool {
	properties, declared := wire.Lookup(m.tool.Input, "properties")
	return input == "{}" || input == anyObject && declared && empty(properties) && wire.CheckUnique(m.tool.Input) == nil
}

func (m *method) output(indent string) string {
	if len(m.tool.Output) == 0 {
		return "unknown"
	}
	return m.schema(m.tool.Output, "Output", indent).text
}

// describe is what a comment says of the tool.
func (m *method) describe() string {
	marks := marksOf(m.tool)
	if m.how.compact {
		text := sentence(m.tool.Description, m.how.description)
		if text == "" {
			text = sentence(m.tool.Title, m.how.description)
		}
		return strings.TrimSpace(marks + " " + text)
	}
	text := cut(clean(m.tool.Description), m.how.description)
	if text == "" {
		text = cut(oneLine(m.tool.Title), m.how.note)
	}
	return strings.TrimSpace(marks + " " + text)
}

// marksOf says whether a tool reads or writes, in brackets; "" when the upstream does not say.
func marksOf(t *Tool) string {
	var marks []string
	switch {
	case t.ReadOnly != nil && *t.ReadOnly:
		marks = append(marks, "read")
	case t.Destructive != nil && *t.Destructive:
		marks = append(marks, "write", "destructive")
	case t.ReadOnly != nil || t.Destructive != nil:
		marks = append(marks, "write")
	}
	if t.Approval {
		marks = append(marks, "approval")
	}
	if len(marks) == 0 {
		return ""
	}
	return "[" + strings.Join(marks, ", ") + "]"
}
