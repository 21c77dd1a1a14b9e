// SPDX-License-Identifier: Apache-2.0

package upstream

import "tollgate/upstream/wire"

// flavour is the set of client capabilities a legacy session declares in initialize, which freezes them for its life: the
// canonical JSON object of those that let a server ask something. A modern session has none: there, capabilities travel with
// each request.
type flavour string

const (
	// flavourPlain declares nothing, so that the upstream has nothing to ask.
	flavourPlain flavour = ""
	// flavourShared is that of the shared session, and declared with the gateway's own requests to modern upstreams: some
	// servers list a tool only to clients that can answer what it asks.
	flavourShared flavour = `{"elicitation":{"form":{},"url":{}},"roots":{},"sampling":{}}`
)

// maxDeclaration bounds what is declared of one capability. A larger one counts as absent.
const maxDeclaration = 4 << 10

// flavourOf returns what a client with these capabilities, a raw JSON object or nil, wants declared.
func flavourOf(capabilities []byte) flavour {
	var members []string
	for _, name := range []string{"elicitation", "roots", "sampling"} { // the canonical order
		v, ok := wire.Lookup(capabilities, name)
		if ok && wire.Kind(v) == '{' && len(v) <= maxDeclaration {
			members = append(members, name, string(wire.Canonical(v)))
		}
	}
	if members == nil {
		return flavourPlain
	}
	return flavour(object(members...))
}

// capabilities returns the member of initialize.
func (f flavour) capabilities() string {
	if f == flavourPlain {
		return "{}"
	}
	return string(f)
}

// lease names the sessions a request may run on. Sessions of different owners or flavours are never mixed.
type lease struct {
	owner   string // sharedOwner or a key of the aggregator's
	flavour flavour
}

const sharedOwner = ""

// isShared says that the session the lists are read from will do, whose flavour is fixed.
func (l lease) isShared() bool { return l.owner == sharedOwner }

// leaseOf returns the lease of a request to a legacy upstream.
func (c *Config) leaseOf(r *Request) lease {
	f := flavourOf(r.ClientCapabilities)
	if r.Owner == sharedOwner || f == flavourPlain && c.Sessions == sessionsShared {
		return lease{owner: sharedOwner, flavour: flavourShared}
	}
	return lease{owner: r.Owner, flavour: f}
}
