// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxInstructions bounds the merged instructions in bytes: clients put them in front of every conversation.
	maxInstructions = 16 << 10
	cutMark         = "\n[shortened]"
)

// Instructions are the instructions of the upstreams of which the view shows something, in the order of the sources, each
// under a heading with the name of its upstream; at most 16 KiB together. When there is more, the longest are shortened:
// no upstream can crowd out another. Empty when there are none.
func (v *View) Instructions() string { return v.instructions() }

func (v *View) mergeInstructions() string {
	var from []*member
	var sizes []int
	room := maxInstructions
	for i := range v.shown.All() {
		m := &v.snap.members[i]
		if strings.TrimSpace(m.instructions) == "" {
			continue
		}
		frame := len(heading(m.name)) + len("\n\n")
		if room < frame {
			break
		}
		room -= frame
		from, sizes = append(from, m), append(sizes, len(strings.TrimSpace(m.instructions)))
	}
	share := fairShare(sizes, room)
	var b strings.Builder
	for _, m := range from {
		text := shorten(strings.TrimSpace(m.instructions), share)
		if text == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(heading(m.name))
		b.WriteString(text)
	}
	return b.String()
}

func heading(name string) string { return "## " + name + "\n\n" }

// fairShare is the greatest size such that sizes, each cut to it, fit into room together.
func fairShare(sizes []int, room int) int {
	sorted := slices.Sorted(slices.Values(sizes))
	for i, size := range sorted {
		left := len(sorted) - i
		if size*left > room {
			return room / left
		}
		room -= size
	}
	return maxInstructions
}

// shorten cuts text to at most size bytes between two characters.
func shorten(text string, size int) string {
	if len(text) <= size {
		return text
	}
	end := size - len(cutMark)
	if end <= 0 {
		return ""
	}
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cutMark
}
