// SPDX-License-Identifier: Apache-2.0

package catalog

import "sort"

// Meant are the entries of kind k that name may mean to who writes it by hand: the one displayed as name and, when there is
// none, those whose upstream calls them so, or "upstream/original". With upstream set, those of that upstream, by either
// name. More than one says that name is ambiguous. What the view hides is never among them, and neither changes what is
// found nor how long that takes.
func (v *View) Meant(k Kind, upstream, name string) []*Entry {
	if e, ok := v.lookup(k, name); ok && upstream == "" {
		return []*Entry{e}
	}
	var found []*Entry
	for e := range v.All(k) {
		if e.meant(upstream, name) {
			found = append(found, e)
		}
	}
	return found
}

func (e *Entry) meant(upstream, name string) bool {
	if upstream != "" {
		return e.Upstream == upstream && (e.OriginalName == name || e.Key() == name)
	}
	n := len(e.Upstream)
	return e.OriginalName == name ||
		len(name) == n+1+len(e.OriginalName) && name[n] == '/' && name[:n] == e.Upstream && name[n+1:] == e.OriginalName
}

// Slice is a part of the list of kind k, at most limit entries of it, for answers that are not pages of MCP. Cursor "" is the
// beginning; any other is the next of an earlier part, as in [View.Page]. The error is [ErrBadCursor].
func (v *View) Slice(k Kind, cursor string, limit int) (part []*Entry, next string, err error) {
	l, entries := v.list(k), v.snap.lists[k].entries
	from := 0
	if cursor != "" {
		last, err := decodeCursor(cursor)
		if err != nil {
			return nil, "", err
		}
		from = sort.Search(len(l.at), func(i int) bool { return entries[l.at[i]].Key() > last })
	}
	to := min(from+max(limit, 1), len(l.at))
	part = make([]*Entry, 0, to-from)
	for _, i := range l.at[from:to] {
		part = append(part, entries[i])
	}
	if to < len(l.at) {
		next = encodeCursor(entries[l.at[to-1]].Key())
	}
	return part, next, nil
}
