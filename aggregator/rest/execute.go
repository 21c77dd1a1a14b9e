// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"tollgate/aggregator"
	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
)

// execute calls one tool.
func (s *Server) execute(w http.ResponseWriter, r *http.Request, caller *auth.Principal) *problem {
	key, p := idempotencyKey(r.Header)
	if p != nil {
		return p
	}
	body, p := s.body(w, r)
	if p != nil {
		return p
	}
	in, p := parse(body)
	if p != nil {
		return p
	}
	patient(w)
	ctx := r.Context()
	if caller, p = s.speaker(ctx, caller, in.acts, r.Header); p != nil {
		return p
	}
	name, p := s.displayed(ctx, caller, in)
	if p != nil {
		return p
	}
	params, p := in.params(name)
	if p != nil {
		return p
	}
	reply := s.gate.Call(ctx, caller, &aggregator.Call{
		Method: aggregator.MethodCallTool, Params: params, Client: s.client, Transport: "http", Origin: aggregator.OriginREST,
		SourceIP: s.opts.Auth.Source(r), IdempotencyKey: key,
	})
	if reply.Replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	if p := s.unanswered(caller, in, &reply); p != nil {
		return p
	}
	s.send(w, http.StatusOK, "application/json", answer(&reply))
	return nil
}

// displayed is the name under which the caller sees the tool that it means. A name of nothing stays as it is: the gate
// answers for it, and records it.
func (s *Server) displayed(ctx context.Context, caller *auth.Principal, in *asked) (string, *problem) {
	view, err := s.gate.View(ctx, caller, "")
	if err != nil {
		return in.tool, nil
	}
	found := view.Meant(catalog.Tool, in.server, in.tool)
	switch {
	case len(found) == 1:
		return found[0].Key(), nil
	case len(found) > 1:
		return "", badRequest(fmt.Sprintf("the tool name %q is ambiguous: send one of %s", in.shown(), names(found)))
	case in.server == "":
		return in.tool, nil
	}
	name := in.server + "/" + in.tool
	if _, taken := view.Tool(name); taken {
		name = in.server + " / " + in.tool // no displayed name has spaces, and this must not be another upstream's tool
	}
	return name, nil
}

// maxNames bounds the names that an answer proposes.
const maxNames = 5

func names(found []*catalog.Entry) string {
	var all []string
	for _, e := range found[:min(len(found), maxNames)] {
		all = append(all, e.Key())
	}
	return strings.Join(all, ", ")
}
