// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// outcomes are what a row of the matrix comes to, by the era of the client and that of the upstream.
type outcomes struct{ legacyLegacy, legacyModern, modernLegacy, modernModern string }

func always(s string) outcomes { return outcomes{s, s, s, s} }

func (o *outcomes) of(client, upstream wire.Revision) string {
	switch {
	case client.Modern() && upstream.Modern():
		return o.modernModern
	case client.Modern():
		return o.modernLegacy
	case upstream.Modern():
		return o.legacyModern
	}
	return o.legacyLegacy
}

// row is one thing that clients and servers do together.
type row struct {
	name string
	run  func(ctx context.Context, c *caller) (string, error)
	// want is what the client sees: M stands for the call's marker, P for the principal.
	want outcomes
	// impossible says why the thing itself does not happen, where the protocol has no room for it; want then is the error or
	// the absence.
	impossible outcomes
	// pipe and onPipe replace want and impossible for an upstream of 2026-07-28 behind a pipe, which all callers share.
	pipe, onPipe string
}

// The principals. No message has one of these words by chance.
const amber, clementine = "amber", "clementine"

// matrix is the table. Each row runs for every pair of eras over every pair of transports, by two principals at once.
func matrix() []row {
	const (
		elicit = "elicitation/create"
		sample = "sampling/createMessage"
		roots  = "roots/list"

		notDeclared = "the client does not declare it"
		cannot      = "asked 0: tool error: M cannot be asked"
		missing     = "asked 0: error -32021 "
		refusal     = `asked 0: tool error: upstream "U" needs input that this client cannot give: ` +
			`it asks for "sampling/createMessage", which the client did not declare that it can answer`
	)
	refused := func(kind string) outcomes {
		e := missing + `{"requiredCapabilities":{"` + kind + `":{}}}`
		return outcomes{legacyLegacy: cannot, legacyModern: e, modernLegacy: cannot, modernModern: e}
	}
	return []row{
		{name: "first calls, two at once", run: twoCalls, want: always("M, M")},
		{name: "call", run: plainCall, want: always("M")},
		{name: "two-round elicitation", run: ask("elicit", elicit, true), want: always("asked 2: M, P on M first, P on M second")},
		{name: "sampling", run: ask("sample", sample, true), want: always("asked 1: M, P on M thought")},
		{name: "roots", run: ask("roots", roots, true), want: always("asked 1: M, file:///P")},
		{name: "elicitation of a client without it", run: ask("elicit", elicit, false), want: refused("elicitation"), impossible: always(notDeclared)},
		{name: "sampling of a client without it", run: ask("sample", sample, false), want: refused("sampling"), impossible: always(notDeclared)},
		{name: "roots of a client without them", run: ask("roots", roots, false), want: refused("roots"), impossible: always(notDeclared)},
		{
			name: "sampling of a client without it, by an upstream that asks all the same", run: ask("rude", sample, false),
			want: outcomes{
				legacyLegacy: "asked 0: M, error -32601", legacyModern: refusal,
				modernLegacy: "asked 0: M, error -32601", modernModern: refusal,
			},
			impossible: always(notDeclared),
		},
		{name: "progress", run: progress(true), want: always("1 2 3 M")},
		{name: "progress nobody wants", run: progress(false), want: always("M"), impossible: always("the client sends no token")},
		{
			name: "log without a level", run: logs(""),
			want: outcomes{legacyLegacy: "debug info error M", legacyModern: "M", modernLegacy: "M", modernModern: "M"},
			impossible: outcomes{
				legacyModern: "a server of 2026-07-28 sends none to a request without a level",
				modernLegacy: "a client of 2026-07-28 gets none without a level",
				modernModern: "a client of 2026-07-28 gets none without a level",
			},
		},
		{name: "log", run: alone(logs("info")), want: always("info error M")},
		{
			name: "log of two calls at once", run: logs("error together"), want: always("error M"),
			pipe: "M", onPipe: "on a pipe nothing says which call a message belongs to, so nobody gets it",
		},
		{name: "cancel", run: cancel, want: always("upstream told, then M")},
		{name: "list changed", run: listChanged, want: always("told and listed")},
		{name: "resource updated", run: resourceUpdated, want: always("told of its own")},
		{name: "upstream restart", run: restart, want: always(`error -31001 {"upstream":"U","kind":"closed","outcome":"unknown"}, then M`)},
	}
}

// group is the cells of one pair of eras over one pair of transports. It has an upstream of its own.
type group struct {
	name             string
	client, upstream wire.Revision
	stdioClient      bool
	stdioUpstream    bool
	origin           *origin
	site             *site  // nil behind a child
	address          string // where children find the origin
	callers          [2]*caller
}

