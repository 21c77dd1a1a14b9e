// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/store/ledger"
)

// costsAnswer is what calls cost. Amounts are texts, exact; total_cost_nano is in nano-USD.
type costsAnswer struct {
	reportHead
	Total     string      `json:"total_cost"`
	TotalNano int64       `json:"total_cost_nano"`
	Calls     int64       `json:"calls"`
	Budget    *string     `json:"budget"`
	Remaining *string     `json:"remaining"`
	ByTool    []toolCost  `json:"usage_by_tool"`
	Groups    []groupCost `json:"groups,omitempty"`
}

// reportHead says what a report is about.
type reportHead struct {
	Period   *string `json:"period"`
	From     *string `json:"from"`
	To       *string `json:"to"`
	Zone     string  `json:"timezone"`
	Org      string  `json:"org_id,omitempty"`
	Team     string  `json:"team_id,omitempty"`
	User     string  `json:"user_id,omitempty"`
	Key      string  `json:"key_id,omitempty"`
	Upstream string  `json:"upstream,omitempty"`
	Tool     string  `json:"tool,omitempty"`
}

type toolCost struct {
	Tool  string `json:"tool"`
	Kind  string `json:"kind,omitempty"` // when it is no tool
	Calls int64  `json:"calls"`
	Cost  string `json:"cost"`
}

type groupCost struct {
	Key   map[string]string `json:"key"`
	Calls int64             `json:"calls"`
	Cost  string            `json:"cost"`
}

// costs answers what calls cost.
func (s *Server) costs(w http.ResponseWriter, r *http.Request, caller *auth.Principal) *problem {
	rep, p := s.report(r, caller)
	if p != nil {
		return p
	}
	a := &costsAnswer{reportHead: rep.head, Total: ledger.FormatUSD(rep.total.Cost), TotalNano: rep.total.Cost, Calls: rep.total.Calls, ByTool: []toolCost{}}
	for _, g := range rep.tools {
		a.ByTool = append(a.ByTool, toolCost{Tool: g.Key["tool"], Kind: otherKind(&g), Calls: g.Calls, Cost: ledger.FormatUSD(g.Cost)})
	}
	for _, g := range rep.groups {
		a.Groups = append(a.Groups, groupCost{Key: g.Key, Calls: g.Calls, Cost: ledger.FormatUSD(g.Cost)})
	}
	b, p := s.tightest(r.Context(), caller, rep)
	if p != nil {
		return p
	}
	if b != nil {
		limit, remaining := ledger.FormatUSD(b.Limit), ledger.FormatUSD(b.Remaining())
		a.Budget, a.Remaining = &limit, &remaining
	}
	s.json(w, a)
	return nil
}

// report is one reading of the ledger.
type report struct {
	head          reportHead
	scope         *scope
	unit          string
	by            []string
	total         ledger.Usage
	tools, groups []ledger.CostGroup
}

// report reads the costs that a request asks for.
func (s *Server) report(r *http.Request, caller *auth.Principal) (*report, *problem) {
	if s.opts.Ledger == nil {
		return nil, missing("ledger")
	}
	q := r.URL.Query()
	sc, p := s.scope(caller, q)
	if p != nil {
		return nil, p
	}
	d, p := s.days(q)
	if p != nil {
		return nil, p
	}
	by, p := groupWords(q)
	if p != nil {
		return nil, p
	}
	rep := &report{scope: sc, unit: d.unit, by: by}
	got, err := s.opts.Ledger.Costs(r.Context(), sc.query(d, []string{"kind", "tool"}))
	if err != nil {
		return nil, s.unread("costs", err)
	}
	rep.total, rep.tools = got.Total, admittedOnly(got.Groups)
	rep.head = s.head(sc, d, got)
	if len(by) == 0 {
		return rep, nil
	}
	if got, err = s.opts.Ledger.Costs(r.Context(), sc.query(d, by)); err != nil {
		return nil, s.unread("costs", err)
	}
	rep.groups = got.Groups
	if !sc.whole && slices.ContainsFunc(by, namesObject) {
		rep.groups = admittedOnly(rep.groups)
	}
	return rep, nil
}

// namesObject reports whether a word of group_by says what was called.
func namesObject(word string) bool { return word == "tool" || word == "upstream" || word == "kind" }

func (sc *scope) query(d *days, by []string) *ledger.CostQuery {
	return &ledger.CostQuery{
		From: d.from, To: d.to, Org: sc.of.Org, Team: sc.of.Team, User: sc.of.User, Key: sc.of.Key, Upstream: sc.of.Upstream,
		Tool: sc.tool, GroupBy: by,
	}
}

func groupWords(q url.Values) ([]string, *problem) {
	by := words(q.Get("group_by"))
	known := []string{"day", "org", "team", "user", "key", "upstream", "tool", "kind", "origin"}
	for i, word := range by {
		if !slices.Contains(known, word) || slices.Contains(by[:i], word) {
			return nil, badRequest("parameter \"group_by\" must be a list, separated by commas, of day, org, team, user, key, upstream, tool, kind or origin, each once")
		}
	}
	return by, nil
}

// admittedOnly are the groups with calls that were admitted. What was only refused may be something that its caller does
// not know to exist.
func admittedOnly(groups []ledger.CostGroup) []ledger.CostGroup {
	return slices.DeleteFunc(groups, func(g ledger.CostGroup) bool { return g.Calls == 0 })
}

func otherKind(g *ledger.CostGroup) string {
	if kind := g.Key["kind"]; kind != "tool" {
		return kind
	}
	return ""
}

// head says what a report is about. A report without bounds begins and ends where there is something.
func (s *Server) head(sc *scope, d *days, got *ledger.CostReport) reportHead {
	h := reportHead{
		Zone: s.opts.Zone.String(), Org: sc.asked.Org, Team: sc.asked.Team, User: sc.asked.User, Key: sc.asked.Key,
		Upstream: sc.asked.Upstream, Tool: sc.tool,
	}
	if d.unit != "" {
		h.Period = &d.unit
	}
	day := func(asked, found time.Time) *string {
		if asked.IsZero() {
			asked = found
		}
		if asked.IsZero() {
			return nil
		}
		text := asked.In(s.opts.Zone).Format(time.DateOnly)
		return &text
	}
	h.From, h.To = day(d.from, got.From), day(d.to, got.To)
	return h
}

// json answers with v.
func (s *Server) json(w http.ResponseWriter, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // plain values
		s.log.Error("an answer could not be written", "error", err)
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	s.send(w, http.StatusOK, "application/json", b.Bytes())
}
