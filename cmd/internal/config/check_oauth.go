// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

// oauth checks how an upstream at a URL gets its tokens.
func (k *checker) oauth(u *Upstream, at string) {
	o := u.OAuth
	if o == nil || k.failed[at] {
		return
	}
	for name := range sorted(u.Headers) {
		if strings.EqualFold(name, "Authorization") {
			k.report(at, CodeConflict, fmt.Sprintf("headers has %s too", name), "keep headers for a fixed token, or oauth for one that is got and renewed")
		}
	}
	hasID, hasSecret := k.has(at+".client_id"), k.has(at+".client_secret")
	switch {
	case hasSecret && !hasID:
		k.report(at+".client_secret", CodeMissing, "a secret needs its client_id", "set client_id")
	case o.Grant == "client_credentials" && !(hasID && hasSecret):
		k.report(at+".grant", CodeMissing, "client_credentials needs client_id and client_secret", "set both, or use authorization_code")
	}
	if hasID && k.has(at+".client_metadata_url") {
		k.report(at+".client_metadata_url", CodeConflict, "has no effect with client_id", "remove one of the two")
	}
	if o.Grant == "client_credentials" && k.has(at+".redirect_url") {
		k.report(at+".redirect_url", CodeConflict, "has no effect with client_credentials", "remove it")
	}
	for _, key := range []struct {
		name  string
		value Secret
	}{{"client_id", o.ClientID}, {"client_secret", o.ClientSecret}} {
		if path := at + "." + key.name; k.usable(path) && k.resolver != nil && key.value.Reveal() == "" {
			k.report(path, CodeValue, "must not be empty", "remove the key or give it a value")
		}
	}
	if k.has(at+".client_secret") && k.resolver != nil && !HasReference(o.ClientSecret.Written()) && o.ClientSecret.Reveal() != "" {
		k.warn(at+".client_secret", CodeUnsafe, "the secret stands in this file", "keep it elsewhere and write ${env:NAME}, ${file:path} or ${keyring:service/user}")
	}
	for i, scope := range o.Scopes {
		if path := joinIndex(at+".scopes", i); scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			k.report(path, CodeValue, fmt.Sprintf("%q is not a scope", scope), "write each scope on its own, without spaces and quotes")
		}
	}
}
