// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"tollgate/aggregator/auth"
	"tollgate/upstream/wire"
)

// actsFor reads whom the body says it is from, as _meta would say it; nil when it names nobody.
func actsFor(body []byte) ([]byte, *problem) {
	var named []byte
	for _, field := range [][2]string{{"user_id", "user"}, {"user_role", "role"}, {"team_id", "team"}} {
		value, p := stringOf(body, field[0])
		if p != nil {
			return nil, p
		}
		if value != "" {
			named = wire.Set(named, field[1], wire.AppendString(nil, value))
		}
	}
	return named, nil
}

// speaker is who a body speaks for. Its names count only for a credential that may act for others; the gate ignores those
// of any other one and records the attempt. Who names itself, as it is, names nobody.
func (s *Server) speaker(ctx context.Context, caller *auth.Principal, named []byte, h http.Header) (*auth.Principal, *problem) {
	var meta []byte
	if named != nil && !s.itself(caller, named) {
		meta = wire.Set(nil, auth.MetaActAs, named)
	}
	speaker, e := s.gate.Speaker(ctx, caller, meta, h)
	if e == nil {
		return speaker, nil
	}
	p := s.notSpeaker(e)
	p.message = inBody(p.message)
	return nil, p
}

// itself reports whether named says no more than the credential does.
func (s *Server) itself(caller *auth.Principal, named []byte) bool {
	word := func(name string) string {
		raw, _ := wire.Lookup(named, name)
		value, _ := wire.String(raw)
		return value
	}
	role, team := word("role"), word("team")
	return word("user") == caller.Subject && (team == "" || team == caller.Team) &&
		(role == "" || slices.Equal(s.gate.Roles(caller), []string{role}))
}

// inBody names the members of a body in what is said about those of _meta.
func inBody(message string) string {
	const meta = `_meta["` + auth.MetaActAs + `"]`
	return strings.NewReplacer(meta+".user", "user_id", meta+".role", "user_role", meta+".team", "team_id",
		meta+" names no user", "user_id is missing beside user_role or team_id", meta, "the body").Replace(message)
}

// maxIdempotencyKey bounds an idempotency key in bytes.
const maxIdempotencyKey = 255

// idempotencyKey is the Idempotency-Key of a request, as the draft of the IETF (a string in quotes) or without quotes.
func idempotencyKey(h http.Header) (string, *problem) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if inner, ok := strings.CutPrefix(key, `"`); ok && strings.HasSuffix(inner, `"`) {
		key = inner[:len(inner)-1]
	}
	odd := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, odd) {
		return "", badRequest("the header Idempotency-Key must be there once, with 1 to 255 printable ASCII characters without spaces, quotes and backslashes")
	}
	return key, nil
}
