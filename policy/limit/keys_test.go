// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/policy"
)

// keyOf is the key of a limit counted by some words, in one role.
func keyOf(t testing.TB, s *Set, c *Call) string {
	t.Helper()
	a, refusal := Evaluate(t.Context(), s.limits, c)
	if refusal != nil || len(a.Claims) != 1 {
		t.Fatalf("%+v, %+v", a, refusal)
	}
	return a.Claims[0].Key
}

// TestPer changes one part of a call at a time: what a limit is counted by
// changes its key, and nothing else does.
func TestPer(t *testing.T) {
	changes := map[string]func(c *Call){
		"subject":  func(c *Call) { c.Input.Principal.Subject = "bob" },
		"team":     func(c *Call) { c.Input.Principal.Team = "sales" },
		"org":      func(c *Call) { c.Input.Principal.Org = "other" },
		"key":      func(c *Call) { c.Input.Principal.KeyID = "k2" },
		"keyless":  func(c *Call) { c.Input.Principal.KeyID = "" },
		"upstream": func(c *Call) { c.Input.Object.Upstream = "db2" },
		"tool":     func(c *Call) { c.Input.Object.OriginalName = "count" },
		"alias":    func(c *Call) { c.Input.Object.Name = "other" },
		"args":     func(c *Call) { c.Input.Arguments = []byte(`{"region":"us"}`) },
		"roles":    func(c *Call) { c.Input.Principal.Roles = nil },
	}
	for per, want := range map[string][]string{
		"user": {"org", "subject"}, "team": {"org", "team"}, "org": {"org"}, "key": {"key", "keyless"}, "role": {}, "upstream": {"upstream"},
		"tool": {"tool", "upstream"}, "all": {}, "args.region": {"args"}, `principal.team + "/" + args.region`: {"args", "team"},
	} {
		s := compile(t, policy.LimitRule{Rate: "1/s", Per: []string{per}})
		base := keyOf(t, s, call(`{"region":"eu"}`))
		var got []string
		for name, change := range changes {
			c := call(`{"region":"eu"}`)
			change(c)
			if keyOf(t, s, c) != base {
				got = append(got, name)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("per %s changes with %q, want %q", per, got, want)
		}
	}
}

func TestPerMustBeText(t *testing.T) {
	for _, arguments := range []string{`{}`, `{"x":1}`, `{"x":null}`, `{"x":{}}`} {
		if _, refusal := evaluate(t, call(arguments), policy.LimitRule{Rate: "1/s", Per: []string{"args.x"}}); refusal == nil || refusal.Code != CodeError {
			t.Errorf("%s: %+v, want %s", arguments, refusal, CodeError)
		}
	}
}

// TestKeysAreInjective: a key can be read back into the parts it was made of, so
// different callers never share a counter, whatever their names contain.
func TestKeysAreInjective(t *testing.T) {
	s := compile(t, policy.LimitRule{Rate: "1/s", Per: []string{"user", "team", "key", "tool", "args.x"}})
	short := rapid.StringMatching(`([a1]|/1|1:|[ ,é#]){0,4}`)
	long := rapid.Map(short, func(s string) string { return s + strings.Repeat("#1:a", maxPart/4) })
	part := rapid.OneOf(short, short, long)
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string) string { return part.Draw(rt, name) }
		p := &policy.Principal{Subject: draw("subject"), Team: draw("team"), Org: draw("org"), AuthMethod: draw("method"), KeyID: draw("key")}
		o := &policy.Object{Kind: "tool", Upstream: draw("upstream"), OriginalName: draw("tool"), URI: draw("uri")}
		x := draw("x")
		c := call(`{"x":"` + x + `"}`)
		c.Input.Principal, c.Input.Object = p, o
		credential := []string{"key", p.KeyID}
		if p.KeyID == "" {
			credential = []string{"key", p.AuthMethod, p.Org, p.Subject}
		}
		want := [][]string{{"user", p.Org, p.Subject}, {"team", p.Org, p.Team}, credential, {"tool", "tool", o.Upstream, o.OriginalName, o.URI}, {"cel", x}}
		for _, group := range want {
			for i := range group {
				group[i] = kept(group[i])
			}
		}
		key := keyOf(t, s, c)
		rest, ok := strings.CutPrefix(key, "rate "+s.limits[0].id)
		if got := readKey(rt, rest); !ok || !cmp.Equal(want, got) {
			rt.Fatalf("%q reads as %q, want %q", key, got, want)
		}
	})
}

