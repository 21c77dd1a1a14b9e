// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func tool(upstream, name string) Object {
	return Object{Kind: "tool", Upstream: upstream, OriginalName: name, Name: upstream + "__" + name}
}

// custom loads text as the whole policy.
func custom(t *testing.T, text string) *Engine {
	t.Helper()
	return load(t, &Options{Modules: map[string]string{"p.rego": "package tollgate.access\n\n" + text + "\n"}})
}

// TestNoDecisionHides: whatever keeps the policy from a clear yes hides the
// object, says so with its code, and leaves the other objects alone.
func TestNoDecisionHides(t *testing.T) {
	good := tool("github", "good")
	for _, tt := range []struct {
		name, rego, code, detail string
		bad                      Object
	}{
		{"undefined", `allow if input.object.original_name == "good"`,
			CodeUndefined, "is undefined", tool("github", "bad")},
		{"error in a builtin", "allow if count(deny) == 0\n\ndeny contains \"x\" if {\n\tinput.object.original_name != \"good\"\n\tto_number(input.object.original_name) > 3\n}",
			CodeEvaluation, "to_number", tool("github", "bad")},
		{"conflict", "allow := true if input.object.kind == \"tool\"\n\nallow := false if input.object.original_name != \"good\"",
			CodeEvaluation, "conflict", tool("github", "bad")},
		{"not boolean", "allow := \"yes\" if input.object.original_name != \"good\"\n\nallow := true if input.object.original_name == \"good\"",
			CodeWrongType, "string, not boolean", tool("github", "bad")},
		{"unknown kind", `allow := input.object.kind != "x"`, CodeObject, "unknown kind", Object{Kind: "tol", Upstream: "u", OriginalName: "bad"}},
		{"slash in upstream", `allow := input.object.kind != "x"`, CodeObject, "bad upstream", tool("git/hub", "bad")},
		{"no upstream", `allow := input.object.kind != "x"`, CodeObject, "bad upstream", tool("", "bad")},
		{"annotations", `allow := object.get(input.object.annotations, "x", true)`, CodeObject, "annotations",
			Object{Kind: "tool", Upstream: "u", OriginalName: "bad", Annotations: []byte(`[1]`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := custom(t, tt.rego).Access(t.Context(), everyone(), []Object{good, tt.bad, good})
			if len(got) != 3 || !got[0] || got[1] || !got[2] {
				t.Errorf("answers %v, want true false true", got)
			}
			var access *AccessError
			if !errors.As(err, &access) || len(access.Failures) != 1 {
				t.Fatalf("error %v, want one failure", err)
			}
			f := access.Failures[0]
			if f.Code != tt.code || f.Objects != 1 || !strings.Contains(f.Examples[0], "bad") || !strings.Contains(f.Examples[0], tt.detail) {
				t.Errorf("failure %+v, want code %s, object bad and %q", f, tt.code, tt.detail)
			}
		})
	}
}

func TestFalseIsNoFailure(t *testing.T) {
	got, err := custom(t, `default allow := false`).Access(t.Context(), everyone(), []Object{tool("u", "x")})
	if err != nil || got[0] {
		t.Errorf("got %v, %v; want false and no error", got, err)
	}
}

func TestFailuresAreCountedAndBounded(t *testing.T) {
	e := custom(t, "allow := \"yes\" if input.object.upstream == \"u\"\n\nallow if input.object.upstream == \"v\"")
	var objs []Object
	for i := range 500 {
		objs = append(objs, tool([]string{"u", "v", "w"}[i%3], fmt.Sprint(i)))
	}
	_, err := e.Access(t.Context(), everyone(), objs)
	var access *AccessError
	if !errors.As(err, &access) || len(access.Failures) != 2 {
		t.Fatalf("error %v, want two codes", err)
	}
	for i, want := range []struct {
		code string
		n    int
	}{{CodeUndefined, 166}, {CodeWrongType, 167}} {
		if f := access.Failures[i]; f.Code != want.code || f.Objects != want.n || len(f.Examples) != maxExamples {
			t.Errorf("failure %+v, want %s for %d objects with %d examples", f, want.code, want.n, maxExamples)
		}
	}
	if len(err.Error()) > 1000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

const slow = "allow if {\n\tsome i in numbers.range(1, 3000)\n\tsome j in numbers.range(1, 3000)\n\ti * j < 0\n}"

func TestSlowPolicyHides(t *testing.T) {
	e := load(t, &Options{
		Modules: map[string]string{"p.rego": "package tollgate.access\n\n" + slow},
		Timeout: 2 * time.Millisecond,
	})
	got, err := e.Access(t.Context(), everyone(), []Object{tool("u", "x")})
	var access *AccessError
	if !errors.As(err, &access) || access.Failures[0].Code != CodeTimeout || got[0] {
		t.Fatalf("got %v, %v; want false and %s", got, err, CodeTimeout)
	}
	if !strings.Contains(err.Error(), "longer than 2ms") {
		t.Errorf("error %v does not name the limit", err)
	}
}

// TestBatchGivesUpOnASlowPolicy counts evaluations by their looks at a clock
// that is always too late.
func TestBatchGivesUpOnASlowPolicy(t *testing.T) {
	e := custom(t, slow)
	var looks atomic.Int64
	start := time.Now()
	e.now = func() time.Time { return start.Add(time.Duration(looks.Add(1)) * time.Hour) }
	objs := make([]Object, 5000)
	for i := range objs {
		objs[i] = tool("u", fmt.Sprint(i))
	}
	got, err := e.Access(t.Context(), everyone(), objs)
	var access *AccessError
	if !errors.As(err, &access) || access.Failures[0].Objects != len(objs) || count(got) != 0 {
		t.Fatalf("error %v with %d shown, want all %d objects hidden", err, count(got), len(objs))
	}
	if n := looks.Load(); n > 200 {
		t.Errorf("the clock was read %d times for %d objects", n, len(objs))
	}
}

// TestHeldUpOnceIsTriedAgain: the clock jumps in the first evaluation only, as
// it does when the machine stalls.
func TestHeldUpOnceIsTriedAgain(t *testing.T) {
	e := custom(t, "allow if {\n\tsome i in numbers.range(1, 500)\n\ti == 499\n}")
	var looks atomic.Int64
	start := time.Now()
	e.now = func() time.Time {
		if looks.Add(1) == 1 {
			return start.Add(-time.Hour)
		}
		return start
	}
	got, err := e.Access(t.Context(), everyone(), []Object{tool("u", "x")})
	if err != nil || !got[0] {
		t.Errorf("got %v, %v; want true", got, err)
	}
}

func TestEndedContextGivesNoAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := custom(t, slow)
	var looks atomic.Int64
	start := time.Now()
	e.now = func() time.Time { // stands still, so only ctx ends the evaluation
		if looks.Add(1) == 2 {
			cancel()
		}
		return start
	}
	got, err := e.Access(ctx, everyone(), []Object{tool("u", "x")})
	if got != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v; want no answers and context.Canceled", got, err)
	}
	if _, err := e.Explain(ctx, everyone(), tool("u", "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Explain: %v, want context.Canceled", err)
	}
}

