// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// Build makes the catalog of sources, which are in the order of the configuration. The result depends on the sources
// alone; prev, which may be nil, only lends its entries where nothing changed, and is returned itself when nothing at all
// did. The definitions in sources are kept, not copied, and must not change any more.
//
// Where two upstreams would display the same name or URI, one keeps it and the other is a [Problem]: a name under a prefix
// goes before a bare one, then the order of sources decides. Of two equal URIs the later is shown under an alias.
func Build(prev *Snapshot, sources []Source) *Snapshot {
	b := &builder{prev: prev, next: &Snapshot{}}
	b.join(sources)
	b.readApps()
	var dealt [Kinds]claims
	for k := range Kind(Kinds) {
		dealt[k] = b.claims(k)
	}
	b.dealt(dealt[Resource].won)
	for k := range Kind(Kinds) {
		b.kind(k, &dealt[k])
	}
	b.next.order()
	b.next.identities = sync.OnceValue(b.next.byIdentity)
	b.next.Revision = b.next.revision()
	if prev != nil && prev.Revision == b.next.Revision && slices.Equal(prev.Problems, b.next.Problems) {
		return prev
	}
	return b.next
}

type builder struct {
	prev, next *Snapshot
	sources    []Source       // those that take part
	member     map[string]int // upstream -> position in next.members

	links    map[*upstream.Item]toolLinks // of the tools that name apps
	shownApp map[appURI]string            // how an app is displayed
}

// join admits the sources that have something to offer and can be named.
func (b *builder) join(sources []Source) {
	b.member = make(map[string]int, len(sources))
	for i := range sources {
		s := sources[i]
		if s.Snapshot == nil {
			continue
		}
		if err := CheckPrefix(s.prefix()); err != nil {
			b.next.Problems = append(b.next.Problems, Problem{Upstream: s.Upstream, Reason: err.Error(), Fix: "change its prefix"})
			continue
		}
		if _, dup := b.member[s.Upstream]; dup {
			b.next.Problems = append(b.next.Problems, Problem{Upstream: s.Upstream, Reason: "another upstream has the same name", Fix: "rename one of them"})
			continue
		}
		b.member[s.Upstream] = len(b.sources)
		b.sources = append(b.sources, s)
		b.next.members = append(b.next.members, newMember(&s))
	}
}

// claims deals out the keys of kind k.
func (b *builder) claims(k Kind) claims {
	room := 0
	for i := range b.sources {
		room += len(b.sources[i].items(k))
	}
	c := claims{kind: k, owner: make(map[string]*Source, room), won: make([]claim, 0, room)}
	switch k {
	case Tool, Prompt:
		c.names(b.sources)
	case Resource:
		c.uris(b.sources, b.unlistedApps)
	default:
		c.uris(b.sources, func(*Source) []upstream.Item { return nil })
	}
	return c
}

// kind fills the list of kind k from the keys dealt out.
func (b *builder) kind(k Kind, c *claims) {
	slices.SortFunc(c.won, func(x, y claim) int { return strings.Compare(x.key, y.key) })
	list := listing{
		entries: make([]*Entry, 0, len(c.won)), members: make([]int32, 0, len(c.won)), index: make(map[string]int32, len(c.won)),
	}
	templates := map[*Source]int{}
	for _, w := range c.won {
		if w.unlisted {
			continue
		}
		if k == Template {
			if templates[w.source]++; templates[w.source] > maxTemplates {
				c.lost(w.source, w.item, fmt.Sprintf("the upstream has more than %d templates", maxTemplates), "")
				continue
			}
		}
		e, err := b.entry(k, w)
		if err != nil {
			c.lost(w.source, w.item, err.Error(), "")
			continue
		}
		list.index[w.key] = int32(len(list.entries))
		list.entries = append(list.entries, e)
		list.members = append(list.members, int32(b.member[w.source.Upstream]))
	}
	b.next.lists[k] = list
	b.next.Problems = append(b.next.Problems, c.problems...)
}

// entry takes the entry from the previous snapshot or makes it.
func (b *builder) entry(k Kind, w claim) (*Entry, error) {
	sum := w.item.Hash
	if sum == "" {
		sum = wire.Digest(w.item.Raw)
	}
	links := b.links[w.item]
	if links.err != nil {
		return nil, links.err
	}
	shown := b.shownLinks(w.source, links.appLinks)
	if b.prev != nil {
		if i, ok := b.prev.lists[k].index[w.key]; ok {
			if e := b.prev.lists[k].entries[i]; e.same(w.source, w.item, sum) && e.apps == shown {
				return e, nil
			}
		}
	}
	e, err := newEntry(k, w.source, w.item, w.key, sum)
	if err != nil {
		return nil, err
	}
	e.Definition, e.apps = links.splice(e.Definition, shown), shown
	return e, nil
}

// newMember reads what a view needs to know of an upstream as a whole.
func newMember(s *Source) member {
	m := member{name: s.Upstream, instructions: s.Snapshot.Instructions, ttl: s.Snapshot.TTL, tags: s.Tags, revision: s.Snapshot.Revision}
	_, m.completions = wire.Lookup(s.Snapshot.Capabilities, "completions")
	resources, ok := wire.Lookup(s.Snapshot.Capabilities, "resources")
	m.subscribe = isTrue(resources, "subscribe")
	m.resources = ok || len(s.Snapshot.Resources)+len(s.Snapshot.Templates) > 0
	m.capabilities = s.Snapshot.Capabilities
	return m
}

// order sorts templates for matching: the longest literal start first, so that {+anything} takes only what nobody asked
// for more precisely.
func (s *Snapshot) order() {
	list := s.lists[Template].entries
	s.templates = make([]int32, len(list))
	for i := range list {
		s.templates[i] = int32(i)
	}
	slices.SortStableFunc(s.templates, func(x, y int32) int {
		return len(list[y].template.literal) - len(list[x].template.literal)
	})
}

// revision digests everything a client or a policy can observe of s.
func (s *Snapshot) revision() string {
	h := sha256.New()
	var d digest
	for i := range s.members {
		m := &s.members[i]
		d.add(h, m.name, m.instructions, string(m.capabilities), strconv.FormatInt(int64(m.ttl), 10))
	}
	for k := range s.lists {
		d.add(h, strconv.Itoa(len(s.lists[k].entries)))
		for _, e := range s.lists[k].entries {
			d.add(h, e.Key(), e.Upstream, e.OriginalName, e.Hash, e.apps.nested, e.apps.flat, strconv.Itoa(len(e.Object.Tags)))
			d.add(h, e.Object.Tags...)
		}
	}
	for _, uri := range slices.Sorted(maps.Keys(s.apps)) {
		d.add(h, uri, s.apps[uri].upstream, s.apps[uri].own)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// digest feeds strings to a hash, each after its length, so that no two sequences of strings feed the same bytes.
type digest struct{ buf []byte }

func (d *digest) add(h hash.Hash, parts ...string) {
	d.buf = d.buf[:0]
	for _, p := range parts {
		d.buf = strconv.AppendInt(d.buf, int64(len(p)), 10)
		d.buf = append(d.buf, ':')
		d.buf = append(d.buf, p...)
	}
	h.Write(d.buf)
}
