// SPDX-License-Identifier: Apache-2.0

package wire

import "slices"

// The members of _meta that the protocol reserves (2026-07-28 §_meta).
const (
	MetaProtocolVersion    = "io.modelcontextprotocol/protocolVersion"
	MetaClientInfo         = "io.modelcontextprotocol/clientInfo"
	MetaClientCapabilities = "io.modelcontextprotocol/clientCapabilities"
	MetaLogLevel           = "io.modelcontextprotocol/logLevel"
	MetaServerInfo         = "io.modelcontextprotocol/serverInfo"
	MetaSubscriptionID     = "io.modelcontextprotocol/subscriptionId"
	MetaProgressToken      = "progressToken"

	metaBaggage = "baggage"
)

// Meta is what the gateway reads of a request's _meta. The byte fields are spans of the params, nil when absent. What a
// client says here about itself is unverified: it must never decide what the client may do.
type Meta struct {
	Raw                                           []byte // the whole object
	ProtocolVersion                               string // "" when absent
	ClientInfo, ClientCapabilities, ProgressToken []byte
	LogLevel                                      string // "" when absent
}

// ParseMeta reads params._meta of a message that passed a check. Absent members are fine; members of a wrong type are a
// [CodeInvalidParams] error.
func ParseMeta(params []byte) (Meta, *Error) {
	raw, ok := Lookup(params, "_meta")
	if !ok {
		return Meta{}, nil
	}
	if raw[0] != '{' {
		return Meta{}, invalidParams("_meta must be an object")
	}
	m := Meta{Raw: raw}
	for member := range Members(raw) {
		if reason := m.set(member.Name, member.Value); reason != "" {
			return Meta{}, invalidParams(reason)
		}
	}
	return m, nil
}

// set answers what is wrong with the member.
func (m *Meta) set(name string, value []byte) string {
	ok := true
	switch name {
	case MetaProtocolVersion:
		if m.ProtocolVersion, ok = String(value); !ok {
			return "_meta." + name + " must be a string"
		}
	case MetaClientInfo:
		if m.ClientInfo = value; value[0] != '{' {
			return "_meta." + name + " must be an object"
		}
	case MetaClientCapabilities:
		if m.ClientCapabilities = value; value[0] != '{' {
			return "_meta." + name + " must be an object"
		}
	case MetaLogLevel:
		m.LogLevel, _ = String(value)
		if _, ok = LogLevel(m.LogLevel); !ok {
			return "_meta." + name + " must be one of debug, info, notice, warning, error, critical, alert, emergency"
		}
	case MetaProgressToken:
		if m.ProgressToken = value; value[0] != '"' && !isInteger(value) {
			return "_meta." + name + " must be a string or an integer"
		}
	}
	return ""
}

func invalidParams(reason string) *Error { return &Error{Code: CodeInvalidParams, Message: reason} }

// StripMeta returns params without the members of _meta that describe the hop from the client to the gateway: protocol
// version, client, capabilities, log level, subscription id and baggage, which must not reach an upstream as they are. A
// _meta that becomes empty goes as well. Progress token and foreign members stay, and everything else is kept byte for byte.
func StripMeta(params []byte) []byte {
	raw, ok := Lookup(params, "_meta")
	if !ok || raw[0] != '{' {
		return slices.Clip(params)
	}
	rest := Delete(raw, MetaProtocolVersion, MetaClientInfo, MetaClientCapabilities, MetaLogLevel, MetaSubscriptionID, metaBaggage)
	if len(rest) == len(raw) {
		return slices.Clip(params)
	}
	if _, more := firstMember(rest); !more {
		return Delete(params, "_meta")
	}
	return Set(params, "_meta", rest)
}

// LogLevel ranks the names of RFC 5424 from debug, 0, to emergency, 7. It answers false for other names.
func LogLevel(name string) (rank int, ok bool) {
	levels := [...]string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}
	rank = slices.Index(levels[:], name)
	return max(rank, 0), rank >= 0
}
