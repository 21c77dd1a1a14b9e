// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"tollgate/aggregator/auth"
	"tollgate/store/audit"
)

// scope is whose numbers a request is about, and how much of them its caller may see.
type scope struct {
	of   audit.Labels // that calls must have
	tool string       // original name, displayed name or upstream/original; "" = all
	// asked are the labels as the caller sent them, or was given them.
	asked audit.Labels
	// whole says that the caller may know what operators know: details, and names that callers were not told.
	whole bool
}

// scope reads whose numbers are asked for. Everybody may read its own; who may read everything and names nobody gets
// everything.
func (s *Server) scope(caller *auth.Principal, q url.Values) (*scope, *problem) {
	reads := s.opts.MayRead(caller)
	sc := &scope{tool: q.Get("tool"), whole: reads.All}
	sc.of = audit.Labels{
		Org: q.Get("org_id"), Team: q.Get("team_id"), User: q.Get("user_id"), Key: q.Get("key_id"), Upstream: q.Get("upstream"),
	}
	if !reads.All && sc.of.User == "" && sc.of.Team == "" {
		sc.of.User = caller.Subject
	}
	sc.asked = sc.of
	if reads.All {
		return sc, nil
	}
	if !reads.covers(caller, &sc.of) {
		return nil, notYours()
	}
	sc.of.Org = cmp.Or(sc.of.Org, caller.Org) // another organization may have a team or a user of the same name
	return sc, nil
}

// covers reports whether the caller may read what has the labels of.
func (reads *Reads) covers(caller *auth.Principal, of *audit.Labels) bool {
	if reads.All {
		return true
	}
	if caller.Org != "" && of.Org != "" && of.Org != caller.Org {
		return false
	}
	own := of.User != "" && of.User == caller.Subject
	return own || of.Team != "" && slices.Contains(reads.Teams, of.Team)
}

// notYours says the same whoever was asked about, and whether there is such a one or not.
func notYours() *problem {
	return &problem{
		status: http.StatusForbidden, name: accessDenied,
		message: "you may read your own numbers: those of others take a role with `reports: all`, or with `reports: team` and the team_id of your team",
	}
}

// missing says that there is no source of numbers.
func missing(what string) *problem {
	return &problem{status: http.StatusServiceUnavailable, name: ledgerUnavailable, message: fmt.Sprintf("this gateway keeps no %s", what)}
}

// unread is the answer when numbers could not be read; what went wrong is for the log.
func (s *Server) unread(what string, err error) *problem {
	if !errors.Is(err, context.Canceled) { // else the client is gone
		s.log.Error("numbers could not be read", "what", what, "error", err)
	}
	return &problem{status: http.StatusInternalServerError, message: fmt.Sprintf("the %s could not be read; the gateway's log says why", what)}
}
