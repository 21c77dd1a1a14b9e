// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/aggregator/replay"
	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
)

// decisionID is the form of ids of decisions.
var decisionID = regexp.MustCompile(`^[0-9A-Va-v]{26}$`)

// explainDecision says what was decided on a call of the past.
func (a *app) explainDecision(c *cobra.Command, id string, asJSON bool) error {
	for _, name := range []string{"as", "role", "group", "team", "org", "scope", "tool", "kind", "args", "request", "show-schema"} {
		if c.Flags().Changed(name) {
			return &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("--%s does not go with the id of a decision", name), Hint: "who called what is in its record"}
		}
	}
	q := &control.DecisionExplainQuery{ID: strings.ToUpper(id)}
	x, err := asking(c.Context(), a, func(client *control.Client) (*control.DecisionExplanation, error) {
		return client.ExplainDecision(c.Context(), q)
	})
	if err != nil {
		return err
	}
	if asJSON {
		err = a.streams.JSON(x)
	} else {
		a.printDecision(x)
	}
	if err == nil && x.Verdict != "allowed" {
		return cli.Said(cli.ExitError)
	}
	return err
}

func (a *app) printDecision(x *control.DecisionExplanation) {
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(a.streams.Out, "%-11s %s\n", label, cli.Clean(text))
		}
	}
	line("verdict", x.Verdict)
	line("decision", x.ID+" at "+x.Time.Local().Format("2006-01-02 15:04:05.000 MST"))
	line("object", orElse(x.Object, x.Name))
	line("caller", strings.TrimSpace(x.Subject+" ("+strings.Join(x.Roles, ", ")+")"))
	line("request", strings.TrimSpace(x.Method+" "+x.Origin))
	line("refused by", strings.TrimSpace(x.Code+" "+x.Rule))
	line("told", x.Told)
	line("detail", x.Detail)
	line("reason", x.Reason)
	line("continues", x.Continues)
	for _, o := range x.Outcomes {
		line("ended", outcomeText(&o))
	}
	line("candidate", strings.Replace(x.Shadow, "_", " ", 1))
	if len(x.Missing) > 0 {
		line("recorded", "without "+missingText(x.Missing, false))
	}
	line("input", string(x.Input))
	since := "the policy has changed since"
	if x.Current {
		since = "the policy is the same"
	}
	if x.Now == nil {
		line("now", "nothing was decided on that could be decided again")
		return
	}
	line("now", since+"; "+nowText(x))
	line("access now", x.Now.Access)
}

func outcomeText(o *control.DecisionOutcome) string {
	text := o.End
	if o.Open {
		text += ", and goes on"
	}
	text += fmt.Sprintf(" after %v, %d bytes", (time.Duration(o.Micros) * time.Microsecond).Round(time.Millisecond/10), o.Bytes)
	if o.CostUSD != "" {
		text += ", cost " + o.CostUSD
	}
	return strings.TrimSuffix(text+": "+o.Error, ": ")
}

// nowText is what the rules in force now would say.
func nowText(x *control.DecisionExplanation) string {
	n := x.Now
	switch replay.Change(n.Change) {
	case replay.Refused:
		return strings.TrimSuffix("it would be refused now by "+ruleOf(n.Code, n.Rule, n.Place)+": "+n.Reason, ": ")
	case replay.Allowed:
		return "it would be allowed now, but for limits and budgets"
	case replay.Undecidable:
		return "whether it would be decided alike cannot be known without " + missingText(n.Missing, n.Schema)
	}
	return "it would be decided alike"
}
