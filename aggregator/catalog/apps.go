// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"strings"

	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// appScheme is that of MCP Apps. Hosts go by it, so an alias keeps it.
const appScheme = "ui://"

// isAppURI reports whether uri addresses an MCP App.
func isAppURI(uri string) bool {
	return len(uri) >= len(appScheme) && strings.EqualFold(uri[:len(appScheme)], appScheme)
}

// appURI is one app as its upstream calls it.
type appURI struct{ upstream, own string }

// appLinks are the apps a tool names, as ui:// addresses: in _meta.ui.resourceUri and, as hosts used to read it, in
// _meta["ui/resourceUri"]. "" = none.
type appLinks struct{ nested, flat string }

const (
	linkMember    = "resourceUri"
	oldLinkMember = "ui/resourceUri"
)

// readLinks finds the apps a tool names. The error says that a client could read others.
func readLinks(definition []byte) (l appLinks, err error) {
	// Most tools name none; those are told apart without taking them to pieces. A name may be written with escapes.
	if !bytes.Contains(definition, []byte("esourceUri")) && !bytes.Contains(definition, []byte(`\u`)) {
		return l, nil
	}
	meta, ok := wire.Lookup(definition, "_meta")
	if !ok || wire.Kind(meta) != '{' {
		return l, nil
	}
	ui, _ := wire.Lookup(meta, "ui")
	l = appLinks{nested: linkIn(ui, linkMember), flat: linkIn(meta, oldLinkMember)}
	if err = uniqueMembers(meta); err == nil && wire.Kind(ui) == '{' {
		err = uniqueMembers(ui)
	}
	return l, err
}

func linkIn(obj []byte, name string) string {
	raw, _ := wire.Lookup(obj, name)
	if uri, ok := wire.String(raw); ok && isAppURI(uri) {
		return uri
	}
	return ""
}

// each yields the apps of l.
func (l appLinks) each(yield func(uri string) bool) {
	if l.nested != "" && !yield(l.nested) {
		return
	}
	if l.flat != "" && l.flat != l.nested {
		yield(l.flat)
	}
}

// splice replaces the apps l in a definition by those of shown.
func (l appLinks) splice(definition []byte, shown appLinks) []byte {
	if l == shown {
		return definition
	}
	meta, _ := wire.Lookup(definition, "_meta")
	if ui, ok := wire.Lookup(meta, "ui"); ok && l.nested != shown.nested {
		meta = wire.Set(meta, "ui", relink(ui, linkMember, shown.nested))
	}
	if l.flat != shown.flat {
		meta = relink(meta, oldLinkMember, shown.flat)
	}
	return wire.Set(definition, "_meta", meta)
}

func relink(obj []byte, name, uri string) []byte {
	if uri == "" {
		return wire.Delete(obj, name)
	}
	return wire.Set(obj, name, wire.AppendString(nil, uri))
}

// toolLinks are the apps one tool names, or why it cannot be shown.
type toolLinks struct {
	appLinks
	err error
}

// readApps notes which tools name apps, so that their addresses are dealt out with those of the lists: servers may leave
// an app out of the list of resources.
func (b *builder) readApps() {
	b.links = map[*upstream.Item]toolLinks{}
	b.shownApp = map[appURI]string{}
	b.next.apps = map[string]appURI{}
	for i := range b.sources {
		tools := b.sources[i].items(Tool)
		for j := range tools {
			l, err := readLinks(tools[j].Raw)
			if err != nil || l != (appLinks{}) {
				b.links[&tools[j]] = toolLinks{l, err}
			}
		}
	}
}

// unlistedApps are the apps that the tools of s name, once each, as items of the list of resources. Those it lists are
// among them.
func (b *builder) unlistedApps(s *Source) []upstream.Item {
	var items []upstream.Item
	seen := map[string]bool{}
	tools := s.items(Tool)
	for i := range tools {
		for uri := range b.links[&tools[i]].each {
			if !seen[uri] {
				seen[uri] = true
				items = append(items, upstream.Item{URI: uri})
			}
		}
	}
	return items
}

// dealt notes how apps are displayed once the URIs of resources are dealt out.
func (b *builder) dealt(won []claim) {
	for _, w := range won {
		if !isAppURI(w.item.URI) {
			continue
		}
		app := appURI{w.source.Upstream, w.item.URI}
		b.shownApp[app] = w.key
		if w.unlisted {
			b.next.apps[w.key] = app
		}
	}
}

// shownLinks are the apps of a tool as they are displayed. One that lost its address is left out: it would lead to another
// upstream's.
func (b *builder) shownLinks(s *Source, l appLinks) appLinks {
	return appLinks{nested: b.shownApp[appURI{s.Upstream, l.nested}], flat: b.shownApp[appURI{s.Upstream, l.flat}]}
}

// App finds the app displayed as uri that some tool names and no list shows: who serves it, and under which URI of its
// own. Whether a caller may read it is for the policy.
func (s *Snapshot) App(uri string) (name, own string, ok bool) {
	app, ok := s.apps[uri]
	return app.upstream, app.own, ok
}
