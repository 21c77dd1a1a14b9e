// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"tollgate/upstream/wire"
)

// clientMeta is what a request says about the client it is made for.
type clientMeta struct {
	info, capabilities []byte // raw JSON; capabilities nil = {}
	logLevel           string // "" = none
	token              []byte // progress token, raw JSON; nil = none
}

// modernParams returns params with the reserved keys of _meta that 2026-07-28 wants in every request. Everything else in
// params and _meta keeps its bytes.
func modernParams(params []byte, rev wire.Revision, m clientMeta) []byte {
	meta := metaOf(params)
	meta = wire.Set(meta, wire.MetaProtocolVersion, quote(string(rev)))
	meta = wire.Set(meta, wire.MetaClientInfo, m.info)
	capabilities := m.capabilities
	if capabilities == nil {
		capabilities = []byte("{}")
	}
	meta = wire.Set(meta, wire.MetaClientCapabilities, capabilities)
	if m.logLevel != "" {
		meta = wire.Set(meta, wire.MetaLogLevel, quote(m.logLevel))
	}
	if m.token != nil {
		meta = wire.Set(meta, wire.MetaProgressToken, m.token)
	}
	return wire.Set(params, "_meta", meta)
}

// legacyParams returns params without any key of _meta that a legacy upstream must not see, and with the token when there is
// one. nil params without a token stay nil.
func legacyParams(params []byte, m clientMeta) []byte {
	if params != nil {
		params = wire.StripMeta(params)
	}
	if m.token == nil {
		return params
	}
	return wire.Set(params, "_meta", wire.Set(metaOf(params), wire.MetaProgressToken, m.token))
}

// metaOf returns the _meta object of params, nil when there is none.
func metaOf(params []byte) []byte {
	meta, ok := wire.Lookup(params, "_meta")
	if !ok || wire.Kind(meta) != '{' {
		return nil
	}
	return meta
}

// quote returns s as a JSON string.
func quote(s string) []byte { return wire.AppendString(nil, s) }

// object returns a JSON object with the given members in order: name, raw value, name, raw value.
func object(members ...string) []byte {
	b := []byte{'{'}
	for i := 0; i+1 < len(members); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, members[i])
		b = append(b, ':')
		b = append(b, members[i+1]...)
	}
	return append(b, '}')
}
