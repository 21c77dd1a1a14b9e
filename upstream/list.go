// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tollgate/upstream/wire"
)

// What one list may cost, whatever the upstream sends.
const (
	maxPages    = 200
	maxItems    = 20_000
	maxBytes    = 64 << 20
	maxProblems = 100
)

// listing is one list as read from an upstream.
type listing struct {
	items    []Item
	problems []Problem     // what is missing from items, and why
	ttl      time.Duration // how long the upstream says it stays good; 0 = it does not say
	trouble  string        // why the list is not whole; "" = it is
	err      error         // why it could not be read at all
}

// reader reads one list of a session.
type reader struct {
	s       *session
	list    list
	known   map[string]Item // by key: items read before, whose checks need not be repeated
	keys    map[string]bool // seen in this reading
	cursors map[string]bool
	bytes   int
	out     listing
}

// readList reads all pages of a list. last is what was read before; it stays when the list cannot be read. Any number of pages
// and items is survived: what is beyond the bounds is left out.
func readList(ctx context.Context, s *session, l list, last []Item) listing {
	r := &reader{s: s, list: l, known: make(map[string]Item, len(last)), keys: map[string]bool{}, cursors: map[string]bool{}}
	for _, item := range last {
		r.known[l.keyOf(item)] = item
	}
	err := r.pages(ctx)
	if err == nil {
		return r.out
	}
	if absent(err) {
		// Templates are optional for whoever has resources; anything else was promised, if there was a promise at all.
		if l == listTemplates || s.capabilities == nil {
			return listing{}
		}
		return listing{problems: []Problem{{l.method(), "declared in the capabilities, but the method is not known"}}}
	}
	reason := reasonOf(err, l.method())
	return listing{items: last, problems: []Problem{{l.method(), reason}}, trouble: reason, err: err}
}

// keyOf returns what makes an item unique in its list.
func (l list) keyOf(item Item) string {
	if l == listTools || l == listPrompts {
		return item.Name
	}
	return item.URI
}

// pages reads page by page until the upstream or a bound says that it is enough.
func (r *reader) pages(ctx context.Context) error {
	var params []byte
	for range maxPages {
		page, err := r.page(ctx, params)
		if err != nil {
			return err
		}
		before := len(r.keys)
		if !r.add(page) {
			return nil
		}
		raw, ok := wire.Lookup(page, "nextCursor")
		if !ok || wire.Kind(raw) == 'n' {
			return nil
		}
		cursor, ok := wire.String(raw)
		switch {
		case !ok:
			return failf(r.s.cfg, KindProtocol, false, nil, "sent a cursor in %s that is no string", r.list.method())
		case r.cursors[cursor] && cursor == "" && len(r.keys) == before:
			return nil // an empty cursor that only leads back to known items is how some servers say "no more"
		case r.cursors[cursor]:
			r.cut("the cursor %q came twice", shorten(cursor))
			return nil
		}
		r.cursors[cursor] = true
		params = object("cursor", string(raw))
	}
	r.cut("more than %d pages", maxPages)
	return nil
}

// page reads one page: a result with the array of the list.
func (r *reader) page(ctx context.Context, params []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.s.cfg.timeout())
	defer cancel()
	result, err := r.s.request(ctx, r.list.method(), params)
	if err != nil {
		return nil, err
	}
	if array, _ := wire.Lookup(result, r.list.member()); wire.Kind(array) != '[' {
		return nil, failf(r.s.cfg, KindProtocol, false, nil, "answered %s without an array %q", r.list.method(), r.list.member())
	}
	return result, nil
}

// add takes the items of a page. It returns false when a bound was reached.
func (r *reader) add(page []byte) bool {
	if ttl, ok := wire.Int(first(wire.Lookup(page, "ttlMs"))); ok && ttl > 0 {
		t := longestTTL
		if ttl < int64(longestTTL/time.Millisecond) {
			t = time.Duration(ttl) * time.Millisecond
		}
		if r.out.ttl == 0 || t < r.out.ttl {
			r.out.ttl = t
		}
	}
	for raw := range wire.Elements(first(wire.Lookup(page, r.list.member()))) {
		r.bytes += len(raw)
		if len(r.out.items) >= maxItems {
			r.cut("more than %d items", maxItems)
			return false
		}
		if r.bytes > maxBytes {
			r.cut("more than %d MiB", maxBytes>>20)
			return false
		}
		r.item(raw)
	}
	return true
}

// item takes one item, or notes why it cannot be shown.
func (r *reader) item(raw []byte) {
	item, problems, err := r.list.parse(raw, r.known)
	if err != nil {
		r.problem(r.list.labelOf(raw), err.Error())
		return
	}
	key := r.list.keyOf(item)
	if r.keys[key] {
		if !r.cursors[""] { // see pages: an empty cursor may lead back to the start
			r.problem(r.list.labelOf(raw), fmt.Sprintf("the %s appears twice", r.list.key()))
		}
		return
	}
	r.keys[key] = true
	if r.list == listTools && !r.s.cfg.allows(item.Name) {
		return
	}
	for _, p := range problems {
		r.problem(r.list.labelOf(raw), p)
	}
	r.out.items = append(r.out.items, item)
}

// problem notes what is missing, up to a bound.
func (r *reader) problem(item, reason string) {
	switch n := len(r.out.problems); {
	case n < maxProblems:
		r.out.problems = append(r.out.problems, Problem{item, reason})
	case n == maxProblems:
		r.out.problems = append(r.out.problems, Problem{r.list.method(), "has more problems than are listed here"})
	}
}

// cut notes that the list is longer than what was read.
func (r *reader) cut(format string, args ...any) {
	reason := fmt.Sprintf(format, args...)
	r.out.problems = append(r.out.problems, Problem{r.list.method(), "cut short: " + reason})
	r.out.trouble = fmt.Sprintf("sent a list that was cut short: %s: %s", r.list.method(), reason)
}

func first(raw []byte, _ bool) []byte { return raw }

// absent reports whether err is the answer of an upstream that does not know a method.
func absent(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == wire.CodeMethodNotFound
}

// unreachable reports whether err concerns the upstream as a whole rather than one request.
func unreachable(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind == KindUnavailable || e.Kind == KindClosed || e.Kind == KindAuth)
}

// reasonOf says in words why a method failed.
func reasonOf(err error, method string) string {
	var e *wire.Error
	if errors.As(err, &e) {
		return fmt.Sprintf("refused %s: %s (code %d)", method, shorten(e.Message), e.Code)
	}
	return failureText(err)
}
