// SPDX-License-Identifier: Apache-2.0

package catalog

// Kind is one of the four lists of MCP. It indexes [Visible].
type Kind int

// The kinds, in the order in which they are listed anywhere.
const (
	Tool Kind = iota
	Prompt
	Resource
	Template

	// Kinds is their number.
	Kinds = 4
)

// String is the word that policies, toolsets and problems use.
func (k Kind) String() string {
	switch k {
	case Tool:
		return "tool"
	case Prompt:
		return "prompt"
	case Resource:
		return "resource"
	case Template:
		return "template"
	}
	return "unknown kind"
}

// named reports whether entries of k are found by name rather than by URI.
func (k Kind) named() bool { return k == Tool || k == Prompt }

// keyMember is the member of a definition by which clients ask for it.
func (k Kind) keyMember() string {
	switch k {
	case Resource:
		return "uri"
	case Template:
		return "uriTemplate"
	default:
		return "name"
	}
}

// listMember is the member of a list result that holds the definitions.
func (k Kind) listMember() string {
	switch k {
	case Prompt:
		return "prompts"
	case Resource:
		return "resources"
	case Template:
		return "resourceTemplates"
	default:
		return "tools"
	}
}
