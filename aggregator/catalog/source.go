// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"

	"tollgate/upstream"
)

// Source is one upstream as [Build] takes it. Sources come in the order of the configuration.
type Source struct {
	// Upstream is the configured name, the first half of every identity.
	Upstream string
	// Prefix is put before displayed names. When it is empty, Upstream is, unless PrefixSet says that the empty prefix is
	// meant: then names are shown as they are.
	Prefix    string
	PrefixSet bool
	// Tags are handed to the policy with every entry.
	Tags []string
	// Snapshot is what the upstream offers. nil = nothing yet.
	Snapshot *upstream.Snapshot
}

func (s *Source) prefix() string {
	if s.PrefixSet || s.Prefix != "" {
		return s.Prefix
	}
	return s.Upstream
}

// items is the list of kind k.
func (s *Source) items(k Kind) []upstream.Item {
	switch k {
	case Tool:
		return s.Snapshot.Tools
	case Prompt:
		return s.Snapshot.Prompts
	case Resource:
		return s.Snapshot.Resources
	case Template:
		return s.Snapshot.Templates
	}
	return nil
}

// Problem is something an upstream offers and nobody is shown. It names upstreams and hidden tools, so it is for
// operators only.
type Problem struct {
	Upstream string
	Kind     Kind
	// Item is the upstream's own name or URI of what is not shown; empty when it is everything of that upstream.
	Item   string
	Reason string // names the other upstream of a clash
	Fix    string // what the operator can change; may be empty
}

// String is the problem in one line.
func (p Problem) String() string {
	text := fmt.Sprintf("upstream %q", p.Upstream)
	if p.Item != "" {
		text = fmt.Sprintf("%s %q of %s", p.Kind, p.Item, text)
	}
	text += " is not shown: " + p.Reason
	if p.Fix != "" {
		text += "; " + p.Fix
	}
	return text
}
