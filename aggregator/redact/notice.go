// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"strings"

	"tollgate/upstream/wire"
)

// What stands in place of what a rule took away.
const (
	Redacted = "[redacted]"           // a value that a pointer names
	Withheld = "[withheld by policy]" // text that is no JSON
)

func redactedJSON() []byte { return []byte(`"` + Redacted + `"`) }

// notice says what was withheld, as "[withheld by policy: image, image/png]". Both words come from an upstream, so each is
// left out unless it looks like what it should be.
func notice(kind, mime string) string {
	if kind == "" || len(kind) > 32 || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz_") != "" {
		kind = "content"
	}
	mime, _, _ = strings.Cut(mime, ";")
	if mime = strings.TrimSpace(mime); isMediaType(mime) {
		kind += ", " + mime
	}
	return strings.TrimSuffix(Withheld, "]") + ": " + kind + "]"
}

func isMediaType(s string) bool {
	top, sub, found := strings.Cut(s, "/")
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return found && top != "" && sub != "" && len(s) <= 100 &&
		strings.Trim(top, letters) == "" && strings.Trim(sub, letters+"0123456789.+-_") == ""
}

// isNotice reports whether text is one of ours, so that a result that passes twice stays as it is.
func isNotice(text string) bool {
	if text == Redacted || text == Withheld {
		return true
	}
	rest, found := strings.CutPrefix(text, strings.TrimSuffix(Withheld, "]")+": ")
	if !found {
		return false
	}
	kind, mime, _ := strings.Cut(strings.TrimSuffix(rest, "]"), ", ")
	return text == notice(kind, mime)
}

// textBlock is a content block with text.
func textBlock(text string) []byte {
	return append(wire.AppendString([]byte(`{"type":"text","text":`), text), '}')
}