func TestNobodySeesNothing(t *testing.T) {
	e := load(t, &Options{Roles: map[string]Role{"r": {Allow: []string{"*"}}}})
	if got, err := e.Access(t.Context(), nil, []Object{tool("u", "x")}); err == nil || got[0] {
		t.Errorf("nil principal: %v, %v", got, err)
	}
	if got, err := e.Access(t.Context(), &Principal{}, []Object{tool("u", "x")}); err != nil || got[0] {
		t.Errorf("no roles: %v, %v", got, err)
	}
	if got, err := e.Access(t.Context(), everyone(), nil); err != nil || len(got) != 0 {
		t.Errorf("no objects: %v, %v", got, err)
	}
}

// TestConcurrentUse hammers one engine; under -race it also watches what
// evaluations share.
func TestConcurrentUse(t *testing.T) {
	roles := companyRoles()
	e := load(t, &Options{Roles: roles, Modules: shipped(t, map[string]string{"more.rego": `package tollgate.access

deny contains "destructive" if {
	object.get(input.object.annotations, "destructiveHint", false)
	not "role19" in input.principal.roles
}
`})})
	objs := catalogOf(400)
	objs[3].Annotations = []byte(`{"destructiveHint":true}`)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			who := &Principal{Roles: []string{fmt.Sprintf("role%d", i), fmt.Sprintf("role%d", 2*i+3)}}
			for range 2 {
				got, err := e.Access(t.Context(), who, objs)
				if err != nil {
					t.Error(err)
					return
				}
				for j := range objs {
					if want := j != 3 && oracle(roles, who.Roles, objs[j]); got[j] != want {
						t.Errorf("%v sees %s: %t, want %t", who.Roles, objs[j].id(), got[j], want)
						return
					}
				}
				if x, err := e.Explain(t.Context(), who, objs[i]); err != nil || x.Allowed != got[i] {
					t.Errorf("Explain: %+v, %v, want %t", x, err, got[i])
				}
				e.Class(who)
			}
		})
	}
	group.Wait()
}
