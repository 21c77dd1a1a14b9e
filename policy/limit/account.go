// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"tollgate/policy"
)

// accountWords are what the accounts of a budget may belong to.
func accountWords() []string {
	return []string{"org", "team", "user", "key", "tool", "upstream", "all"}
}

// accountParts are the parts of an account's name for the words of per, in an
// order of their own: a team and a user belong to an org, and a tool to an upstream.
// So two ways to write the same accounts give the same names.
func accountParts(per []string) []string {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(per, w) })
	}
	var parts []string
	for _, p := range [...]struct {
		part  string
		there bool
	}{
		{"org", has("org", "team", "user")}, {"team", has("team")}, {"user", has("user")}, {"key", has("key")},
		{"upstream", has("upstream", "tool")}, {"tool", has("tool")},
	} {
		if p.there {
			parts = append(parts, p.part)
		}
	}
	return parts
}

// maxAccountPart bounds one part of an account's name, in bytes: a call is charged
// by names of at most 1 KiB, and a caller may choose a part of them.
const maxAccountPart = 100

// Account is the name of the account that a call is charged to, such as
// acme/alice for per user; "" for a budget with a single account. People can read
// it, and two different callers or tools never share one: in each part between
// slashes, what would be taken for something else is written as %XX, nothing as -,
// and what takes more than 100 bytes as #<sha256>. The upstream and the tool are
// github/search, or github/prompt:review; the key of a caller without one is
// <method>:<org>:<subject>.
func (b *Budget) Account(in *policy.Input) string {
	if len(b.parts) == 0 {
		return ""
	}
	name := make([]byte, 0, 64)
	for i, part := range b.parts {
		if i > 0 {
			name = append(name, '/')
		}
		switch who := in.Principal; part {
		case "org":
			name = appendPart(name, who.Org)
		case "team":
			name = appendPart(name, who.Team)
		case "user":
			name = appendPart(name, who.Subject)
		case "key":
			name = appendKey(name, who)
		case "upstream":
			name = appendPart(name, in.Object.Upstream)
		case "tool":
			name = appendTool(name, in.Object)
		}
	}
	return string(name)
}

// appendKey takes the colons of [Budget.Account] from names by escaping them there.
func appendKey(name []byte, who *policy.Principal) []byte {
	if who.KeyID != "" {
		return appendPart(name, who.KeyID)
	}
	name = append(appendPart(name, who.AuthMethod), ':')
	name = append(appendPart(name, who.Org), ':')
	return appendPart(name, who.Subject)
}

func appendTool(name []byte, o *policy.Object) []byte {
	if o.Kind != "tool" {
		name = append(appendPart(name, o.Kind), ':')
	}
	if o.Kind == "resource" || o.Kind == "template" { // by which it is told apart
		return appendPart(name, o.URI)
	}
	return appendPart(name, o.OriginalName)
}

// appendPart writes one part so that it holds no "/" and no ":", is not empty, and
// can be read back.
func appendPart(name []byte, part string) []byte {
	switch {
	case part == "":
		return append(name, '-')
	case part == "-":
		return append(name, "%2D"...)
	}
	start := len(name)
	for i := 0; i < len(part); {
		r, n := utf8.DecodeRuneInString(part[i:])
		if standsForItself(r, n) {
			name = append(name, part[i:i+n]...)
		} else {
			for _, ch := range []byte(part[i : i+n]) {
				name = fmt.Appendf(name, "%%%02X", ch)
			}
		}
		if i += n; len(name)-start > maxAccountPart {
			sum := sha256.Sum256([]byte(part))
			return hex.AppendEncode(append(name[:start], '#'), sum[:])
		}
	}
	return name
}

// standsForItself reports whether a character of n bytes is written as it is.
func standsForItself(r rune, n int) bool {
	switch r {
	case ' ', '/', ':', '%', '#':
		return false
	case utf8.RuneError: // or a byte that is no UTF-8
		return n > 1
	}
	return unicode.IsPrint(r)
}
