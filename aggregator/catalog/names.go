// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// MaxName is the length in bytes of the longest displayed name of a tool or prompt.
	MaxName = 64
	// MaxPrefix is the length in bytes of the longest prefix; it leaves room for the separator, five characters of the
	// original name and the hash that follows a shortened name.
	MaxPrefix = MaxName - len(separator) - 5 - hashLen

	separator = "__"
	hashLen   = 1 + 8 // "_" and the first 8 hex digits of SHA-256
)

// CheckPrefix says why names under prefix could not be split again; nil when they can. The empty prefix is no prefix.
func CheckPrefix(prefix string) error {
	switch {
	case prefix == "":
		return nil
	case len(prefix) > MaxPrefix:
		return fmt.Errorf("prefix %q is longer than %d characters", prefix, MaxPrefix)
	case strings.Contains(prefix, separator):
		return fmt.Errorf("prefix %q contains %q, which separates it from the name", prefix, separator)
	case strings.HasSuffix(prefix, "_"):
		return fmt.Errorf("prefix %q ends with \"_\", which would run into the separator", prefix)
	case !inSet(prefix, false):
		return fmt.Errorf("prefix %q has characters other than A-Z a-z 0-9 _ -", prefix)
	}
	return nil
}

// DisplayName is the name under which clients see the tool or prompt that its upstream calls original. It depends on
// nothing else, so a name stays when other upstreams come and go.
//
// Prefixed, it is prefix + "__" + original, at most [MaxName] of [A-Za-z0-9_-]. An original with other characters, too
// long, or ending like a hash has them replaced, is shortened, and gets "_" and 8 hex digits of its SHA-256. Since
// originals that look hashed are hashed too, different originals under one prefix have different names, and since
// prefixes keep to [CheckPrefix], so have those under different prefixes.
//
// Not prefixed, an original of 1 to 64 of [A-Za-z0-9_./-] stays as it is, unless it is a path with empty or dot segments
// or a name every JavaScript object has; the rest is treated as above. Such names can clash, see [Build].
func DisplayName(prefix, original string, prefixed bool) string {
	if !prefixed {
		if inSet(original, true) && len(original) <= MaxName && !treacherous(original) {
			return original
		}
		return mangle(original, MaxName)
	}
	room := MaxName - len(prefix) - len(separator)
	if inSet(original, false) && len(original) <= room && !looksHashed(original) {
		return prefix + separator + original
	}
	return prefix + separator + mangle(original, room)
}

// mangle makes a name of at most room characters that ends with the hash of original.
func mangle(original string, room int) string {
	stem := max(0, room-hashLen)
	var b strings.Builder
	b.Grow(min(len(original), stem) + hashLen)
	for _, r := range original {
		if b.Len() == stem {
			break
		}
		if r < utf8.RuneSelf && inSet(string(r), false) {
			b.WriteByte(byte(r))
		} else {
			b.WriteByte('_')
		}
	}
	sum := sha256.Sum256([]byte(original))
	b.WriteByte('_')
	b.WriteString(hex.EncodeToString(sum[:4]))
	return b.String()
}

// inSet reports whether s is one or more of [A-Za-z0-9_-], or of [A-Za-z0-9_./-] when dots is set.
func inSet(s string, dots bool) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		case dots && (c == '.' || c == '/'):
		default:
			return false
		}
	}
	return s != ""
}

func looksHashed(s string) bool {
	i := len(s) - hashLen
	return i >= 0 && s[i] == '_' && strings.Trim(s[i+1:], "0123456789abcdef") == ""
}

// treacherous reports whether a client that uses the bare name as a path or as a key of an object could be led astray.
func treacherous(s string) bool {
	switch s {
	case "__proto__", "constructor", "prototype":
		return true
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part == "." || part == ".." {
			return true
		}
	}
	return false
}
