// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/control"
	"tollgate/policy"
	"tollgate/upstream/wire"
)

func (a *app) policyExplainCommand() *cobra.Command {
	var q control.ExplainQuery
	var args, request string
	var scopes []string
	var asJSON, schema bool
	c := &cobra.Command{
		Use:   "explain [TOOL [--as ROLE-OR-SUBJECT] | DECISION_ID]",
		Short: "Say what would become of a call, or why one was decided as it was, and what to change",
		Long: `Say what would become of a call without making it: which rule decides, in which file and line, what is missing, and the
nearest role that would be allowed. TOOL is a displayed name, or <upstream>/<name> as the server calls it. Nothing is
counted, and the upstream is not asked. Works with a running gateway and without one.

--as is a role, or a subject that an API key or a binding knows. With --scope the caller has an access token with just
these scopes. --request reads a decision input document (see ` + "`tollgate policy schema`" + `) and takes principal, object and
arguments from it.

With DECISION_ID, which callers are told with their answer, say what was decided on that call: from its records in the audit
log, with the input as it was, and what the rules in force now would say of the same call.

EXIT STATUS
  0  the call is allowed, or was   1  it is refused, or does not exist for the caller   2  wrong usage, or there is no such
  decision   3, 4  configuration or policy`,
		Example: `  tollgate policy explain orders__delete_order --as clerk
  tollgate policy explain github/delete_repo --as alice --args '{"repo": "x"}' --scope repo:read
  tollgate policy explain --request request.json
  tollgate policy explain 06H13NC5HHN88BEIINVENAH48C`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, names []string) error {
			if len(names) == 1 && decisionID.MatchString(names[0]) {
				return a.explainDecision(c, names[0], asJSON)
			}
			if c.Flags().Changed("scope") {
				q.Identity.Scopes = &scopes
			}
			if err := a.readRequest(request, &q); err != nil {
				return err
			}
			if len(names) == 1 {
				q.Name = names[0]
			}
			if args != "" {
				q.Arguments = json.RawMessage(args)
			}
			if q.Name == "" {
				return &cli.Error{Code: cli.ExitUsage, Err: errors.New("which tool?"), Hint: "name it: tollgate policy explain TOOL --as ROLE; `tollgate catalog` lists them"}
			}
			if err := wire.Check(q.Arguments); q.Arguments != nil && err != nil {
				return &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("--args: %w", err), Hint: `give a JSON object, for example '{"query": "tea"}'`}
			}
			return a.explain(c, &q, asJSON, schema)
		},
	}
	o := &explainFlags{&q, &args, &request, &scopes, &schema, &asJSON}
	o.add(c)
	return c
}

// explainFlags are where the flags of policy explain go.
type explainFlags struct {
	q              *control.ExplainQuery
	args, request  *string
	scopes         *[]string
	schema, asJSON *bool
}

func (o *explainFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.q.Identity.As, "as", "", "role or subject of the caller (default: stdio.role)")
	f.StringSliceVar(&o.q.Identity.Roles, "role", nil, "further role of the caller; may be given several times")
	f.StringSliceVar(&o.q.Identity.Groups, "group", nil, "group of the caller; may be given several times")
	f.StringVar(&o.q.Identity.Team, "team", "", "team of the caller")
	f.StringVar(&o.q.Identity.Org, "org", "", "organization of the caller")
	f.StringSliceVar(o.scopes, "scope", nil, "scope of the caller's access token; may be given several times, --scope= for none")
	f.StringVar(&o.q.Name, "tool", "", "the tool, instead of TOOL")
	f.StringVar(&o.q.Kind, "kind", "", "tool, prompt or resource (default: tool)")
	f.StringVar(o.args, "args", "", "arguments of the call, a JSON object")
	f.StringVar(o.request, "request", "", "file with a decision input document; - is standard input")
	f.BoolVar(o.schema, "show-schema", false, "also print the input schema that the caller is shown")
	f.BoolVar(o.asJSON, "json", false, "print JSON")
}

// readRequest fills q from a decision input document. Flags that were given win.
func (a *app) readRequest(name string, q *control.ExplainQuery) error {
	if name == "" {
		return nil
	}
	text, err := a.readInput(name)
	if err != nil {
		return err
	}
	var in struct {
		Principal policy.Principal `json:"principal"`
		Object    policy.Object    `json:"object"`
		Arguments json.RawMessage  `json:"arguments"`
	}
	if err := wire.Check(text); err != nil {
		return &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("%s: %w", name, err)}
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return &cli.Error{Code: cli.ExitUsage, Err: fmt.Errorf("%s: %w", name, err), Hint: "`tollgate policy schema` describes the document"}
	}
	p, o, id := &in.Principal, &in.Object, &q.Identity
	if id.As == "" {
		id.As = p.Subject
	}
	id.Roles, id.Groups = append(id.Roles, p.Roles...), append(id.Groups, p.Groups...)
	if id.Team == "" {
		id.Team = p.Team
	}
	if id.Org == "" {
		id.Org = p.Org
	}
	if id.Scopes == nil && (p.AuthMethod == "oauth" || len(p.Scopes) > 0) {
		id.Scopes = &p.Scopes
	}
	q.Kind, q.Arguments = o.Kind, in.Arguments
	switch {
	case o.Kind == "resource" || o.Kind == "template":
		q.Kind, q.Name = "resource", o.URI
	case o.Upstream != "":
		q.Name = o.Upstream + "/" + o.OriginalName
	default:
		q.Name = o.Name
	}
	return nil
}

// readInput reads a file, or standard input for "-".
func (a *app) readInput(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.streams.In)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, cli.WithCode(err, cli.ExitUsage)
	}
	return text, nil
}

func (a *app) explain(c *cobra.Command, q *control.ExplainQuery, asJSON, schema bool) error {
	client, done, err := a.operator(c.Context())
	if err != nil {
		return err
	}
	x, err := client.Explain(c.Context(), q)
	if err := errors.Join(err, done()); err != nil {
		return err
	}
	if asJSON {
		err = a.streams.JSON(x)
	} else {
		a.printExplanation(x, schema)
	}
	if err == nil && x.Verdict != "allowed" {
		return cli.Said(cli.ExitError)
	}
	return err
}

func (a *app) printExplanation(x *control.Explanation, schema bool) {
	out := a.streams.Out
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(out, "%-11s %s\n", label, cli.Clean(text))
		}
	}
	line("verdict", x.Verdict)
	line("object", x.Object)
	line("caller", strings.TrimSpace(x.Subject+" ("+strings.Join(x.Roles, ", ")+")"))
	if x.Stage != "none" {
		line("decided by", x.Stage)
	}
	line("rule", x.Rule)
	line("at", x.Place)
	line("because", x.Reason)
	line("told", x.Told)
	line("detail", x.Detail)
	for _, d := range x.Denials {
		line("denied by", strings.TrimSpace(d.Rule+" at "+d.Place+" "+d.Title))
	}
	for _, k := range x.Constraints {
		word := "required"
		if k.Optional {
			word = "optional"
		}
		line("constraint", fmt.Sprintf("%s %s (%s, %s)", k.Argument, k.Schema, word, k.Rule))
	}
	for _, o := range x.Obligations {
		line("obligation", o)
	}
	line("scopes", strings.Join(x.Scopes, " "))
	for _, l := range x.Limits {
		line("limit", l)
	}
	line("cost", x.CostUSD)
	if schema && x.Schema != nil {
		line("schema", string(x.Schema))
		line("hash", x.SchemaHash)
	}
	for _, advice := range x.Advice {
		line("to change", advice)
	}
}
