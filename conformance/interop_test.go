// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/conformance/harness"
)

// realClient is a real MCP client on one way into the gateway.
type realClient struct {
	name string
	// revision the client must end up with; "" when it does not say.
	revision string
	// few marks a client that needs a process per call: it makes the first call of each server only.
	few bool
	// httpOnly marks a client that starts no commands.
	httpOnly bool
	// hasty marks a client that forgets a call's progress handler at the answer, before it has looked at notifications
	// that came in the same read of a pipe. Without any gateway it misses them just so.
	hasty bool
	run   func(t *testing.T, w way, steps []step) *report
}

// way is how a client reaches the gateway: a URL with a key, or a command to start.
type way struct {
	name       string
	url, token string
	command    []string
	env        map[string]string
}

// report is what a client saw.
type report struct {
	Revision  string      `json:"revision"`
	Tools     []string    `json:"tools"`
	Prompts   []string    `json:"prompts"`   // nil when the client did not look
	Resources []string    `json:"resources"` // likewise
	Templates []string    `json:"templates"` // likewise
	Results   []looseJSON `json:"results"`   // one per step
}

// TestInterop puts real servers behind one gateway and real clients in front of it, and compares what every client sees
// with what the servers say when they are asked directly.
func TestInterop(t *testing.T) {
	harness.Node(t)
	f := newFleet(t)
	want := f.directly(t)
	g := harness.Start(t, bin.Tollgate(t), f.config())
	f.await(t, g)
	key := g.Key(t, "all")
	http := way{name: "http", url: g.URL, token: key}
	stdio := way{name: "stdio", command: []string{g.Bin, "stdio", "--config", g.Config, "--state-dir", g.State}}
	connect := way{name: "connect", command: []string{g.Bin, "connect", g.URL}, env: map[string]string{"TOLLGATE_KEY": key}}
	steps, alone := readSteps(t, filepath.Join("testdata", "interop.txt"), f)

	run := func(t *testing.T, c realClient, w way, steps []step) {
		began := time.Now()
		got := c.run(t, w, steps)
		t.Logf("%d steps in %s", len(steps), time.Since(began).Round(time.Millisecond))
		check(t, c, w, got, want, steps)
	}
	for _, c := range clients() {
		if !c.few {
			t.Run(c.name+"/alone", func(t *testing.T) { run(t, c, http, alone) })
		}
	}
	for _, c := range clients() {
		for _, w := range []way{http, stdio, connect} {
			if c.httpOnly && w.url == "" {
				continue
			}
			mine := steps
			if c.few {
				mine = firstCalls(steps)
			}
			t.Run(c.name+"/"+w.name, func(t *testing.T) {
				t.Parallel()
				run(t, c, w, mine)
			})
		}
	}
}

func clients() []realClient {
	const legacy, modern = "2025-11-25", "2026-07-28"
	return []realClient{
		{name: "go-sdk-legacy", revision: legacy, run: goSDK(legacy)},
		{name: "go-sdk-modern", revision: modern, run: goSDK(modern)},
		{name: "ts-sdk-1", revision: legacy, hasty: true, run: tsSDK("1", "legacy")},
		{name: "ts-sdk-2-legacy", revision: legacy, hasty: true, run: tsSDK("2", "legacy")},
		{name: "ts-sdk-2-auto", revision: modern, hasty: true, run: tsSDK("2", "auto")},
		{name: "inspector-legacy", few: true, run: inspector("legacy")},
		{name: "inspector-modern", few: true, run: inspector("modern")},
		{name: "mcpc", few: true, httpOnly: true, run: mcpc},
	}
}

// check compares what a client saw with what the servers have, and its results with the table.
func check(t *testing.T, c realClient, w way, got, want *report, steps []step) {
	t.Helper()
	if c.revision != "" && got.Revision != c.revision {
		t.Errorf("revision %q, want %q", got.Revision, c.revision)
	}
	for _, l := range []struct {
		what      string
		got, want []string
	}{
		{"tools", got.Tools, want.Tools}, {"prompts", got.Prompts, want.Prompts},
		{"resources", got.Resources, want.Resources}, {"templates", got.Templates, want.Templates},
	} {
		if l.got == nil && c.few && l.what != "tools" {
			continue
		}
		slices.Sort(l.got) // every entry once: a name listed twice stays twice
		if diff := cmp.Diff(l.want, l.got); diff != "" {
			t.Errorf("%s differ from those of the servers (-want +got):\n%s", l.what, diff)
		}
	}
	if len(got.Results) != len(steps) {
		t.Fatalf("%d results of %d steps", len(got.Results), len(steps))
	}
	for i, s := range steps {
		if c.hasty && w.url == "" && s.Op == "progress" {
			s = s.someProgress()
		}
		if missing := s.missing(got.Results[i]); missing != "" {
			t.Errorf("%s: no %q in\n%s", s, missing, got.Results[i])
		}
	}
}

func (s step) String() string { return fmt.Sprintf("%s %s %s", s.Op, s.Name, s.Args) }
