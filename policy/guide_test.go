// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/util"
)

// guideBlock is one fenced block of the author's guide.
type guideBlock struct {
	language, text string
	line           int // of its first line
}

func guideBlocks(t *testing.T) []guideBlock {
	t.Helper()
	raw, err := os.ReadFile("../rego/README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	var blocks []guideBlock
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatchIndex(text, -1) {
		blocks = append(blocks, guideBlock{text[m[2]:m[3]], text[m[4]:m[5]], strings.Count(text[:m[4]], "\n") + 1})
	}
	return blocks
}

// guideCase is one line of a jsonl block: who asks for what, and what comes of
// it. Exactly one of See and Call is set, and one expectation at least.
type guideCase struct {
	As        Principal                  `json:"as"`
	See       string                     `json:"see"`
	Call      string                     `json:"call"`
	Hints     json.RawMessage            `json:"annotations"`
	Tags      []string                   `json:"tags"`
	Arguments json.RawMessage            `json:"arguments"`
	Time      time.Time                  `json:"time"`
	Shown     *bool                      `json:"shown"`
	Allowed   *bool                      `json:"allowed"`
	Refused   *string                    `json:"refused"`
	Bounds    map[string]json.RawMessage `json:"constraints"`
	Scopes    []string                   `json:"scopes"`
	Owed      *guideObligations          `json:"obligations"`
}

// guideObligations are [Obligations] as the guide writes them.
type guideObligations struct {
	Redact         []string `json:"redact"`
	KeepText       bool     `json:"keep_text"`
	MaxResultBytes int64    `json:"max_result_bytes"`
	Reason         bool     `json:"reason"`
	Confirm        []string `json:"confirm"`
}

// guideConfig is what a tollgate.yaml of the guide holds. Package config reads
// such files; here they are turned into what it makes of them.
type guideConfig struct {
	Roles    map[string]Role `json:"roles"`
	Bindings []any           `json:"bindings"`
	Policy   struct {
		Everyone Role        `json:"everyone"`
		Scopes   []ScopeRule `json:"scopes"`
	} `json:"policy"`
}

// TestGuideCases takes the guide from top to bottom. Each configuration and each
// Rego file is loaded alone, beside what ships and the data shown before, and
// decides the cases below it.
func TestGuideCases(t *testing.T) {
	var data map[string]any
	var current *Options
	cases, examples := 0, 0
	for _, b := range guideBlocks(t) {
		at := fmt.Sprintf("README.md:%d", b.line)
		first, _, _ := strings.Cut(b.text, "\n")
		switch {
		case b.language == "yaml" && first == "# data.yaml":
			if err := util.Unmarshal([]byte(b.text), &data); err != nil {
				t.Fatalf("%s: %v", at, err)
			}
		case b.language == "yaml":
			current = guideRoles(t, at, b.text)
		case b.language == "rego" && !strings.HasSuffix(first, "_test.rego"):
			current = &Options{Modules: shipped(t, map[string]string{strings.TrimPrefix(first, "# file: "): b.text})}
			examples++
		case b.language == "jsonl":
			if current == nil {
				t.Fatalf("%s: cases of nothing", at)
			}
			cases += runGuideCases(t, b, *current, data)
		}
	}
	if examples < 6 || cases < 30 {
		t.Errorf("%d examples with %d cases in the guide, want at least 6 with 30", examples, cases)
	}
}

// guideRoles reads a tollgate.yaml: OPA's YAML gives JSON, which roles are read
// from as everywhere in this package.
func guideRoles(t *testing.T, at, text string) *Options {
	t.Helper()
	if !strings.HasPrefix(text, "# tollgate.yaml\n") {
		t.Fatalf("%s: a yaml block begins with # tollgate.yaml or # data.yaml", at)
	}
	var written any
	if err := util.Unmarshal([]byte(text), &written); err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	listed, err := json.Marshal(asLists(written))
	if err != nil {
		t.Fatal(err)
	}
	var c guideConfig
	if err := json.Unmarshal(listed, &c); err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	return &Options{Roles: c.Roles, Everyone: c.Policy.Everyone, Scopes: c.Policy.Scopes}
}

// asLists makes lists of the texts that a configuration may write for lists of
// one.
func asLists(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = asLists(v[i])
		}
	case map[string]any:
		for key, value := range v {
			if text, ok := value.(string); ok && (key == "for" || key == "redact") {
				value = []any{text}
			}
			v[key] = asLists(value)
		}
	}
	return v
}

