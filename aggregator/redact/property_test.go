// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/upstream/wire"
)

// node is a JSON value as it is written. A leaf holds a canary that no other leaf has.
type node struct {
	kind    byte // { [ or, for a leaf, " and for a document in a string, s
	names   []string
	keys    []string // names as written
	kids    []*node
	space   string // between tokens
	canary  string
	escaped bool // the canary is written in escapes
}

func nodes(depth, nested int, serial *int) *rapid.Generator[*node] {
	return rapid.Custom(func(t *rapid.T) *node {
		n := &node{space: rapid.SampledFrom([]string{"", "", " ", "\n\t"}).Draw(t, "space")}
		kinds := []byte(`{{[`)
		if depth <= 0 {
			kinds = []byte{'"'}
		} else if depth < 4 { // the root holds others
			kinds = []byte(`{{["`)
			if nested > 0 {
				kinds = append(kinds, 's')
			}
		}
		n.kind = rapid.SampledFrom(kinds).Draw(t, "kind")
		switch n.kind {
		case '"':
			*serial++
			n.canary = fmt.Sprintf("secret-%04d", *serial)
			n.escaped = rapid.Bool().Draw(t, "escaped")
		case 's':
			n.kids = []*node{nodes(2, 0, serial).Filter(func(n *node) bool { return n.kind != '"' }).Draw(t, "document")}
		default:
			n.members(t, depth, nested, serial)
		}
		return n
	})
}

func (n *node) members(t *rapid.T, depth, nested int, serial *int) {
	seen := map[string]bool{}
	for i := range rapid.IntRange(0, 3).Draw(t, "size") {
		name := rapid.SampledFrom([]string{"a", "b", "0", "1", "é", "x/y", "m~n", "\"q"}).Draw(t, "name")
		if n.kind == '[' {
			name = strconv.Itoa(i)
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		key := string(wire.AppendString(nil, name))
		if rapid.Bool().Draw(t, "escaped") {
			key = escapes(name)
		}
		n.names, n.keys = append(n.names, name), append(n.keys, key)
		n.kids = append(n.kids, nodes(depth-1, nested, serial).Draw(t, "kid"))
	}
}

// escapes writes every character of s as an escape.
func escapes(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return `"` + b.String() + `"`
}

// write writes n, and what a rule makes of it: hides says of the paths that lead to a value, one for each document it is in,
// whether the value goes. gone collects the canaries that must not be seen any more, left the others.
func (n *node) write(paths [][]string, hides func([]string) bool, gone, left map[string]bool) (before, after string) {
	hidden := false
	for _, p := range paths {
		hidden = hidden || hides(p)
	}
	if hidden {
		left = gone
	}
	switch n.kind {
	case '"':
		left[n.canary] = true
		before = string(wire.AppendString(nil, n.canary))
		if n.escaped {
			before = escapes(n.canary)
		}
		after = before
	case 's':
		before, after = n.kids[0].write(append(paths[:len(paths):len(paths)], nil), hides, gone, left)
		before, after = encoded(before, after)
	default:
		before, after = n.writeMembers(paths, hides, gone, left)
	}
	if hidden {
		after = `"[redacted]"`
	}
	return before, after
}

func (n *node) writeMembers(paths [][]string, hides func([]string) bool, gone, left map[string]bool) (before, after string) {
	var in, out strings.Builder
	put := func(s string) { in.WriteString(s); out.WriteString(s) }
	put(string(n.kind) + n.space)
	for i, kid := range n.kids {
		if i > 0 {
			put("," + n.space)
		}
		if n.kind == '{' {
			put(n.keys[i] + n.space + ":" + n.space)
		}
		longer := make([][]string, 0, len(paths))
		for _, p := range paths {
			longer = append(longer, append(p[:len(p):len(p)], n.names[i]))
		}
		b, a := kid.write(longer, hides, gone, left)
		in.WriteString(b + n.space)
		out.WriteString(a + n.space)
	}
	put(string(n.kind + 2))
	return in.String(), out.String()
}

// encoded are two texts as strings of JSON. One that did not change keeps the escapes of its server.
func encoded(before, after string) (string, string) {
	raw := string(wire.AppendString(nil, before))
	raw = strings.ReplaceAll(raw, "é", `\u00E9`)
	if before == after {
		return raw, raw
	}
	return raw, string(wire.AppendString(nil, after))
}

// names reports whether pointer names path, by the definition and not by an automaton.
func names(pointer, path []string) bool {
	switch {
	case len(pointer) == 0:
		return len(path) == 0
	case pointer[0] == "**":
		return names(pointer[1:], path) || len(path) > 0 && names(pointer, path[1:])
	case len(path) == 0:
		return false
	}
	return (pointer[0] == "*" || pointer[0] == path[0]) && names(pointer[1:], path[1:])
}

func pointerTo(segments []string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(s))
	}
	return b.String()
}

