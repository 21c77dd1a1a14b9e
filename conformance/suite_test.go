// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tollgate/conformance/harness"
)

var (
	update = flag.Bool("update", false, "write the ratchet files anew; only for a change that raises them")
	bin    harness.Bin
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		child(mode)
		return
	}
	flag.Parse()
	code := m.Run()
	bin.Cleanup()
	os.Exit(code)
}

// ratchet is what the suite is known to say of one leg.
type ratchet struct {
	// Waiting are scored scenarios that do not pass yet, each with its reason.
	Waiting map[string]string `json:"waiting"`
	// Passing are the check ids that pass, by scenario. It only grows.
	Passing map[string][]string `json:"passing"`
}

// TestSuiteServer runs the server scenarios of the official suite against the gateway in front of go-sdk's
// everything-server over stdio, at both revisions.
func TestSuiteServer(t *testing.T) {
	harness.Node(t)
	g := startSuite(t, "command: "+bin.EverythingServer(t))
	for _, rev := range revisions() {
		t.Run(rev, func(t *testing.T) { checkSuite(t, "suite-server-"+rev+".json", g.URL, rev) })
	}
}

// TestSuiteServerHTTP is the same over HTTP. That server serves one era per URL.
func TestSuiteServerHTTP(t *testing.T) {
	harness.Node(t)
	for _, rev := range revisions() {
		t.Run(rev, func(t *testing.T) {
			addr := harness.FreeAddr(t)
			harness.Serve(t, addr, bin.EverythingServer(t), "-http", addr, fmt.Sprintf("-stateless=%v", rev == "2026-07-28"))
			checkSuite(t, "suite-server-http-"+rev+".json", startSuite(t, "url: http://"+addr).URL, rev)
		})
	}
}

func revisions() []string { return []string{"2025-11-25", "2026-07-28"} }

// startSuite starts a gateway in front of one upstream whose names are shown as they are.
func startSuite(t *testing.T, upstream string) *harness.Gateway {
	t.Helper()
	return harness.Start(t, bin.Tollgate(t), `version: 1
anonymous: {role: all}
upstreams:
  - name: everything
    `+upstream+`
    prefix: ""
roles:
  all: {allow: ["*"]}
log: {level: warn}
`)
}

// checkSuite runs one server leg and compares it with its ratchet file.
func checkSuite(t *testing.T, file, url, rev string) {
	run := runSuite(t, "server", "--url", url, "--requirements", rev)
	run.check(t, filepath.Join("testdata", file))
}

// leg is what the suite said in one run.
type leg struct {
	passed  map[string][]string // check ids by scenario
	failing []string            // scored scenarios
	out     string
}

func runSuite(t *testing.T, args ...string) *leg {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(harness.Node(t), append([]string{harness.Package(t, "@modelcontextprotocol", "conformance", "dist", "index.js")}, append(args, "-o", dir)...)...)
	// The exit code says less than the checks: a scenario without any check passes too.
	out, err := cmd.CombinedOutput()
	t.Logf("exit: %v", err)
	return &leg{collect(t, dir), failures(string(out)), string(out)}
}

// check compares a run with a ratchet file.
func (l *leg) check(t *testing.T, path string) {
	var want ratchet
	b, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	if err == nil {
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
	}
	if *update {
		want.Passing = l.passed
		b, err := json.MarshalIndent(want, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want.compare(t, path, l.passed, l.failing)
	if t.Failed() {
		t.Logf("output of the suite:\n%s", l.out)
	}
}

// compare fails where less passes than before, and where a reason to wait is missing or no longer needed.
func (want *ratchet) compare(t *testing.T, path string, got map[string][]string, failing []string) {
	n := 0
	for scenario, checks := range want.Passing {
		for _, id := range checks {
			if !slices.Contains(got[scenario], id) {
				t.Errorf("%s: %s passed before and does not now", scenario, id)
			}
			n++
		}
	}
	for _, scenario := range failing {
		if want.Waiting[scenario] == "" {
			t.Errorf("scored scenario %s fails, and %s gives no reason to wait", scenario, path)
		}
	}
	for _, scenario := range slices.Sorted(maps.Keys(want.Waiting)) {
		if !slices.Contains(failing, scenario) {
			t.Errorf("scenario %s passes now: take it out of %s", scenario, path)
		}
		t.Logf("waits: %s: %s", scenario, want.Waiting[scenario])
	}
	for scenario, ids := range got {
		for _, id := range ids {
			if !slices.Contains(want.Passing[scenario], id) {
				t.Logf("passes, and is not in the ratchet yet (-update): %s: %s", scenario, id)
			}
		}
	}
	t.Logf("%d checks of the ratchet hold", n)
}

// failures are the scored scenarios that fail, from the summary. It lists those that are not scored once more at its end.
func failures(out string) []string {
	_, summary, _ := strings.Cut(out, "SUMMARY ===")
	all, unscored, _ := strings.Cut(summary, "Not scored")
	failed := regexp.MustCompile(`(?m)^ *✗ ([^\s:]+)`)
	extra := map[string]bool{}
	for _, m := range failed.FindAllStringSubmatch(unscored, -1) {
		extra[m[1]] = true
	}
	var names []string
	for _, m := range failed.FindAllStringSubmatch(all, -1) {
		if !extra[m[1]] {
			names = append(names, m[1])
		}
	}
	return names
}

// stamp is what the suite puts behind a scenario's name.
var stamp = regexp.MustCompile(`-\d{4}-\d\d-\d\dT[\d-]+Z$`)

// collect reads which checks passed in every run of them, by scenario.
func collect(t *testing.T, dir string) map[string][]string {
	passed := map[string]map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "checks.json" {
			return err
		}
		folder, err := filepath.Rel(dir, filepath.Dir(path))
		if err != nil {
			return err
		}
		scenario := strings.TrimPrefix(stamp.ReplaceAllString(filepath.ToSlash(folder), ""), "server-")
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var checks []struct{ ID, Status string }
		if err := json.Unmarshal(b, &checks); err != nil {
			return err
		}
		if passed[scenario] == nil {
			passed[scenario] = map[string]bool{}
		}
		for _, c := range checks {
			if c.Status == "INFO" || c.Status == "SKIPPED" { // says nothing, like what the scenario does not apply to
				continue
			}
			before, seen := passed[scenario][c.ID]
			passed[scenario][c.ID] = c.Status == "SUCCESS" && (!seen || before)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for scenario, checks := range passed {
		for id, ok := range checks {
			if ok {
				out[scenario] = append(out[scenario], id)
			}
		}
		slices.Sort(out[scenario])
		if len(out[scenario]) == 0 {
			delete(out, scenario)
		}
	}
	return out
}
