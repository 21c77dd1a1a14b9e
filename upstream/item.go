// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"tollgate/upstream/wire"
)

const (
	maxName = 1 << 10 // bytes
	maxURI  = 8 << 10
)

// parse checks one item. known holds items read before, by key: one with the same bytes is returned as it is. An error says
// why the item cannot be shown, a problem what was taken out of it.
//
// The checks are those without which one bad item would do harm to the others: clients refuse a whole list for a missing name,
// and a schema may be made to cost whoever validates it.
func (l list) parse(raw []byte, known map[string]Item) (item Item, problems []string, err error) {
	if wire.Kind(raw) != '{' {
		return Item{}, nil, errors.New("it is no object")
	}
	if old, ok := known[stringAt(raw, l.key())]; ok && bytes.Equal(old.Raw, raw) {
		return old, nil, nil
	}
	if err := wire.CheckUnique(raw); err != nil {
		return Item{}, nil, err
	}
	if item.Name, err = label(raw, "name", maxName); err != nil {
		return Item{}, nil, err
	}
	if key := l.key(); key != "name" {
		if item.URI, err = label(raw, key, maxURI); err != nil {
			return Item{}, nil, err
		}
	}
	if l == listTools {
		schema, _ := wire.Lookup(raw, "inputSchema")
		if err := wire.ValidateToolSchema(schema); err != nil {
			return Item{}, nil, err
		}
		if item.ParamHeaders, err = wire.ParamHeaders(schema); err != nil {
			return Item{}, nil, err
		}
	}
	item.Raw, problems = safeIcons(bytes.Clone(raw))
	item.Hash = wire.Digest(item.Raw)
	return item, problems, nil
}

// label returns a member that identifies an item: a string, neither empty nor endless, without control characters.
func label(raw []byte, member string, most int) (string, error) {
	value, ok := wire.Lookup(raw, member)
	if !ok {
		return "", fmt.Errorf("%s is missing", member)
	}
	s, ok := wire.String(value)
	switch {
	case !ok:
		return "", fmt.Errorf("%s is no string", member)
	case s == "":
		return "", fmt.Errorf("%s is empty", member)
	case len(s) > most:
		return "", fmt.Errorf("%s is longer than %d bytes", member, most)
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", fmt.Errorf("%s has control characters", member)
	}
	return s, nil
}

// labelOf is what to call an item that may be broken.
func (l list) labelOf(raw []byte) string {
	name := stringAt(raw, "name")
	if name == "" {
		name = stringAt(raw, l.key())
	}
	return fmt.Sprintf("%s %q", l.noun(), shorten(name))
}

// safeIcons takes out icons whose src is neither https, http nor data: a client that shows one would run or read what an
// upstream points at (2026-07-28 §Icons). An item without such an icon keeps its bytes.
func safeIcons(raw []byte) ([]byte, []string) {
	icons, _ := wire.Lookup(raw, "icons")
	if wire.Kind(icons) != '[' {
		return raw, nil
	}
	var kept [][]byte
	var problems []string
	for icon := range wire.Elements(icons) {
		src := stringAt(icon, "src")
		scheme, _, _ := strings.Cut(src, ":")
		switch strings.ToLower(scheme) {
		case "https", "http", "data":
			kept = append(kept, icon)
		default:
			problems = append(problems, fmt.Sprintf("icon taken out: src %q is neither https, http nor data", shorten(src)))
		}
	}
	if problems == nil {
		return raw, nil
	}
	array := append([]byte{'['}, bytes.Join(kept, []byte{','})...)
	return wire.Set(raw, "icons", append(array, ']')), problems
}
