// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"path/filepath"
	"slices"
	"testing"

	"tollgate/conformance/harness"
)

// TestSuiteTypeScript runs the server scenarios against a fixture on the TypeScript SDK, which serves both eras on one URL
// and shares no code with the gateway or with go-sdk, directly and through the gateway: whatever passes directly has to pass
// through it.
func TestSuiteTypeScript(t *testing.T) {
	node := harness.Node(t)
	addr := harness.FreeAddr(t)
	harness.Serve(t, addr, node, filepath.Join("npm", "everything-ts.mjs"), addr)
	g := startSuite(t, "url: http://"+addr+"/mcp")
	for _, rev := range revisions() {
		t.Run(rev, func(t *testing.T) {
			direct := runSuite(t, "server", "--url", "http://"+addr+"/mcp", "--requirements", rev)
			if len(direct.failing) > 0 {
				t.Errorf("the fixture itself fails %v:\n%s", direct.failing, direct.out)
			}
			through := runSuite(t, "server", "--url", g.URL, "--requirements", rev)
			through.check(t, filepath.Join("testdata", "suite-ts-"+rev+".json"))
			through.covers(t, direct)
		})
	}
}

// unscored are checks that the gateway does not pass, of scenarios that the suite runs without scoring them.
func unscored() map[string]string {
	const resume = "the gateway does not resume streams of 2025-11-25: a client that lost one asks again"
	return map[string]string{"server-sse-polling/server-sse-priming-event": resume, "server-sse-polling/server-sse-disconnect-resume": resume}
}

// covers reports the checks that pass without the gateway only.
func (l *leg) covers(t *testing.T, direct *leg) {
	t.Helper()
	n := 0
	for scenario, checks := range direct.passed {
		n += len(checks)
		for _, id := range checks {
			if slices.Contains(l.passed[scenario], id) || slices.Contains(l.failing, scenario) {
				continue
			}
			if why := unscored()[scenario+"/"+id]; why != "" {
				t.Logf("%s: %s passes without the gateway only: %s", scenario, id, why)
				continue
			}
			t.Errorf("%s: %s passes without the gateway and does not through it", scenario, id)
		}
	}
	t.Logf("%d checks pass without the gateway", n)
}
