// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/cmd/internal/cli"
	"tollgate/cmd/internal/config"
	"tollgate/cmd/internal/control"
	"tollgate/store"
	"tollgate/upstream"
)

// windsurfTools is the most tools one widely used client accepts in total.
const windsurfTools = 100

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong, and how to fix it",
		Long: `Check the configuration, the policy, the state directory, the address, every upstream and what clients would make of the
catalog. Works beside a running gateway and without one; without one the upstreams are started for the check.

EXIT STATUS
  0  everything is well   1  something is wrong`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), 2*time.Minute)
			defer cancel()
			return a.doctor(ctx)
		},
	}
}

// findings collects what doctor sees.
type findings struct {
	streams *cli.Streams
	wrong   int
}

func (f *findings) ok(format string, args ...any) {
	fmt.Fprintf(f.streams.Out, "ok    %s\n", cli.Clean(fmt.Sprintf(format, args...)))
}

func (f *findings) bad(fix, format string, args ...any) {
	f.wrong++
	fmt.Fprintf(f.streams.Out, "WRONG %s\n", cli.Clean(fmt.Sprintf(format, args...)))
	if fix != "" {
		fmt.Fprintf(f.streams.Out, "      fix: %s\n", cli.Clean(fix))
	}
}

func (f *findings) note(format string, args ...any) {
	fmt.Fprintf(f.streams.Out, "note  %s\n", cli.Clean(fmt.Sprintf(format, args...)))
}

func (a *app) doctor(ctx context.Context) error {
	f := &findings{streams: a.streams}
	p, err := a.plan()
	if err != nil {
		a.streams.Report(err, classify)
		if a.anyGateway(ctx) {
			f.note("the gateway that runs goes on with the configuration it read before")
		}
		return cli.WithHint(errors.New("the configuration has mistakes"), "fix them, then run doctor again")
	}
	if p.demo {
		f.note("no configuration file: this is the demo (`tollgate init` writes one)")
	} else {
		f.ok("configuration %s: %d upstreams, %d roles", p.cfg.File(), len(p.upstreams), len(p.roles))
	}
	if _, err := p.compile(); err != nil {
		f.bad("", "policy: %v", err)
		return f.end()
	}
	f.ok("policy: %d files", len(p.modules))
	a.doctorCommands(f, p)
	running := a.doctorAddress(ctx, f, p)
	client, done, err := a.operator(ctx)
	if err != nil {
		f.bad("see above, or choose another directory with --state-dir", "state directory %s: %v", a.stateDir(p), err)
		return f.end()
	}
	err = a.doctorUpstreams(ctx, f, client, running)
	return errors.Join(err, done(), f.end())
}

func (f *findings) end() error {
	if f.wrong == 0 {
		fmt.Fprintln(f.streams.Out, "\neverything is well")
		return nil
	}
	return fmt.Errorf("%d things are wrong", f.wrong)
}

// doctorCommands looks for the programs of stdio upstreams.
func (a *app) doctorCommands(f *findings, p *plan) {
	for _, u := range p.upstreams {
		if u.Command == "" || u.Disabled {
			continue
		}
		if _, err := exec.LookPath(u.Command); err != nil {
			f.bad(fmt.Sprintf("install %q, or give its full path in upstreams[].command", u.Command), "upstream %s: %v", u.Name, err)
		}
	}
}

// doctorAddress reports who holds the listen address and whether a gateway runs.
func (a *app) doctorAddress(ctx context.Context, f *findings, p *plan) (running bool) {
	dir := a.stateDir(p)
	conn, err := store.Dial(ctx, dir)
	if err == nil {
		_ = conn.Close() // only asked whether somebody answers
		f.ok("a gateway is running on %s", dir)
		return true
	}
	f.note("no gateway is running on %s", dir)
	l, err := net.Listen("tcp", p.cfg.Listen)
	if err != nil {
		f.bad("stop the other program, or choose another address with `listen:`", "listen address: %v", err)
		return false
	}
	_ = l.Close() // only asked whether it is free
	f.ok("the address %s is free", p.cfg.Listen)
	return false
}

