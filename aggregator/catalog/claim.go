// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"strings"

	"tollgate/upstream"
)

// claim is an item with the key under which it is displayed.
type claim struct {
	source *Source
	item   *upstream.Item
	key    string
	// unlisted is set for an app that a tool names and the upstream does not list: it has a key and no definition.
	unlisted bool
}

// claims deals out keys of one kind. Nothing outlives one Build.
type claims struct {
	kind     Kind
	owner    map[string]*Source // key -> who has it
	won      []claim
	problems []Problem
}

// take gives key to item of s unless it is taken, and returns who had it before.
func (c *claims) take(s *Source, item *upstream.Item, key string) (before *Source) {
	if before = c.owner[key]; before == nil {
		c.owner[key] = s
		c.won = append(c.won, claim{source: s, item: item, key: key, unlisted: item.Raw == nil})
	}
	return before
}

func (c *claims) lost(s *Source, item *upstream.Item, reason, fix string) {
	c.problems = append(c.problems, Problem{
		Upstream: s.Upstream, Kind: c.kind, Item: identity(c.kind, item), Reason: reason, Fix: fix,
	})
}

// names deals out the names of tools or prompts: first those under a prefix, which belong to nobody else, then the bare
// ones; each in the order of the sources.
func (c *claims) names(sources []Source) {
	for _, prefixed := range []bool{true, false} {
		for i := range sources {
			s := &sources[i]
			if (s.prefix() != "") != prefixed {
				continue
			}
			items := s.items(c.kind)
			for j := range items {
				item := &items[j]
				key := DisplayName(s.prefix(), item.Name, prefixed)
				if before := c.take(s, item, key); before != nil {
					c.clash(s, item, key, before)
				}
			}
		}
	}
}

func (c *claims) clash(s *Source, item *upstream.Item, key string, before *Source) {
	if before.Upstream == s.Upstream {
		c.lost(s, item, fmt.Sprintf("the same upstream already shows %q", key), fmt.Sprintf("rename one of them in upstream %q", s.Upstream))
		return
	}
	c.lost(s, item,
		fmt.Sprintf("upstream %q already shows a %s %q", before.Upstream, c.kind, key),
		fmt.Sprintf("give upstream %q a prefix of its own", s.Upstream))
}

// uris deals out the URIs of resources or templates. A URI belongs to the first source that has it; later ones are shown
// under an alias once every real URI is dealt out, so that no alias takes one. unlisted are the items of a source that have
// a URI and are in no list; those it lists as well are left out.
func (c *claims) uris(sources []Source, unlisted func(s *Source) []upstream.Item) {
	type loser struct {
		source *Source
		item   *upstream.Item
		before *Source
	}
	var losers []loser
	for i := range sources {
		s := &sources[i]
		for _, items := range [][]upstream.Item{s.items(c.kind), unlisted(s)} {
			for j := range items {
				item := &items[j]
				before := c.take(s, item, item.URI)
				switch {
				case before == nil:
				case before.Upstream != s.Upstream:
					losers = append(losers, loser{s, item, before})
				case item.Raw != nil:
					c.lost(s, item, "the same upstream offers it twice", "")
				}
			}
		}
	}
	for _, l := range losers {
		alias := aliasURI(l.source.Upstream, l.item.URI)
		before := c.take(l.source, l.item, alias)
		if before != nil && (before.Upstream != l.source.Upstream || l.item.Raw != nil) {
			c.lost(l.source, l.item,
				fmt.Sprintf("upstream %q already has it, and upstream %q its alias %q", l.before.Upstream, before.Upstream, alias),
				fmt.Sprintf("give upstream %q another name", l.source.Upstream))
		}
	}
}

// aliasURI is how a URI that belongs to another upstream is displayed. The address of an app keeps its scheme; otherwise
// the upstream's name goes into it, where "_" may not stand.
func aliasURI(name, uri string) string {
	if isAppURI(uri) {
		return uri[:len(appScheme)] + name + "--" + uri[len(appScheme):]
	}
	return strings.ReplaceAll(name, "_", "-") + "+" + uri
}
