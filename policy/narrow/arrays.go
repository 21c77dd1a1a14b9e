// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"errors"

	"tollgate/upstream/wire"
)

// items are the schemas of an array by position and for the rest: prefixItems and items, in older dialects items and
// additionalItems.
type items struct {
	first []*node
	rest  *node // nil = anything
}

func (p *part) items() (keyword, error) {
	raw, ok := wire.Lookup(p.raw, "items")
	if !ok || wire.Kind(raw) != '[' {
		return p.itemsAndPrefix()
	}
	if p.dialect == draft2020 {
		return nil, errors.New("items must be a schema, and schemas by position are prefixItems")
	}
	first, err := p.list(raw)
	rest, err2 := p.optional("additionalItems")
	return items{first, rest}, errors.Join(err, err2)
}

func (p *part) itemsAndPrefix() (keyword, error) {
	var k items
	var err error
	if raw, ok := wire.Lookup(p.raw, "prefixItems"); ok && p.dialect == draft2020 {
		if k.first, err = p.list(raw); err != nil {
			return nil, err
		}
	}
	k.rest, err = p.optional("items")
	return k, err
}

func (k items) eval(r *run, v any, seen *seen) *miss {
	array, ok := v.([]any)
	if !ok {
		return nil
	}
	for i, e := range array {
		n := k.rest
		if i < len(k.first) {
			n = k.first[i]
		}
		if n == nil {
			break
		}
		if m := r.item(n, i, e); m != nil {
			return m
		}
	}
	seen.first(min(len(k.first), len(array)), k.rest != nil)
	return nil
}

// contains is the keyword of that name with minContains and maxContains.
type contains struct {
	node     *node
	least    int64
	most     int64 // -1 = no limit
	collects bool  // whether it counts as looking at the items it fits
}

func (p *part) contains(raw []byte, modern bool) (keyword, error) {
	n, err := p.child(raw)
	if err != nil {
		return nil, err
	}
	k := contains{n, 1, -1, p.dialect == draft2020}
	if raw, ok := wire.Lookup(p.raw, "minContains"); ok && modern {
		if k.least, err = countOf(raw); err != nil {
			return nil, err
		}
	}
	if raw, ok := wire.Lookup(p.raw, "maxContains"); ok && modern {
		k.most, err = countOf(raw)
	}
	return k, err
}

func (k contains) eval(r *run, v any, seen *seen) *miss {
	array, ok := v.([]any)
	if !ok {
		return nil
	}
	found := int64(0)
	for i, e := range array {
		m := r.item(k.node, i, e)
		if r.over() {
			return &miss{kind: overdone}
		}
		if m != nil {
			continue
		}
		if found++; k.collects {
			seen.index(i)
		}
	}
	switch {
	case found < k.least:
		return r.miss("does not hold an item of a kind that it must hold")
	case k.most >= 0 && found > k.most:
		return r.miss("holds too many items of a kind that is limited")
	}
	return nil
}

// unevaluatedItems is the keyword of that name.
type unevaluatedItems struct{ node *node }

func (k unevaluatedItems) eval(r *run, v any, seen *seen) *miss {
	array, ok := v.([]any)
	if !ok || seen.allItems {
		return nil
	}
	for i := seen.items; i < len(array); i++ {
		if !seen.single[i] {
			if m := r.item(k.node, i, array[i]); m != nil {
				return m
			}
		}
	}
	seen.first(0, true)
	return nil
}
