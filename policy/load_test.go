// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"errors"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
)

func TestRevision(t *testing.T) {
	revision := func(o *Options) string { return load(t, o).Revision() }
	base := revision(&Options{Roles: map[string]Role{"a": {Allow: []string{"x/*"}}, "b": {}}})
	if again := revision(&Options{Roles: map[string]Role{"b": {}, "a": {Allow: []string{"x/*"}}}}); again != base || len(base) != 64 {
		t.Errorf("revisions %s and %s of the same policy", base, again)
	}
	for name, o := range map[string]*Options{
		"role":  {Roles: map[string]Role{"a": {Allow: []string{"x/?*"}}, "b": {}}},
		"data":  {Roles: map[string]Role{"a": {Allow: []string{"x/*"}}, "b": {}}, Data: map[string]any{"x": 1}},
		"files": {Roles: map[string]Role{"a": {Allow: []string{"x/*"}}, "b": {}}, Modules: shipped(t, map[string]string{"x.rego": "# x\npackage tollgate.call\n"})},
	} {
		if revision(o) == base {
			t.Errorf("another %s has the same revision", name)
		}
	}
}

func TestDataReachesRules(t *testing.T) {
	e := load(t, &Options{
		Data: map[string]any{"owners": map[string]any{"jira": []string{"ada"}}, "limit": 12345678901234567},
		Modules: shipped(t, map[string]string{"more.rego": `package tollgate.access

permit if {
	input.principal.subject in data.owners[input.object.upstream]
	data.limit == 12345678901234567
}
`}),
	})
	got, err := e.Access(t.Context(), everyone(), []Object{tool("jira", "x"), tool("github", "x")})
	if err != nil || !got[0] || got[1] {
		t.Errorf("got %v, %v; want true false", got, err)
	}
}

func TestDataMistakes(t *testing.T) {
	for _, tt := range []struct {
		data map[string]any
		want string
	}{
		{map[string]any{"tollgate": map[string]any{"config": 1}}, "has a member tollgate"},
		{map[string]any{"x": make(chan int)}, "not JSON"},
		{map[string]any{"lib": map[string]any{"bad": true}}, "lib.rego:3:1: "}, // a rule stands there
	} {
		_, err := Load(t.Context(), &Options{Data: tt.data,
			Modules: calls(t, "deny contains \"x\" if data.lib.bad", "lib.rego", "package lib\n\nbad if input.principal.team == \"x\"\n")})
		var diags Diagnostics
		if !errors.As(err, &diags) || len(diags) != 1 || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("data %v: %v, want one diagnostic with %q", tt.data, err, tt.want)
		}
	}
}

func TestTestFilesAreNotLoaded(t *testing.T) {
	e := load(t, &Options{Modules: shipped(t, map[string]string{"x_test.rego": "not rego"})})
	if e.Revision() != load(t, nil).Revision() {
		t.Error("a test file changed the revision")
	}
}

func TestNoPolicyIsAnError(t *testing.T) {
	if e, err := Load(t.Context(), nil); err == nil || e != nil {
		t.Errorf("Load(nil) = %v, %v", e, err)
	}
}

func TestLoadIsLogged(t *testing.T) {
	var out bytes.Buffer
	e := load(t, &Options{Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if !strings.Contains(out.String(), "revision="+e.Revision()) {
		t.Errorf("log: %s", out.String())
	}
}

// TestNetworkStaysOut: a schema handed to a builtin cannot make it fetch.
func TestNetworkStaysOut(t *testing.T) {
	e := custom(t, `allow := json.verify_schema({"$ref": "http://127.0.0.1:1/schema.json"})[1]`)
	_, err := e.Access(t.Context(), everyone(), []Object{tool("u", "x")})
	if err == nil || !strings.Contains(err.Error(), CodeWrongType) {
		t.Fatalf("error %v, want the schema refused", err)
	}
	x, err := custom(t, `allow := false

reason := {"reason": json.verify_schema({"$ref": "http://127.0.0.1:1/schema.json"})[1]}`).Explain(t.Context(), everyone(), tool("u", "x"))
	if err != nil || !strings.Contains(x.Reason, "remote reference loading disabled") {
		t.Errorf("reason %q, %v; want the reference refused", x.Reason, err)
	}
}

// TestDependencies keeps OPA's server side out of the binary.
func TestDependencies(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command")
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for _, pkg := range strings.Fields(string(out)) {
		for _, unwanted := range []string{
			"google.golang.org/grpc", "oras.land", "go.opentelemetry.io/otel/sdk", "dgraph-io/badger",
			"prometheus/client_golang", "opa/v1/server", "opa/v1/plugins", "opa/v1/tester",
		} {
			if strings.Contains(pkg, unwanted) {
				t.Errorf("policy depends on %s", pkg)
			}
		}
		if strings.HasPrefix(pkg, "tollgate/") && pkg != "tollgate/policy" && pkg != "tollgate/upstream/wire" {
			t.Errorf("policy depends on %s", pkg)
		}
	}
}
