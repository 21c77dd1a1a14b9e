// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxSegments bounds one pointer, so that its states fit into one word of a set.
const maxSegments = 63

// PointerError says why a pointer cannot be used and how to write it.
type PointerError struct {
	Pointer string
	Reason  string // without the pointer; lower case, no trailing period
	Hint    string // what to write instead
}

func (e *PointerError) Error() string {
	return fmt.Sprintf("redact %q: %s (%s)", e.Pointer, e.Reason, e.Hint)
}

// CheckPointer reports whether text can stand in [tollgate/policy.ObligationRule.Redact]: it is "" for everything, or
// segments that each begin with "/". It answers nil or a *[PointerError].
func CheckPointer(text string) error {
	_, err := parsePointer(text)
	return err
}

// segmentKind is what a segment matches.
type segmentKind uint8

const (
	literal segmentKind = iota // the member of this name, or the element of this index
	anyOne                     // *: any one member or element
	anyDeep                    // **: any number of levels, none included
)

type segment struct {
	kind segmentKind
	name string // of a literal, unescaped
}

func parsePointer(text string) ([]segment, error) {
	fail := func(reason, hint string) ([]segment, error) {
		return nil, &PointerError{Pointer: text, Reason: reason, Hint: hint}
	}
	switch {
	case text == "":
		return nil, nil
	case !utf8.ValidString(text):
		return fail("it is not valid UTF-8", "save the file as UTF-8")
	case text[0] != '/':
		return fail(`a pointer must begin with "/"`, suggest(text))
	}
	parts := strings.Split(text[1:], "/")
	if len(parts) > maxSegments {
		return fail(fmt.Sprintf("it has %d segments, the most is %d", len(parts), maxSegments), `write "**" for levels in between`)
	}
	var segments []segment
	for _, part := range parts {
		s, reason, hint := parseSegment(part)
		if reason != "" {
			return fail(reason, hint)
		}
		if s.kind == anyDeep && len(segments) > 0 && segments[len(segments)-1].kind == anyDeep {
			continue // says the same once more
		}
		segments = append(segments, s)
	}
	return segments, nil
}

// parseSegment answers a reason and a hint when part is no segment.
func parseSegment(part string) (s segment, reason, hint string) {
	switch part {
	case "":
		return s, "it has an empty segment",
			`take away the "/" too many; "" alone means everything, and "*" also matches a member without a name`
	case "*":
		return segment{kind: anyOne}, "", ""
	case "**":
		return segment{kind: anyDeep}, "", ""
	}
	if strings.Contains(part, "*") {
		return s, fmt.Sprintf(`"*" in %q must be a segment of its own`, part),
			`write "/*/" for any one member or element, "/**/" for any number of levels`
	}
	for i := 0; i < len(part); i++ {
		if part[i] == '~' && (i+1 == len(part) || part[i+1] != '0' && part[i+1] != '1') {
			return s, fmt.Sprintf(`"~" in %q is not followed by 0 or 1`, part), `write "~0" for "~" and "~1" for "/" in a name`
		}
	}
	// In this order, so that "~01" means "~1".
	return segment{name: strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")}, "", ""
}

// suggest turns other ways to name a place into a pointer.
func suggest(text string) string {
	path := strings.TrimPrefix(strings.TrimPrefix(text, "#"), "$")
	if !strings.Contains(path, "/") {
		path = strings.NewReplacer("..", "/**/", ".", "/", "[", "/", "]", "", `"`, "", "'", "").Replace(path)
	}
	path = "/" + strings.TrimLeft(path, "/")
	if _, err := parsePointer(path); err != nil {
		return `such as "/customer/email"`
	}
	if last := path[strings.LastIndexByte(path, '/')+1:]; !strings.HasPrefix(path, "/**/") && last != "*" && last != "**" {
		return fmt.Sprintf(`write %q, or %q for wherever it stands`, path, "/**/"+last)
	}
	return fmt.Sprintf(`write %q`, path)
}

// parseAll parses pointers and drops repeats.
func parseAll(pointers []string) ([][]segment, error) {
	var all [][]segment
	for _, text := range pointers {
		segments, err := parsePointer(text)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(s []segment) bool { return slices.Equal(s, segments) }) {
			all = append(all, segments)
		}
	}
	return all, nil
}
