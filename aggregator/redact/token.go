// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"bytes"
	"strings"
	"time"
	"unicode"

	"tollgate/upstream/wire"
)

// The functions below tell whether a string is what the protocol wants at its place. One that is not is treated like a member
// the protocol does not know, so none of them may accept the JSON text of an object or array.

// fit says of a string as written, with its quotes, whether it is what it should be.
type fit func(raw []byte) bool

// spelled is the fit of what a string means. most bounds its length in bytes.
func spelled(most int, is func(s string) bool) fit {
	return func(raw []byte) bool {
		if len(raw) > 6*most+2 { // no character takes more than an escape for each of its bytes
			return false
		}
		s, _ := wire.String(raw)
		return len(s) <= most && is(s)
	}
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// isWord accepts the names of things: roles, states, levels, loggers, versions.
func isWord(s string) bool { return s != "" && strings.Trim(s, letters+digits+"._-/:@+#$") == "" }

// isLabel accepts what people call a server.
func isLabel(s string) bool { return isWord(strings.ReplaceAll(s, " ", "")) }

// isMoment accepts the dates and times of ISO 8601 that servers write.
func isMoment(s string) bool {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", time.DateOnly} {
		if _, err := time.Parse(form, s); err == nil {
			return true
		}
	}
	return false
}

// isMedia accepts a media type, with parameters that are not quoted.
func isMedia(s string) bool {
	kind, parameters, _ := strings.Cut(s, ";")
	return isMediaType(strings.TrimSpace(kind)) && strings.Trim(parameters, letters+digits+".+-_/=; ") == ""
}

// isURI accepts an address. One that is itself the data it leads to is none.
func isURI(s string) bool {
	if len(s) >= 5 && strings.EqualFold(s[:5], "data:") || strings.HasPrefix(s, "[") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return blank(r) || strings.ContainsRune("\"{}<>\\^`|", r)
	})
}

// isOpaque accepts what only its server reads: ids and cursors. All they must not be is JSON.
func isOpaque(s string) bool { return judge(s) == prose }

// isBase64 accepts bytes as the protocol writes them. It reads the string as written, for it may be large.
func isBase64(raw []byte) bool {
	raw = raw[1 : len(raw)-1]
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/', c == '-', c == '_', c == '=':
		case c == '\\' && bytes.IndexByte([]byte("/rn"), raw[i+1]) >= 0:
			i++
		default:
			return false
		}
	}
	return true
}

// blank reports what some parser may read over before JSON: white space of any kind, control characters such as the
// separator of JSON text sequences, and characters that are not seen, such as a byte order mark.
func blank(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}
