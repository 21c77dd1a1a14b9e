// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"tollgate/upstream/wire"
)

// ref applies a schema that stands elsewhere in the same text.
type ref struct {
	to     string
	target *node
}

func (k *ref) eval(r *run, v any, seen *seen) *miss { return r.eval(k.target, v, seen) }

func (k *ref) inPlace() []*node { return []*node{k.target} }

func (p *part) ref(raw []byte) (keyword, error) {
	to, ok := wire.String(raw)
	if !ok {
		return nil, errors.New("must be a string")
	}
	r := &ref{to: to}
	p.refs = append(p.refs, r)
	return r, nil
}

func (c *compiler) resolve(r *ref) error {
	raw, err := follow(c.root, r.to, c.step)
	if err != nil {
		return err
	}
	r.target, err = c.schema(raw, 0)
	return err
}

// pointerOf is the JSON pointer of a reference into the text that it stands in, false for every other reference: those to
// other documents, which are never fetched, and those by anchor.
func pointerOf(ref string) (string, bool) {
	fragment, ok := strings.CutPrefix(ref, "#")
	if !ok || (fragment != "" && fragment[0] != '/') {
		return "", false
	}
	pointer, err := url.PathUnescape(fragment)
	return pointer, err == nil
}

// step is stepInto for a text with many references: each object is read once.
func (c *compiler) step(raw []byte, name string) ([]byte, bool) {
	if wire.Kind(raw) != '{' {
		return stepInto(raw, name)
	}
	members, ok := c.objects[&raw[0]]
	if !ok {
		members = map[string][]byte{}
		for m := range wire.Members(raw) {
			members[m.Name] = m.Value
		}
		c.objects[&raw[0]] = members
	}
	value, ok := members[name]
	return value, ok
}

// follow answers what a reference leads to, as a span of root.
func follow(root []byte, ref string, into func(raw []byte, step string) ([]byte, bool)) ([]byte, error) {
	pointer, ok := pointerOf(ref)
	if !ok {
		return nil, errors.New("only references into the same schema (#/...) are followed, nothing is fetched")
	}
	at := root
	for _, step := range strings.Split(pointer, "/")[1:] {
		next, ok := into(at, strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
		if !ok {
			return nil, errors.New("leads nowhere")
		}
		at = next
	}
	return at, nil
}

func stepInto(raw []byte, step string) ([]byte, bool) {
	if wire.Kind(raw) != '[' {
		return wire.Lookup(raw, step)
	}
	n, err := strconv.Atoi(step)
	for e := range wire.Elements(raw) {
		if n--; n < 0 && err == nil {
			return e, true
		}
	}
	return nil, false
}