func (a *app) doctorUpstreams(ctx context.Context, f *findings, client *control.Client, running bool) error {
	all, err := client.Catalog(ctx, &control.CatalogQuery{})
	if err != nil {
		return err
	}
	s, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if s.Failure != "" {
		first, _, more := strings.Cut(s.Failure, "\n")
		hint := "correct the file; it is read again at once"
		if more {
			hint += "; `tollgate check` shows all of it"
		}
		f.bad(hint, "the newest configuration is not in force, the one before is: %s", first)
	}
	for _, u := range s.Upstreams {
		f.upstream(&u)
	}
	f.policy(s)
	keys, err := client.Keys(ctx)
	if err != nil {
		return err
	}
	if valid := validKeys(keys); valid == 0 && !a.otherCredentials() {
		f.note("no valid API key exists: HTTP clients cannot connect (tollgate key create --role ROLE --subject NAME)")
	} else {
		f.ok("%d valid API keys", valid)
	}
	tools := 0
	for _, e := range all.Entries {
		if e.Kind == "tool" {
			tools++
		}
	}
	f.ok("catalog: %d entries, %d of them tools, about %d tokens of tool definitions", len(all.Entries), tools, all.Tokens)
	if tools > windsurfTools {
		f.note("some clients stop at %d tools in total: give roles or toolsets fewer", windsurfTools)
	}
	for _, p := range all.Problems {
		f.bad("", "left out of the catalog: %s: %s", p.Item, p.Reason)
	}
	if running && s.URL != "" {
		f.ok("endpoint %s", s.URL)
	}
	return nil
}

// policy reports rules that do not fit the upstreams, authorization servers without keys, and a bundle that is not what it should be.
func (f *findings) policy(s *control.Status) {
	for _, p := range s.Misfits {
		f.bad("correct the rule: as it is, it restricts nothing, or everything it is about", "%s: %s", p.Item, p.Reason)
	}
	for _, i := range s.Issuers {
		switch {
		case i.Keys == 0:
			f.bad("check its URL and that this machine reaches it", "issuer %s: its tokens cannot be checked: %s", i.Issuer, orElse(i.Failure, "no keys have come yet"))
		case i.Failure != "":
			f.note("issuer %s: %d keys, which could not be refreshed: %s", i.Issuer, i.Keys, i.Failure)
		default:
			f.ok("issuer %s: %d keys", i.Issuer, i.Keys)
		}
	}
	b := s.Bundle
	switch {
	case b == nil:
	case b.LastError != "":
		f.bad("the one in force stays until a better one comes", "policy bundle %s: %s", b.URL, b.LastError)
	case b.FromCopy:
		f.note("policy bundle %s: a copy of an earlier run is in force", b.URL)
	default:
		f.ok("policy bundle %s: revision %q of %s", b.URL, b.Revision, day(b.LastSuccess))
	}
}

// otherCredentials reports whether callers may come without an API key.
func (a *app) otherCredentials() bool {
	p, err := a.plan()
	return err == nil && otherCredentials(p.cfg)
}

func otherCredentials(cfg *config.Config) bool {
	return cfg.Anonymous != nil || cfg.Auth.OAuth != nil || cfg.Auth.MTLS != nil || cfg.Auth.Proxy != nil
}

func validKeys(keys []control.Key) int {
	n := 0
	for i := range keys {
		if s := keyState(&keys[i]); s != "revoked" && s != "expired" {
			n++
		}
	}
	return n
}

func (f *findings) upstream(u *control.Upstream) {
	what := fmt.Sprintf("upstream %s: %s, %s %s, %d tools, %d prompts, %d resources", u.Name, u.State, u.Transport, u.Revision, u.Tools, u.Prompts, u.Resources+u.Templates)
	switch u.State {
	case "ready":
		f.ok("%s", what)
	case "disabled":
		f.note("%s", what)
	default:
		f.bad(lastLines(u.Stderr), "%s: %s", what, u.Failure)
	}
	for _, d := range u.Dropped {
		f.note("upstream %s: %s is left out: %s", u.Name, d.Item, d.Reason)
	}
}

// lastLines is the end of a child's standard error as a remark.
func lastLines(stderr string) string {
	if stderr = strings.TrimSpace(stderr); stderr == "" {
		return ""
	}
	lines := strings.Split(stderr, "\n")
	return "its standard error ends with: " + strings.Join(lines[max(0, len(lines)-3):], " | ")
}

// printUpstreams is the report of check --connect.
func (a *app) printUpstreams(all []upstream.Status) error {
	t := cli.NewTable("UPSTREAM", "STATE", "TRANSPORT", "REVISION", "TOOLS", "PROMPTS", "RESOURCES", "TEMPLATES", "FAILURE")
	failed := 0
	for _, u := range all {
		if u.State == upstream.Failed || u.State == upstream.Connecting {
			failed++
		}
		t.Row(u.Name, string(u.State), u.Transport, string(u.Revision), fmt.Sprint(u.Tools), fmt.Sprint(u.Prompts), fmt.Sprint(u.Resources), fmt.Sprint(u.Templates), u.Failure)
	}
	if _, err := t.WriteTo(a.streams.Out); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d upstreams failed", failed, len(all))
	}
	return nil
}
