// SPDX-License-Identifier: Apache-2.0

package catalog

import "tollgate/upstream/wire"

// maxExtension bounds the settings of one extension in bytes; what declares more is not passed on.
const maxExtension = 16 << 10

// Extensions are the extensions declared by the modern upstreams of which the view shows something, as a JSON object: the
// ids that keep accepts, each with the settings of the first upstream in the configuration that has it. nil = none.
func (v *View) Extensions(keep func(id string) bool) []byte {
	var out []byte
	have := map[string]bool{}
	for at := range v.shown.All() {
		m := &v.snap.members[at]
		if !m.revision.Modern() {
			continue
		}
		declared, _ := wire.Lookup(m.capabilities, "extensions")
		for e := range wire.Members(declared) {
			if have[e.Name] || wire.Kind(e.Value) != '{' || len(e.Value) > maxExtension || !keep(e.Name) {
				continue
			}
			have[e.Name] = true
			out = wire.Set(out, e.Name, e.Value)
		}
	}
	return out
}

// ToolOf finds a tool by its identity, however it is displayed. A hidden tool is not found.
func (v *View) ToolOf(upstream, original string) (*Entry, bool) {
	i, ok := v.snap.identities()[identityKey{upstream, original}]
	if !ok || !v.visible[Tool].Has(int(i)) {
		return nil, false
	}
	return v.snap.lists[Tool].entries[i], true
}

// identityKey is the identity of a tool.
type identityKey struct{ upstream, original string }

// byIdentity are the positions of the tools; few catalogs are ever asked for them, so they are made at first use.
func (s *Snapshot) byIdentity() map[identityKey]int32 {
	list := s.lists[Tool].entries
	m := make(map[identityKey]int32, len(list))
	for i, e := range list {
		m[identityKey{e.Upstream, e.OriginalName}] = int32(i)
	}
	return m
}