// TestNothingEscapes compares a rule with the definition of pointers, on random data at every place it can stand.
func TestNothingEscapes(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b", "0", "1", "é", "x/y", "m~n", "\"q", "*", "**"})
	rapid.Check(t, func(t *rapid.T) {
		serial := 0
		root := nodes(4, 1, &serial).Draw(t, "data")
		pointers := rapid.SliceOfN(rapid.SliceOfN(segment, 1, 4), 1, 3).Draw(t, "pointers")
		var texts []string
		for _, p := range pointers {
			texts = append(texts, pointerTo(p))
		}
		hides := func(path []string) bool {
			for _, p := range pointers {
				if names(p, path) {
					return true
				}
			}
			return false
		}
		if hides(nil) {
			t.Skip("the whole document goes: TestEverything")
		}
		gone, left := map[string]bool{}, map[string]bool{}
		before, after := root.write([][]string{nil}, hides, gone, left)
		textBefore, textAfter := encoded(before, after)
		shape := rapid.SampledFrom([]struct{ method, text string }{
			{"tools/call", `{"structuredContent": %[1]s,"content":[ {"type":"text","text":%[2]s,"annotations":{"priority":1.0}}],"isError":false}`},
			{"tools/call", `{"resultType":"complete","content":[{"resource":{"uri":"u","text": %[2]s},"type":"resource"}],"structuredContent":%[1]s}`},
			{"resources/read", `{"contents":[{"uri":"u","text":%[2]s}],"ttlMs":0,"cacheScope":"private"}`},
			{"prompts/get", `{"messages":[{"role":"user","content":{"type":"text","text":%[2]s}}]}`},
			{"completion/complete", `{"completion":{"values":[%[2]s]}}`},
			{"tasks/get", `{"taskId":"t","status":"completed","result":{"structuredContent": %[1]s,"content":[]},"error":{"code":1,"message":%[2]s,"data":%[1]s}}`},
		}).Draw(t, "shape")
		fill := func(data, text string) string {
			return strings.ReplaceAll(strings.ReplaceAll(shape.text, "%[1]s", data), "%[2]s", text)
		}
		in, want := []byte(fill(before, textBefore)), fill(after, textAfter)
		r := rule(t, rapid.Bool().Draw(t, "keep"), texts...)
		got := r.Result(shape.method, in)
		if string(got) != want {
			t.Fatalf("%q make\n%s of\n%s, want\n%s", texts, got, in, want)
		}
		for canary := range gone {
			if seen(got, canary) {
				t.Fatalf("%q let %s through:\n%s", texts, canary, got)
			}
		}
		for canary := range left {
			if !seen(got, canary) {
				t.Fatalf("%q took %s away:\n%s", texts, canary, got)
			}
		}
		if again := r.Result(shape.method, got); !bytes.Equal(again, got) {
			t.Fatalf("a second pass makes\n%s of\n%s", again, got)
		}
	})
}

// seen looks for a canary in whatever escapes it may be.
func seen(b []byte, canary string) bool {
	text := strings.ReplaceAll(string(b), `\`, "")
	if strings.Contains(text, canary) {
		return true
	}
	for _, r := range canary {
		text = strings.ReplaceAll(text, fmt.Sprintf("u%04x", r), string(r))
	}
	return strings.Contains(text, canary)
}
