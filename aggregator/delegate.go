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
		if e := g.noteActing(ctx, NoteIgnored, caller, named); e != nil {
			return nil, e
		}
		return caller, nil
	case err != nil:
		g.log.Warn("act_as refused", "subject", caller.Subject, "key_id", caller.KeyID, "user", named.Subject, "role", named.Role, "error", err)
		if e := g.noteActing(ctx, NoteRefused, caller, named); e != nil {
			return nil, e
		}
		return nil, &wire.Error{Code: wire.CodeRefused, Message: err.Error()}
	}
	return person, nil
}

// The actions of notes about callers that name somebody else.
const (
	NoteIgnored = "act_as.ignored" // the caller may not act for others
	NoteRefused = "act_as.refused" // it may, but not for this one, or not with this role
)

// noteActing records that a caller named somebody it may not act for.
func (g *Gate) noteActing(ctx context.Context, action string, caller *auth.Principal, named *auth.ActAs) *wire.Error {
	if g.opts.Ledger == nil {
		return nil // calls are refused
	}
	n := &Note{Action: action, Actor: caller.Subject, Target: named.Subject, Details: map[string]string{}}
	for key, value := range map[string]string{
		"method": caller.Method, "key_id": caller.KeyID, "org": caller.Org, "role": named.Role, "for_team": named.Team, "for_org": named.Org,
	} {
		if value != "" {
			n.Details[key] = value
		}
	}
	if err := g.opts.Ledger.Note(context.WithoutCancel(ctx), n); err != nil {
		return g.unavailable(&Call{Method: "act_as"}, newDecisionID(g.now()), err).Error
	}
	return nil
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
