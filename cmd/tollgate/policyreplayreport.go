// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/aggregator"
	"tollgate/aggregator/replay"
	"tollgate/cmd/internal/cli"
)

// printReplay prints what a candidate would change.
func (a *app) printReplay(r *replay.Report, o *policyReplay) error {
	if o.asJSON {
		return a.streams.JSON(r)
	}
	out := a.streams.Out
	fmt.Fprintf(out, "candidate %.12s: %s%s\n", r.Candidate, counted(r.Decisions, "decision"), period(r.From, r.To))
	fmt.Fprintf(out, "  %s as before, %s newly refused, %s newly allowed, %s undecidable\n", grouped(r.Same), grouped(r.Refused), grouped(r.Allowed), grouped(r.Undecidable))
	for _, section := range []struct {
		change replay.Change
		title  string
	}{{replay.Refused, "Newly refused"}, {replay.Allowed, "Newly allowed (the rule is the recorded one)"}, {replay.Undecidable, "Undecidable: the verdict may depend on what the record does not hold"}} {
		if err := printGroups(out, r, section.change, section.title); err != nil {
			return err
		}
	}
	printApart(out, r)
	return nil
}

func period(from, to time.Time) string {
	out := ""
	if !from.IsZero() {
		out += " since " + from.Local().Format("2006-01-02 15:04")
	}
	if !to.IsZero() {
		out += " until " + to.Local().Format("2006-01-02 15:04")
	}
	return out
}

func printGroups(out io.Writer, r *replay.Report, change replay.Change, title string) error {
	who := strings.ToUpper(r.By)
	t := cli.NewTable("CALLS", who, "ROLES", "WHAT", "RULE", "REASON", "DECISIONS")
	switch {
	case r.By != replay.ByUser:
		t = cli.NewTable("CALLS", who, "USERS", "WHAT", "RULE", "REASON", "DECISIONS")
	}
	for _, g := range r.Groups {
		if g.Change != change {
			continue
		}
		second := strings.Join(g.Roles, ", ")
		if r.By != replay.ByUser {
			second = strconv.Itoa(g.Users)
		}
		rule, reason := ruleOf(g.Code, g.Rule, g.Place), g.Reason
		if change == replay.Undecidable {
			rule, reason = "", "missing "+missingText(g.Missing, g.Schema)
		}
		t.Row(grouped(g.Calls), g.Who, second, strings.TrimPrefix(g.Object, "tool:"), rule, reason, strings.Join(g.Examples, " "))
	}
	if t.Len() == 0 {
		return nil
	}
	fmt.Fprintf(out, "\n%s\n", title)
	if _, err := t.WriteTo(out); err != nil {
		return err
	}
	if n := r.Ungrouped[change]; n > 0 {
		fmt.Fprintf(out, "and %s in more groups; use --by role or a shorter period\n", counted(n, "call"))
	}
	return nil
}

// ruleOf is who or what refuses, in one cell.
func ruleOf(code, rule, place string) string {
	switch code {
	case aggregator.CodeConstraint:
		rule = "constraint of " + orElse(rule, "the tool's own schema")
	case aggregator.CodeHidden:
		rule = strings.TrimSuffix("hidden: "+rule, ": ")
	case aggregator.CodeScope, aggregator.CodeReason:
		rule = orElse(rule, code)
	default:
		if rule == "" || rule == "deny" && place == "" {
			rule = strings.TrimSpace(code + " " + rule)
		}
	}
	if place != "" {
		rule += " at " + place
	}
	return rule
}

// missingText names places of arguments that are not known.
func missingText(missing []string, schema bool) string {
	var out []string
	for _, pointer := range missing {
		if pointer == "" {
			pointer = "all arguments"
		}
		out = append(out, pointer)
	}
	if schema {
		out = append(out, "the tool's input schema at that time")
	}
	return strings.Join(out, ", ")
}

// printApart prints what replay can say less about, or nothing.
func printApart(out io.Writer, r *replay.Report) {
	if len(r.Otherwise)+len(r.NotDecided)+int(min(r.Partly+r.Unreadable, 1)) > 0 {
		fmt.Fprintln(out)
	}
	for _, code := range sortedKeys(r.Otherwise) {
		o := r.Otherwise[code]
		text := fmt.Sprintf("%s passed the policy and ended by %s; the candidate would have refused %s of them before", counted(o.Calls, "call"), cli.Clean(orElse(code, "something else")), grouped(o.Refused))
		if o.Undecidable > 0 {
			text += fmt.Sprintf(" (%s undecidable)", grouped(o.Undecidable))
		}
		fmt.Fprintln(out, text)
	}
	for _, code := range sortedKeys(r.NotDecided) {
		fmt.Fprintf(out, "not decided on: %s, %s\n", counted(r.NotDecided[code], "request"), cli.Clean(code))
	}
	if r.Partly > 0 {
		fmt.Fprintf(out, "without the tool's own schema: %s (no gateway runs, the tool has changed, or arguments are missing)\n", counted(r.Partly, "decision"))
	}
	if r.Unreadable > 0 {
		fmt.Fprintf(out, "not readable: %s; the first: %s\n", counted(r.Unreadable, "record"), cli.Clean(r.FirstBad))
	}
}

// changeLine is one change as JSON.
type changeLine struct {
	Decision string        `json:"decision"`
	Time     time.Time     `json:"time"`
	Change   replay.Change `json:"change"`
	User     string        `json:"user"`
	Roles    []string      `json:"roles"`
	Object   string        `json:"object"`
	Code     string        `json:"code,omitempty"`
	Rule     string        `json:"rule,omitempty"`
	Place    string        `json:"place,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	Missing  []string      `json:"missing,omitempty"`
	Schema   bool          `json:"input_schema_missing,omitempty"`
}

// printChange prints one change a line.
func (a *app) printChange(asJSON bool) func(c *replay.Case, x *replay.Answer) error {
	enc := json.NewEncoder(a.streams.Out)
	enc.SetEscapeHTML(false)
	return func(c *replay.Case, x *replay.Answer) error {
		p, o := c.Past.Input.Principal, c.Past.Input.Object
		line := changeLine{
			c.ID, c.Time, x.Change, p.Subject, c.Roles(), o.Kind + ":" + o.Upstream + "/" + orElse(o.OriginalName, o.URI), x.Code, x.Rule, x.Place, x.Reason, x.Missing, x.Schema,
		}
		if asJSON {
			return enc.Encode(&line)
		}
		why := strings.TrimSuffix(ruleOf(x.Code, x.Rule, x.Place)+": "+x.Reason, ": ")
		if x.Change == replay.Undecidable {
			why = "missing " + missingText(x.Missing, x.Schema)
		}
		_, err := fmt.Fprintln(a.streams.Out, c.ID, x.Change, cli.Clean(p.Subject), cli.Clean(line.Object), cli.Clean(why))
		return err
	}
}

// counted is a number with its noun.
func counted(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

// grouped is a number with its thousands apart.
func grouped(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var parts []string
	for len(digits) > 3 {
		parts = append(parts, digits[len(digits)-3:])
		digits = digits[:len(digits)-3]
	}
	parts = append(parts, digits)
	slices.Reverse(parts)
	return strings.Join(parts, ",")
}
