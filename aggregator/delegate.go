// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"errors"
	"net/http"

	"tollgate/aggregator/auth"
	"tollgate/upstream/wire"
)

// Speaker is who a request is made for: the caller itself or, where the caller may act for others and names somebody in
// _meta or in headers, that person. Names of a caller without the permission are ignored, and the attempt is recorded.
// meta is the _meta object of the request, h its headers; both may be nil.
func (g *Gate) Speaker(ctx context.Context, caller *auth.Principal, meta []byte, h http.Header) (*auth.Principal, *wire.Error) {
	named, mistake := auth.ParseActAs(meta, h)
	if named == nil && mistake == nil {
		return caller, nil
	}
	rev, err := g.revision(ctx)
	if err != nil {
		return nil, g.failed(&Call{Method: "act_as"}, err).Error
	}
	delegations := rev.delegations(rev.who(caller, g.now()))
	if mistake != nil && len(delegations) > 0 {
		return nil, &wire.Error{Code: wire.CodeInvalidParams, Message: mistake.Error()}
	}
	if mistake != nil {
		named = &auth.ActAs{}
	}
	person, err := caller.As(named, delegations)
	switch {
	case errors.Is(err, auth.ErrMayNotAct):
		g.log.Warn("a caller without act_as named somebody else; the names are ignored", "subject", caller.Subject, "key_id", caller.KeyID,
			"user", named.Subject, "role", named.Role, "team", named.Team, "org", named.Org)
		return caller, nil
	case err != nil:
		g.log.Warn("act_as refused", "subject", caller.Subject, "key_id", caller.KeyID, "user", named.Subject, "role", named.Role, "error", err)
		return nil, &wire.Error{Code: wire.CodeRefused, Message: err.Error()}
	}
	return person, nil
}

// delegations are what the roles of w let it do for others.
func (r *revision) delegations(w *who) []auth.Delegation {
	var all []auth.Delegation
	for _, role := range r.roles(w) {
		if d, ok := r.rules.Delegations[role]; ok {
			all = append(all, d)
		}
	}
	return all
}
