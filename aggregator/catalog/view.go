// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"iter"
	"sync"
	"time"

	"tollgate/policy"
)

// ViewOptions configure [Snapshot.NewView]. nil and the zero value are defaults.
type ViewOptions struct {
	// PageSize is the number of entries on a page. 0 = 1000.
	PageSize int
	// Toolset narrows the view. nil = everything that is visible.
	Toolset *Toolset
	// ServerInfo is the gateway's own Implementation object, as JSON. Empty = not told.
	ServerInfo []byte
	// TTL is how long modern clients may reuse a list, at most; upstreams that say less shorten it. 0 = one minute.
	TTL time.Duration
	// Narrowed are tools that this class is shown otherwise than their upstream defines them.
	Narrowed map[*Entry]Narrowed
	// Own is the name of the source that holds the gateway's own tools: no toolset takes those away. "" = there are none.
	Own string
	// Listed, if not nil, says which of the tools that can be called stand in the list too.
	Listed func(e *Entry) bool
}

// Narrowed is the definition of a tool as one class sees it.
type Narrowed struct {
	Definition []byte
	Hash       string // changes exactly when Definition does
}

const (
	defaultPageSize = 1000
	defaultTTL      = time.Minute
)

// View is what one principal class sees of a snapshot, in one toolset. Everything it does not show, it answers like
// something that does not exist. It belongs to its snapshot and never changes; all methods are safe for concurrent use.
type View struct {
	snap    *Snapshot
	options ViewOptions
	visible Visible
	ttl     time.Duration
	facts   Capabilities
	shown   Bits // positions of the members of which the view shows something

	lists        [Kinds]viewList
	instructions func() string
}

// Capabilities are what a view has to offer.
type Capabilities struct {
	Tools, Prompts, Resources, Templates bool
	// Completions: an upstream of a shown prompt or template completes arguments.
	Completions bool
	// Subscribe: an upstream of a shown resource or template takes subscriptions.
	Subscribe bool
}

// NewView makes the view of a class that may see visible, which is copied. It costs one pass over the catalog and, with a
// toolset, one over its patterns for each visible entry.
func (s *Snapshot) NewView(visible Visible, o *ViewOptions) *View {
	v := &View{snap: s}
	if o != nil {
		v.options = *o
	}
	if v.options.PageSize <= 0 {
		v.options.PageSize = defaultPageSize
	}
	if v.ttl = v.options.TTL; v.ttl <= 0 {
		v.ttl = defaultTTL
	}
	v.shown = NewBits(len(s.members))
	for k := range Kind(Kinds) {
		v.narrow(k, visible[k])
	}
	for i := range v.shown.All() {
		if ttl := s.members[i].ttl; ttl > 0 {
			v.ttl = min(v.ttl, ttl)
		}
	}
	v.instructions = sync.OnceValue(v.mergeInstructions)
	return v
}

// narrow sets what is visible of kind k.
func (v *View) narrow(k Kind, visible Bits) {
	list := &v.snap.lists[k]
	b := NewBits(len(list.entries))
	copy(b, visible)
	b.truncate(len(list.entries))
	if t := v.options.Toolset; t != nil {
		for i := range b.All() {
			if e := list.entries[i]; !t.Has(e) && (v.options.Own == "" || e.Upstream != v.options.Own) {
				b.Clear(i)
			}
		}
	}
	v.visible[k] = b
	for i := range b.All() {
		v.note(k, int(list.members[i]))
	}
}

// note records that the view shows something of kind k from a member.
func (v *View) note(k Kind, at int) {
	m := &v.snap.members[at]
	v.shown.Set(at)
	switch k {
	case Tool:
		v.facts.Tools = true
	case Prompt:
		v.facts.Prompts = true
		v.facts.Completions = v.facts.Completions || m.completions
	case Resource:
		v.facts.Resources = true
		v.facts.Subscribe = v.facts.Subscribe || m.subscribe
	case Template:
		v.facts.Templates = true
		v.facts.Completions = v.facts.Completions || m.completions
		v.facts.Subscribe = v.facts.Subscribe || m.subscribe
	}
}

// Capabilities are what the view has to offer.
func (v *View) Capabilities() Capabilities { return v.facts }

// Count is the number of entries of kind k that the view shows.
func (v *View) Count(k Kind) int { return v.visible[k].Count() }

// All yields the entries of kind k that the view shows, in the order of the list, those that are called by name without
// standing in the list included.
func (v *View) All(k Kind) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for i := range v.visible[k].All() {
			if !yield(v.snap.lists[k].entries[i]) {
				return
			}
		}
	}
}

// Definition is e, an entry of the view's snapshot, as the view shows it.
func (v *View) Definition(e *Entry) []byte {
	if n, ok := v.options.Narrowed[e]; ok {
		return n.Definition
	}
	return e.Definition
}

// Of reports whether v and other are views of one snapshot.
func (v *View) Of(other *View) bool { return v.snap == other.snap }

// Shows reports whether the view shows e, which must be an entry of its snapshot.
func (v *View) Shows(e *Entry) bool {
	found, ok := v.lookup(e.Kind, e.Key())
	return ok && found == e
}

// Includes reports whether the view's toolset would show an object that is in no list, such as a resource an upstream
// named only in a result. Whether the policy would is for the caller to ask.
func (v *View) Includes(o policy.Object) bool {
	if v.options.Toolset == nil {
		return true
	}
	for k := range Kind(Kinds) {
		if k.String() == o.Kind {
			key := o.URI
			if k.named() {
				key = o.Name
			}
			return v.options.Toolset.includes(k, key, o.Upstream)
		}
	}
	return false
}
