// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

// TestPieces holds that every piece of a text is in the file where it says, that white space alone is between pieces, and that
// blocks always have them.
func TestPieces(t *testing.T) {
	letters := rapid.SampledFrom([]rune("ab é<\"'\\#:}\t"))
	line := rapid.StringOfN(letters, 0, 6, -1)
	styles := rapid.SampledFrom([]string{"|", ">", "|-", ">+", "|2", "", "\"", "'"})
	rapid.Check(t, func(t *rapid.T) {
		style, lines := styles.Draw(t, "style"), rapid.SliceOfN(line, 1, 5).Draw(t, "lines")
		isBlock := style != "" && strings.Contains("|>", style[:1])
		first, last, indent := style, "", "    "
		if style == "\"" || style == "'" {
			first, last = "", style
			lines[0] = style + lines[0]
		}
		text := "k:\n  v: " + first
		if isBlock || style == "" {
			text += "\n" + indent
		}
		text += strings.Join(lines, "\n"+indent) + last + "\n  w: x\n"
		src := newSource("x", []byte(text))
		var doc yaml.Node
		if yaml.Load([]byte(text), &doc) != nil {
			return // the letters make no YAML
		}
		root := doc.Content[0]
		if len(root.Content) != 2 || root.Content[1].Kind != yaml.MappingNode || len(root.Content[1].Content) < 2 {
			return
		}
		n := root.Content[1].Content[1]
		found := src.pieces(n)
		if isBlock && found == nil && strings.Trim(n.Value, " \t\n") != "" {
			t.Fatalf("no pieces of %q in\n%s", n.Value, text)
		}
		offset := 0
		for _, p := range found {
			if at := string([]rune(src.lines[p.line-1])[p.col-1:]); !strings.HasPrefix(at, p.text) || !strings.HasPrefix(n.Value[p.offset:], p.text) {
				t.Fatalf("%+v is not at its place in %q and\n%s", p, n.Value, text)
			}
			if between := n.Value[offset:p.offset]; strings.Trim(between, " \t\n") != "" {
				t.Fatalf("%q of %q is in no piece", between, n.Value)
			}
			offset = p.offset + len(p.text)
		}
		if found != nil && strings.Trim(n.Value[offset:], " \t\n") != "" {
			t.Fatalf("%q of %q is in no piece", n.Value[offset:], n.Value)
		}
	})
}

// TestCovered compares ranges with the addresses that they hold.
func TestCovered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ranges []string
		held := [16]bool{}
		for range rapid.IntRange(0, 12).Draw(t, "n") {
			bits := rapid.IntRange(1, 4).Draw(t, "bits")
			start := rapid.IntRange(0, 15).Draw(t, "start") >> (4 - bits) << (4 - bits)
			ranges = append(ranges, prefixOf(start, bits))
			for i := range 16 >> bits {
				held[start+i] = true
			}
		}
		all := true
		for _, h := range held {
			all = all && h
		}
		if got := covered(mustPrefixes("0.0.0.0/0")[0], mustPrefixes(ranges...)); got != all {
			t.Fatalf("%v hold everybody: %t", ranges, got)
		}
	})
}

// prefixOf is a range of IPv4 whose first four bits are start.
func prefixOf(start, bits int) string { return fmt.Sprintf("%d.0.0.0/%d", start<<4, bits) }

func mustPrefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}
