// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"slices"

	"tollgate/aggregator/auth"
)

// Roles are those that the caller has at this moment, of its credential and of bindings; nil before the first rules are
// there. They are for telling the caller about itself: what they allow is for [Gate.View] and [Gate.Call] to say.
func (g *Gate) Roles(caller *auth.Principal) []string {
	rev := g.current.Load()
	if rev == nil {
		return nil
	}
	return slices.Clone(rev.rules.Bindings.Resolve(caller, g.now()).Roles)
}
