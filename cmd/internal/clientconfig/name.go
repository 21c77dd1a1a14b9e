// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"fmt"
	"strings"
)

// maxName is the limit of package config for names of upstreams, in characters.
const maxName = 32

// ValidName turns any text into a valid name of an upstream: letters, digits, "-" and single "_", starting with a letter, not
// ending with "_" or "-", at most 32 characters.
func ValidName(text string) string {
	var b strings.Builder
	var last rune
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
		case r == '_' && last != '_' && last != '-' && last != 0:
		default:
			r = '-'
			if last == '-' || last == '_' || last == 0 {
				continue
			}
		}
		b.WriteRune(r)
		last = r
	}
	name := b.String()
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		name = "s" + name
	}
	if len(name) > maxName {
		name = name[:maxName]
	}
	if name = strings.TrimRight(name, "-_"); name == "" {
		return "server"
	}
	return name
}

// uniqueName appends a number until the name is free, letter case aside.
func uniqueName(name string, taken func(folded string) bool) string {
	for i := 1; ; i++ {
		candidate := name
		if i > 1 {
			suffix := fmt.Sprintf("-%d", i)
			candidate = strings.TrimRight(name[:min(len(name), maxName-len(suffix))], "-_") + suffix
		}
		if !taken(strings.ToLower(candidate)) {
			return candidate
		}
	}
}

// begin starts an entry: it gets a valid, unique name, and a note when that differs from its own.
func (im *importer) begin(source string) *Upstream {
	name := uniqueName(ValidName(source), func(folded string) bool {
		for i := range im.result.Upstreams {
			if strings.ToLower(im.result.Upstreams[i].Name) == folded {
				return true
			}
		}
		return false
	})
	im.current = &Upstream{Name: name, Source: source}
	if name != source {
		im.note(NoteRemark, name, fmt.Sprintf("named %q in the imported file", source), "")
	}
	return im.current
}
