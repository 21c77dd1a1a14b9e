// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

// reference is one ${scheme:name} in a string.
type reference struct {
	scheme     string // env, file or keyring
	name       string
	fallback   string // text after ":-", env only
	hasDefault bool
	service    string // keyring only; name is then the user
}

// part is a piece of a string: literal text, or a reference when ref is set.
type part struct {
	text string
	ref  *reference
}

// malformed is a mistake in the form of a reference. Its texts show the reference but nothing around it.
type malformed struct{ message, hint string }

const openRef = "${"

// splitReferences cuts s into literal text and references. $${ is a literal "${"; a lone "$" is literal too.
func splitReferences(s string) ([]part, *malformed) {
	var parts []part
	var text strings.Builder
	for {
		i := strings.Index(s, openRef)
		if i < 0 {
			text.WriteString(s)
			break
		}
		if i > 0 && s[i-1] == '$' {
			text.WriteString(s[:i-1] + openRef)
			s = s[i+len(openRef):]
			continue
		}
		text.WriteString(s[:i])
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return nil, &malformed{`a reference starts with "${" but does not end`, `close it with "}", or write "$${" for a literal "${"`}
		}
		ref, bad := parseReference(s[i+len(openRef) : i+end])
		if bad != nil {
			return nil, bad
		}
		if text.Len() > 0 {
			parts = append(parts, part{text: text.String()})
			text.Reset()
		}
		parts = append(parts, part{ref: ref})
		s = s[i+end+1:]
	}
	if text.Len() > 0 {
		parts = append(parts, part{text: text.String()})
	}
	return parts, nil
}

const forms = "write ${env:NAME}, ${file:path} or ${keyring:service/user}"

const escapeHint = `; write "$${" for a literal "${"`

const variablePattern = `^[A-Za-z_][A-Za-z0-9_]*$`

func parseReference(body string) (*reference, *malformed) {
	if strings.Contains(body, openRef) {
		return nil, &malformed{"references do not nest", "write one reference; its value is taken as it is"}
	}
	scheme, name, found := strings.Cut(body, ":")
	switch {
	case !found || strings.HasPrefix(name, "-"):
		// What is in the braces may be part of a password; only what looks like a variable is shown.
		if !matches(variablePattern, scheme) {
			return nil, &malformed{"unknown kind of reference", forms + escapeHint}
		}
		return nil, &malformed{fmt.Sprintf("unknown reference %q", openRef+scheme+"}"), fmt.Sprintf("write ${env:%s}", scheme) + escapeHint}
	case scheme == "env":
		name, fallback, hasDefault := strings.Cut(name, ":-")
		if !matches(variablePattern, name) {
			return nil, &malformed{"an env reference needs the name of a variable", "write ${env:NAME} or ${env:NAME:-default}"}
		}
		return &reference{scheme: scheme, name: name, fallback: fallback, hasDefault: hasDefault}, nil
	case scheme == "file":
		if name == "" || strings.ContainsRune(name, 0) {
			return nil, &malformed{"a file reference without a file name", "write ${file:path}"}
		}
		return &reference{scheme: scheme, name: name}, nil
	case scheme == "keyring":
		service, user, ok := strings.Cut(name, "/")
		if !ok || service == "" || user == "" {
			return nil, &malformed{"a keyring reference needs a service and a user", "write ${keyring:service/user}"}
		}
		return &reference{scheme: scheme, service: service, name: user}, nil
	default:
		return nil, &malformed{"unknown kind of reference", forms + escapeHint}
	}
}

// HasReference reports whether s holds anything that would be replaced, or that is refused because it looks like it.
func HasReference(s string) bool {
	parts, bad := splitReferences(s)
	for _, p := range parts {
		if p.ref != nil {
			return true
		}
	}
	return bad != nil
}

// ValidReference reports whether s is exactly one well-formed reference, for example "${env:NAME}".
func ValidReference(s string) bool {
	parts, bad := splitReferences(s)
	return bad == nil && len(parts) == 1 && parts[0].ref != nil
}

// Escape returns the text that stands for the literal s in a string that may hold references.
func Escape(s string) string { return strings.ReplaceAll(s, openRef, "$"+openRef) }
