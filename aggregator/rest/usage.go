// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"slices"

	"tollgate/aggregator/auth"
	"tollgate/store/ledger"
)

// usageAnswer is how calls ended.
type usageAnswer struct {
	reportHead
	usageNumbers
	ByTool []toolUsage  `json:"usage_by_tool"`
	Groups []groupUsage `json:"groups,omitempty"`
}

type usageNumbers struct {
	Calls    int64 `json:"calls"`
	Answered int64 `json:"answered"`
	Failed   int64 `json:"failed"`
	// Refused is left out where it would tell what is hidden from the caller.
	Refused *int64  `json:"refused,omitempty"`
	Cost    string  `json:"cost"`
	Overrun string  `json:"overrun,omitempty"`
	Bytes   int64   `json:"bytes"`
	Average float64 `json:"average_ms"` // of the calls that ended
}

type toolUsage struct {
	Tool string `json:"tool"`
	Kind string `json:"kind,omitempty"` // when it is no tool
	usageNumbers
}

type groupUsage struct {
	Key map[string]string `json:"key"`
	usageNumbers
}

// usage answers how many calls there were and how they ended.
func (s *Server) usage(w http.ResponseWriter, r *http.Request, caller *auth.Principal) *problem {
	rep, p := s.report(r, caller)
	if p != nil {
		return p
	}
	// How often a tool was refused tells a caller that it exists, when it is one that the caller may not see.
	sc := rep.scope
	whole := sc.whole || sc.tool == "" && sc.of.Upstream == ""
	a := &usageAnswer{reportHead: rep.head, usageNumbers: numbers(&rep.total, whole), ByTool: []toolUsage{}}
	for _, g := range rep.tools {
		a.ByTool = append(a.ByTool, toolUsage{g.Key["tool"], otherKind(&g), numbers(&g.Usage, sc.whole)})
	}
	for _, g := range rep.groups {
		bare := !slices.ContainsFunc(rep.by, namesObject)
		a.Groups = append(a.Groups, groupUsage{g.Key, numbers(&g.Usage, sc.whole || whole && bare)})
	}
	s.json(w, a)
	return nil
}

func numbers(u *ledger.Usage, refused bool) usageNumbers {
	n := usageNumbers{Calls: u.Calls, Answered: u.Answered, Failed: u.Failed, Cost: ledger.FormatUSD(u.Cost), Bytes: u.Bytes}
	if refused {
		n.Refused = &u.Refused
	}
	if u.Overrun > 0 {
		n.Overrun = ledger.FormatUSD(u.Overrun)
	}
	if ended := u.Answered + u.Failed; ended > 0 {
		n.Average = float64(u.Micros/ended) / 1000
	}
	return n
}