func runGuideCases(t *testing.T, b guideBlock, o Options, data map[string]any) int {
	t.Helper()
	o.Data = data
	roles := map[string]Role{"staff": {Allow: []string{"*"}}}
	for name, r := range o.Roles {
		roles[name] = r
	}
	o.Roles = roles
	e := load(t, &o)
	d, n := json.NewDecoder(strings.NewReader(b.text)), 0
	d.DisallowUnknownFields()
	for ; ; n++ {
		var c guideCase
		err := d.Decode(&c)
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("README.md:%d: %v", b.line+n, err)
		}
		if text := c.check(t, e); text != "" {
			t.Errorf("README.md:%d: %s", b.line+n, text)
		}
	}
}

// check returns what is not as the case says.
func (c *guideCase) check(t *testing.T, e *Engine) string {
	t.Helper()
	kind, rest, ok := strings.Cut(c.See, ":")
	if c.Call != "" {
		kind, rest, ok = "tool", c.Call, c.See == ""
		c.As.Roles = append(c.As.Roles, "staff")
	}
	upstream, name, two := strings.Cut(rest, "/")
	if !ok || !two {
		return "wants one of see (kind:upstream/name) and call (upstream/name)"
	}
	o := Object{Kind: kind, Upstream: upstream, OriginalName: name, Annotations: c.Hints, Tags: c.Tags}
	shown, err := e.Access(t.Context(), &c.As, []Object{o})
	if err != nil {
		return err.Error()
	}
	if c.See != "" {
		if c.Shown == nil || shown[0] != *c.Shown {
			return fmt.Sprintf("shown is %t", shown[0])
		}
		return ""
	}
	if !shown[0] {
		return "the tool is hidden, so it cannot be called"
	}
	return c.checkCall(t, e, &o)
}

func (c *guideCase) checkCall(t *testing.T, e *Engine, o *Object) string {
	t.Helper()
	all, err := e.Conditions(t.Context(), &c.As, []Object{*o})
	if err != nil {
		return err.Error()
	}
	in := &Input{Action: "call", Principal: &c.As, Object: o, Arguments: c.Arguments, Time: c.Time}
	d, got := e.Decide(t.Context(), in), all[0]
	if d.Obligations != nil {
		got.Obligations = *d.Obligations
	}
	switch {
	case c.Refused != nil:
		return cmp.Diff([]string{*c.Refused}, d.Reasons)
	case !d.Allow:
		return fmt.Sprintf("refused: %+v", d)
	case c.Allowed != nil && *c.Allowed:
		return ""
	case c.Bounds != nil:
		bounds := map[string]json.RawMessage{}
		for _, x := range got.Constraints {
			bounds[x.Argument] = x.Schema
		}
		return cmp.Diff(asJSON(c.Bounds), asJSON(bounds))
	case c.Owed != nil:
		owed := guideObligations(got.Obligations)
		return cmp.Diff(asJSON(c.Owed), asJSON(owed))
	case c.Scopes != nil:
		return cmp.Diff(c.Scopes, got.Scopes)
	}
	return "the case expects nothing"
}

// TestGuideIsShort: who looks for a rule should find it on a few pages.
func TestGuideIsShort(t *testing.T) {
	text, err := os.ReadFile("../rego/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 400 {
		t.Errorf("the guide has %d lines, want at most 400", n)
	}
}
