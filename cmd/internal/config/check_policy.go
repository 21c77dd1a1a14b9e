// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/url"
	"strings"
)

// policy checks what holds whatever the role, and where further policies come from.
func (k *checker) policy() {
	p := &k.c.Policy
	e := &p.Everyone
	k.conditions("policy.everyone", e.Constraints, e.Obligations, e.Limits)
	for i := range p.Scopes {
		k.patterns(Path("policy", "scopes", i, "for"), p.Scopes[i].For)
	}
	if p.Bundle != nil && !k.failed["policy.bundle"] {
		k.bundle(p.Bundle, "policy.bundle")
	}
}

func (k *checker) bundle(b *Bundle, at string) {
	if k.has(at+".file") && !k.has(at+".url") {
		for _, key := range []string{"headers", "every"} {
			if path := joinKey(at, key); k.has(path) {
				k.report(path, CodeConflict, "has no effect with file", "remove it; a changed file is noticed by itself")
			}
		}
	}
	if k.usable(at+".url") && (k.resolver != nil || !HasReference(b.URL.Written())) {
		k.secureURL(at+".url", b.URL.Reveal())
	}
	for name, value := range sorted(b.Headers) {
		path := joinKey(at+".headers", name)
		switch {
		case strings.ContainsAny(value.Reveal(), "\r\n"):
			k.report(path, CodeValue, "the value has a line break", "check the variable or file that it comes from")
		case value.Reveal() == "" && k.resolver != nil:
			k.report(path, CodeValue, "must not be empty", "remove the header or give it a value")
		}
	}
	if k.has(at + ".public_key") {
		return
	}
	for _, key := range []string{"key_id", "algorithm", "scope"} {
		if path := joinKey(at, key); k.has(path) {
			k.report(path, CodeConflict, "has no effect without public_key", "name the file with the key, or remove it")
		}
	}
	if k.usable(at + ".url") {
		k.warn(at+".url", CodeUnsafe, "the bundle is used without checking a signature", "sign it and set public_key")
	}
}

// secureURL checks a URL that tokens, keys or policies come from. It returns nil when it is no good.
func (k *checker) secureURL(at, text string) *url.URL {
	u, err := url.Parse(text)
	if strings.Contains(text, "@") {
		k.hide(k.node(at)) // what is before it may be a password
	}
	switch {
	case err != nil || u.Host == "" || strings.ContainsAny(text, "\r\n\t "):
		k.report(at, CodeValue, "not a URL", `write it like "https://login.example.com"`)
	case u.User != nil:
		k.report(at, CodeUnsafe, "has a user name or password", "remove it")
	case !validHost(u.Host):
		k.report(at, CodeValue, "has no valid host", `write it like "https://login.example.com"`)
	case u.Fragment != "" || strings.Contains(text, "#"):
		k.report(at, CodeValue, "has a fragment", `remove "#" and what follows`)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		k.report(at, CodeUnsafe, fmt.Sprintf("%q is not https", u.Scheme), "use https; http is for loopback addresses only")
	default:
		return u
	}
	return nil
}