// kept is what a key holds of a part.
func kept(part string) string {
	if len(part) <= maxPart {
		return part
	}
	return fmt.Sprintf("sha256 of %x", sha256.Sum256([]byte(part)))
}

// TestKeysAreShort: what a caller sends does not fill the memory of who counts.
func TestKeysAreShort(t *testing.T) {
	s := compile(t, policy.LimitRule{Rate: "100/day", Per: []string{"user", "args.q"}})
	pad := strings.Repeat("x", 60_000)
	keys := map[string]bool{}
	for _, q := range []string{pad, pad + "1", "1" + pad, pad[:maxPart], pad[:maxPart+1]} {
		key := keyOf(t, s, call(`{"q":"`+q+`"}`))
		if len(key) > 300 {
			t.Errorf("a key of %d bytes", len(key))
		}
		keys[key] = true
	}
	if len(keys) != 5 {
		t.Errorf("%d keys for 5 different texts", len(keys))
	}
}

// readKey reads " <name>/<count>" and that many " <length>:<bytes>", repeatedly.
func readKey(t *rapid.T, key string) [][]string {
	var out [][]string
	for key != "" {
		name, rest, ok := strings.Cut(strings.TrimPrefix(key, " "), "/")
		count, err := strconv.Atoi(rest[:1])
		if !ok || err != nil {
			t.Fatalf("no count at %q", key)
		}
		group := []string{name}
		for key = rest[1:]; count > 0; count-- {
			if sum, ok := strings.CutPrefix(key, " #"); ok {
				group, key = append(group, "sha256 of "+sum[:64]), sum[64:]
				continue
			}
			digits, tail, ok := strings.Cut(strings.TrimPrefix(key, " "), ":")
			length, err := strconv.Atoi(digits)
			if !ok || err != nil || length > len(tail) {
				t.Fatalf("no length at %q", key)
			}
			group, key = append(group, tail[:length]), tail[length:]
		}
		out = append(out, group)
	}
	return out
}

// TestIDsSurvive: counters go on across a reload that leaves a limit alone.
func TestIDsSurvive(t *testing.T) {
	base := policy.LimitRule{Rate: "100/minute", For: []string{"db/*"}, Per: []string{"team"}, Match: "args.x == 1"}
	id := func(rules ...policy.LimitRule) string { return compile(t, rules...).limits[len(rules)-1].id }
	first := id(base)
	same := base
	same.Rate, same.Message, same.Require, same.Timeout, same.Cost = "100 / 60s", "no", "true", 5, "1"
	if id(same) != first || id(policy.LimitRule{Rate: "1/s"}, base) != first {
		t.Error("the id depends on the position, or on what is not counted")
	}
	unsaid, user := base, base
	unsaid.Per, user.Per = nil, []string{"user"}
	if id(unsaid) != id(user) {
		t.Error("no per and per user differ")
	}
	for name, change := range map[string]func(*policy.LimitRule){
		"name": func(r *policy.LimitRule) { r.Name = "x" }, "rate": func(r *policy.LimitRule) { r.Rate = "101/minute" },
		"window": func(r *policy.LimitRule) { r.Rate = "100/hour" }, "for": func(r *policy.LimitRule) { r.For = []string{"db/x"} },
		"per": func(r *policy.LimitRule) { r.Per = []string{"org"} }, "match": func(r *policy.LimitRule) { r.Match = "" },
		"concurrency": func(r *policy.LimitRule) { r.Concurrency = 1 },
	} {
		r := base
		change(&r)
		if id(r) == first {
			t.Errorf("another %s, and the same id", name)
		}
	}
	if twice := id(base, base); twice == first {
		t.Error("two limits that are alike share a counter")
	}
	other, err := Compile([]Rule{{Role: "sales", LimitRule: base}})
	if err != nil || other.limits[0].id == first {
		t.Errorf("limits of two roles share a counter: %v", err)
	}
}

func TestRevision(t *testing.T) {
	a, b := Rule{Role: "a", LimitRule: policy.LimitRule{Rate: "1/s"}}, Rule{Role: "b", LimitRule: policy.LimitRule{Rate: "1/s"}}
	revision := func(rules ...Rule) string {
		s, err := Compile(rules)
		if err != nil {
			t.Fatal(err)
		}
		return s.Revision()
	}
	if first := revision(a, b); first != revision(b, a) || len(first) != 64 || first == revision(a) {
		t.Errorf("revision %s", first)
	}
	other := b
	other.Message, other.Require = "no", "true"
	if revision(a, b) == revision(a, other) {
		t.Error("another message has the same revision")
	}
}
