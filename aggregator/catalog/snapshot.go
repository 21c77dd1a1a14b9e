// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"time"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// Snapshot is the whole catalog at one moment, whoever may see it. It is never changed after [Build], so all methods are
// safe for concurrent use.
type Snapshot struct {
	// Revision is the same for two snapshots when clients and policies cannot tell them apart.
	Revision string
	// Problems are what upstreams offer and nobody is shown.
	Problems []Problem

	lists     [Kinds]listing
	members   []member          // in the order of the sources
	templates []int32           // positions of Template entries, in the order in which they are matched
	apps      map[string]appURI // that tools name and no list shows, by displayed URI

	identities func() map[identityKey]int32 // positions of tools
}

// listing is one kind. The three hold the same entries; position i is bit i of a [Visible].
type listing struct {
	entries []*Entry // by key
	members []int32  // position in Snapshot.members
	index   map[string]int32
}

// member is one upstream as a whole.
type member struct {
	name, instructions                string
	capabilities                      []byte
	completions, subscribe, resources bool
	ttl                               time.Duration
	tags                              []string
	revision                          wire.Revision
}

// Entries are the entries of kind k, sorted by [Entry.Key] byte by byte. The slice must not be changed.
func (s *Snapshot) Entries(k Kind) []*Entry { return s.lists[k].entries }

// Everything is the view of one who may see it all: for operators and tests.
func (s *Snapshot) Everything() Visible {
	var v Visible
	for k := range v {
		v[k] = AllBits(len(s.lists[k].entries))
	}
	return v
}

// ResourceUpstreams are the names of the upstreams that serve resources, in the order of the sources. The slice is the
// caller's.
func (s *Snapshot) ResourceUpstreams() []string {
	var names []string
	for i := range s.members {
		if s.members[i].resources {
			names = append(names, s.members[i].name)
		}
	}
	return names
}

// ResourceObject is what the policy decides on for a resource that name's upstream may serve without listing it. listed
// says that the upstream does list it, so that its own entry decides.
func (s *Snapshot) ResourceObject(name, uri string) (o policy.Object, listed bool) {
	o = policy.Object{Kind: Resource.String(), URI: uri, Upstream: name, OriginalName: uri}
	for i := range s.members {
		if s.members[i].name == name {
			o.Tags = s.members[i].tags
		}
	}
	return o, s.resource(name, uri) >= 0
}

// Speaks is the protocol revision of the named upstream; "" when it is not in the snapshot.
func (s *Snapshot) Speaks(name string) wire.Revision {
	for i := range s.members {
		if s.members[i].name == name {
			return s.members[i].revision
		}
	}
	return ""
}

// resource is the position of the resource that name's upstream calls uri, or -1.
func (s *Snapshot) resource(name, uri string) int {
	list := &s.lists[Resource]
	if i, ok := list.index[uri]; ok && list.entries[i].Upstream == name && list.entries[i].OriginalName == uri {
		return int(i)
	}
	if i, ok := list.index[aliasURI(name, uri)]; ok && list.entries[i].Upstream == name && list.entries[i].OriginalName == uri {
		return int(i)
	}
	return -1
}
