// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"time"
)

// bindings checks who gets which roles for how long.
func (k *checker) bindings() {
	for i := range k.c.Bindings {
		b, at := &k.c.Bindings[i], Path("bindings", i)
		k.rolesExist(at+".roles", b.Roles)
		if o := k.c.Auth.OAuth; o != nil && len(o.Issuers) > 1 && b.Issuer == "" && b.Subject != "" {
			k.warn(at+".subject", CodeConflict, fmt.Sprintf("%q of any of the %d issuers gets this", b.Subject, len(o.Issuers)),
				"name the issuer too: two of them may know different people by one name")
		}
		if !k.usable(at + ".until") {
			continue // also where until is not among the keys
		}
		if !b.Until.After(k.now) {
			k.warn(at+".until", CodeRange, fmt.Sprintf("ended at %s", b.Until.UTC().Format(time.RFC3339)), "remove the binding, or set another time")
		}
		if !k.has(at + ".reason") {
			k.warn(at, CodeMissing, "a binding that ends has no reason", "say with reason why it was given, for those who read of it later")
		}
	}
}
