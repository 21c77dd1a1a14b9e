// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"sort"
	"strconv"
	"sync"

	"tollgate/upstream/wire"
)

// ErrBadCursor says that a cursor was not made by [View.Page].
var ErrBadCursor = errors.New("the cursor was not given out by this gateway")

// cursorVersion is the first byte of every decoded cursor; the key of the last entry shown follows.
const cursorVersion = 1

// viewList is one list of a view. Its zero value is ready; everything is made at first use.
type viewList struct {
	once  sync.Once
	at    []int32         // positions of the visible entries
	pages [2][]cachedPage // legacy, modern

	hashOnce sync.Once
	hash     string
}

type cachedPage struct {
	once sync.Once
	body []byte
}

// Page is one page of the list of kind k, as the whole result object of the era asked for. Cursor "" is the first page; any
// other is the nextCursor of an earlier page, even of another view or an older catalog: the list goes on after the last
// entry of that page. The bytes are shared and must not be changed. The error is [ErrBadCursor].
func (v *View) Page(k Kind, cursor string, modern bool) ([]byte, error) {
	l := v.list(k)
	from := 0
	if cursor != "" {
		last, err := decodeCursor(cursor)
		if err != nil {
			return nil, err
		}
		entries := v.snap.lists[k].entries
		from = sort.Search(len(l.at), func(i int) bool { return entries[l.at[i]].Key() > last })
	}
	era := 0
	if modern {
		era = 1
	}
	size := v.options.PageSize
	// A cursor of an older catalog may point into a page. What is left of that page is made for this caller alone; from
	// the next page on the walk is back on shared bytes.
	to := min((from/size+1)*size, len(l.at))
	if from%size != 0 || from/size >= len(l.pages[era]) {
		return v.encode(k, from, to, modern), nil
	}
	p := &l.pages[era][from/size]
	p.once.Do(func() { p.body = v.encode(k, from, to, modern) })
	return p.body, nil
}

// Hash identifies the list of kind k as the view shows it: it changes exactly when that list does.
func (v *View) Hash(k Kind) string {
	l := &v.lists[k]
	l.hashOnce.Do(func() {
		h := sha256.New()
		var d digest
		for e := range v.All(k) {
			if !v.stands(k, e) {
				continue
			}
			d.add(h, e.Key(), e.Hash, e.apps.nested, e.apps.flat, v.options.Narrowed[e].Hash)
		}
		l.hash = hex.EncodeToString(h.Sum(nil)[:16])
	})
	return l.hash
}

// stands reports whether e, which the view shows, is in its list.
func (v *View) stands(k Kind, e *Entry) bool {
	return k != Tool || v.options.Listed == nil || v.options.Listed(e)
}

func (v *View) list(k Kind) *viewList {
	l := &v.lists[k]
	l.once.Do(func() {
		l.at = make([]int32, 0, v.visible[k].Count())
		for i := range v.visible[k].All() {
			if v.stands(k, v.snap.lists[k].entries[i]) {
				l.at = append(l.at, int32(i))
			}
		}
		n := max(1, (len(l.at)+v.options.PageSize-1)/v.options.PageSize)
		l.pages = [2][]cachedPage{make([]cachedPage, n), make([]cachedPage, n)}
	})
	return l
}

// encode makes the page of entries from to to-1 of the visible ones.
func (v *View) encode(k Kind, from, to int, modern bool) []byte {
	l, entries := &v.lists[k], v.snap.lists[k].entries
	next := ""
	if to < len(l.at) {
		next = encodeCursor(entries[l.at[to-1]].Key())
	}
	size := len(v.options.ServerInfo) + len(next) + 256
	for _, i := range l.at[from:to] {
		size += len(v.Definition(entries[i])) + 1
	}
	b := make([]byte, 0, size)
	b = append(b, `{"`...)
	b = append(b, k.listMember()...)
	b = append(b, `":[`...)
	for n, i := range l.at[from:to] {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(b, v.Definition(entries[i])...)
	}
	b = append(b, ']')
	if next != "" {
		b = append(b, `,"nextCursor":"`...)
		b = append(b, next...)
		b = append(b, '"')
	}
	if modern {
		b = v.appendModern(b)
	}
	return append(b, '}')
}

// appendModern adds what 2026-07-28 wants in every list result (§caching). Lists are filtered by principal: private.
func (v *View) appendModern(b []byte) []byte {
	b = append(b, `,"resultType":"complete","ttlMs":`...)
	b = strconv.AppendInt(b, v.ttl.Milliseconds(), 10)
	b = append(b, `,"cacheScope":"private"`...)
	if len(v.options.ServerInfo) > 0 {
		b = append(b, `,"_meta":{"`+wire.MetaServerInfo+`":`...)
		b = append(b, v.options.ServerInfo...)
		b = append(b, '}')
	}
	return b
}

func encodeCursor(key string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{cursorVersion}, key...))
}

func decodeCursor(cursor string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) < 2 || b[0] != cursorVersion {
		return "", ErrBadCursor
	}
	key := string(b[1:])
	if encodeCursor(key) != cursor { // the decoder skips line breaks and ignores stray low bits
		return "", ErrBadCursor
	}
	return key, nil
}