// restart ends the upstream; the gateway starts or finds it again by itself.
func (g *group) restart() error {
	if g.site != nil {
		return g.site.restart()
	}
	return g.origin.killChildren()
}

func (g *group) title() string {
	transport := map[bool]string{false: "http", true: "stdio"}
	return fmt.Sprintf("client %s %s, upstream %s %s", g.client, transport[g.stdioClient], g.upstream, transport[g.stdioUpstream])
}

// groups makes all of them and their upstreams.
func groups(t *testing.T) []*group {
	var all []*group
	for _, client := range []wire.Revision{wire.R20251125, wire.R20260728} {
		for _, up := range []wire.Revision{wire.R20251125, wire.R20260728} {
			for i := range 4 {
				g := &group{name: fmt.Sprintf("g%d", len(all)), client: client, upstream: up, stdioClient: i&1 != 0, stdioUpstream: i&2 != 0}
				g.origin = newOrigin(g.name, up.Modern())
				if g.stdioUpstream {
					g.address = g.origin.listen(t)
				} else {
					g.site = newSite(g.origin)
					t.Cleanup(g.site.close)
				}
				all = append(all, g)
			}
		}
	}
	return all
}

// config is the upstream of the group.
func (g *group) config(t *testing.T) upstream.Config {
	if g.site != nil {
		return upstream.Config{Name: g.name, URL: g.site.http.URL, StartTimeout: 20 * time.Second}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return upstream.Config{
		Name: g.name, Command: exe, Env: map[string]string{childMode: carrier, carrierAddress: g.address},
		StartTimeout: 20 * time.Second, ProbeTimeout: 10 * time.Second,
	}
}

// door is a running gateway as its clients reach it.
type door interface {
	http(who string) link
	stdio(t *testing.T, who string) link
}

// cellTime bounds one cell; a healthy one takes milliseconds, a restart less than a second.
const cellTime = 15 * time.Second

func runMatrix(t *testing.T, all []*group, d door) {
	for _, g := range all {
		t.Run(g.title(), func(t *testing.T) {
			t.Parallel()
			g.enter(t, d)
			for _, r := range matrix() {
				t.Run(r.name, func(t *testing.T) { g.cell(t, &r) })
			}
			g.crossTalk(t)
		})
	}
}

// enter connects the clients of both principals.
func (g *group) enter(t *testing.T, d door) {
	ctx, stop := context.WithTimeout(context.Background(), cellTime)
	defer stop()
	p := &pair{}
	for i, who := range []string{amber, clementine} {
		c := &caller{who: who, other: map[string]string{amber: clementine, clementine: amber}[who], group: g, pair: p}
		open := func(caps string) *rawClient {
			l := link(nil)
			if g.stdioClient {
				l = d.stdio(t, who)
			} else {
				l = d.http(who)
			}
			t.Cleanup(func() {
				if err := l.close(); err != nil {
					t.Errorf("%s: the connection ended with %v", who, err)
				}
			})
			client, err := connect(ctx, who, g.client, caps, l)
			if err != nil {
				t.Fatal(err)
			}
			return client
		}
		c.full = open(`{"elicitation":{},"sampling":{},"roots":{}}`)
		c.plain = open(`{}`)
		g.callers[i] = c
	}
}

// cell runs one row for both principals at once.
func (g *group) cell(t *testing.T, r *row) {
	ctx, stop := context.WithTimeout(context.Background(), cellTime)
	defer stop()
	var work sync.WaitGroup
	for _, c := range g.callers {
		work.Go(func() {
			got, err := r.run(ctx, c)
			got = strings.ReplaceAll(got, `"`+g.name+`"`, `"U"`)
			want, why := r.want.of(g.client, g.upstream), r.impossible.of(g.client, g.upstream)
			if r.onPipe != "" && g.upstream.Modern() && g.stdioUpstream {
				want, why = r.pipe, r.onPipe
			}
			if err != nil || got != want {
				stop() // the other one may wait for this one
				t.Errorf("%s: got %q, %v\nwant %q %s", c.who, got, err, want, why)
			}
		})
	}
	work.Wait()
}

// crossTalk fails when a principal received anything that is the other's.
func (g *group) crossTalk(t *testing.T) {
	for _, c := range g.callers {
		n := 0
		for _, client := range []*rawClient{c.full, c.plain} {
			for _, line := range client.lines() {
				if strings.Contains(line, c.other) {
					t.Errorf("%s received %s", c.who, line)
				}
				if strings.Contains(line, c.who) {
					n++
				}
			}
		}
		if n == 0 {
			t.Errorf("%s received nothing of its own", c.who)
		}
	}
}
