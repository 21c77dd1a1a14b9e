// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"pgregory.net/rapid"
)

func call(o Object, arguments string) *Input {
	in := &Input{
		Action: "call", Principal: everyone(), Object: &o,
		Session: Session{Origin: "mcp", Transport: "http"}, Client: Client{Name: "cli", Version: "1"},
		Time: time.Date(2026, 11, 25, 10, 30, 0, 0, time.FixedZone("", 3600)), SourceIP: "192.0.2.7",
	}
	if arguments != "" {
		in.Arguments = json.RawMessage(arguments)
	}
	return in
}

func TestDocumentText(t *testing.T) {
	o := tool("github", "get_issue")
	o.Annotations, o.Tags, o.DefinitionHash = []byte(`{"readOnlyHint": true}`), []string{"code"}, "5f3c"
	want := `{"version":1,"action":"call",` +
		`"principal":{"subject":"ada","roles":["reader","writer"],"groups":["g"],"scopes":["s"],"team":"t","org":"acme",` +
		`"auth_method":"api_key","key_id":"k1","issuer":"","actor":"svc"},` +
		`"object":{"id":"tool:github/get_issue","kind":"tool","name":"github__get_issue","uri":"","upstream":"github",` +
		`"original_name":"get_issue","annotations":{"readOnlyHint":true},"tags":["code"],"definition_hash":"5f3c"},` +
		`"arguments":{"b":1.0,"a":"<é>"},"arguments_truncated":false,` +
		`"session":{"origin":"mcp","transport":"http","parent_call_id":"","depth":0},"client":{"name":"cli","version":"1"},` +
		`"time":"2026-11-25T09:30:00Z","source_ip":"192.0.2.7"}`
	if got := string(call(o, ` {"b": 1.0, "a": "<é>"}`).JSON()); got != want {
		t.Errorf("document\n%s\nwant\n%s", got, want)
	}
}

func TestDocumentLeavesArgumentsOut(t *testing.T) {
	large := `{"a":"` + strings.Repeat("x", MaxArguments) + `"}`
	truncated := call(tool("u", "x"), `{}`)
	truncated.Truncated = true
	for name, tt := range map[string]struct {
		in   *Input
		want string
	}{
		"none":      {call(tool("u", "x"), ""), `"arguments_truncated":false`},
		"large":     {call(tool("u", "x"), large), `"arguments_truncated":true`},
		"truncated": {truncated, `"arguments_truncated":true`},
		"a list":    {call(tool("u", "x"), `[1]`), `"arguments_truncated":false`},
		"no JSON":   {call(tool("u", "x"), `{"a":`), `"arguments_truncated":false`},
	} {
		got := string(tt.in.JSON())
		if !json.Valid([]byte(got)) || strings.Contains(got, `"arguments":`) || !strings.Contains(got, tt.want) {
			t.Errorf("%s: document %s, want no arguments and %s", name, got, tt.want)
		}
	}
}

// text draws strings that JSON has to take care of.
func text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom([]string{"", "a", `"`, "\\", "<\x01>", "\xff\xfe!", "é", "\u2028", "a\x00"}), rapid.String())
}

func jsonObject() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		members := rapid.MapOf(text(), rapid.OneOf(
			rapid.Just(any(nil)), rapid.Map(text(), func(s string) any { return s }), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
			rapid.Map(rapid.Float64(), func(f float64) any { return f }),
			rapid.Map(rapid.SampledFrom([]string{"1", "-0", "1.0", "1e3", "12345678901234567890", "1E-7"}), func(n string) any { return json.Number(n) }),
			rapid.Map(rapid.SliceOf(rapid.Int()), func(l []int) any { return map[string]any{"list": l} }),
		)).Draw(t, "members")
		sound := map[string]any{}
		for k, v := range members {
			sound[strings.ToValidUTF8(k, "?")] = v
		}
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetIndent("", rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "indent"))
		if err := e.Encode(sound); err != nil {
			t.Fatal(err)
		}
		return out.String()
	})
}

func principals() *rapid.Generator[*Principal] {
	few := rapid.SampledFrom([]string{"", "a", "b"})
	list := rapid.SliceOfN(few, 0, 3)
	return rapid.Custom(func(t *rapid.T) *Principal {
		return &Principal{
			Subject: few.Draw(t, "subject"), Roles: list.Draw(t, "roles"), Groups: list.Draw(t, "groups"), Scopes: list.Draw(t, "scopes"),
			Team: few.Draw(t, "team"), Org: few.Draw(t, "org"), AuthMethod: few.Draw(t, "method"), KeyID: few.Draw(t, "key"),
			Actor: few.Draw(t, "actor"),
		}
	})
}

// TestDocumentIsOne: what an audit stores and what rules read is the same
// document, whatever is in it.
func TestDocumentIsOne(t *testing.T) {
	keys, full := newInputKeys(), everything()
	rapid.Check(t, func(t *rapid.T) {
		in := &Input{
			Action: text().Draw(t, "action"), Principal: principals().Draw(t, "principal"),
			Object: &Object{
				Kind: rapid.SampledFrom(kinds()).Draw(t, "kind"), Upstream: "u" + strings.NewReplacer("/", "", ":", "").Replace(text().Draw(t, "upstream")),
				Name: text().Draw(t, "name"), OriginalName: text().Draw(t, "original"), URI: text().Draw(t, "uri"),
				Annotations: []byte(jsonObject().Draw(t, "annotations")), Tags: rapid.SliceOfN(text(), 0, 3).Draw(t, "tags"),
			},
			Session: Session{text().Draw(t, "origin"), "http", text().Draw(t, "parent"), rapid.IntRange(0, 9).Draw(t, "depth")},
			Client:  Client{text().Draw(t, "client"), ""}, SourceIP: text().Draw(t, "ip"),
			Time: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")),
		}
		in.Principal.Subject = text().Draw(t, "subject")
		if rapid.Bool().Draw(t, "arguments") {
			in.Arguments = []byte(jsonObject().Draw(t, "arguments"))
		}
		text := in.JSON()
		want, err := ast.ValueFromReader(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		got, f := keys.callTerm(in, &full)
		if f != nil {
			t.Fatalf("callTerm: %+v", f)
		}
		if got.Value.Compare(want) != 0 {
			t.Fatalf("term %v\ntext %v", got, want)
		}
	})
}

// TestSchemaDocumentsEveryMember compares the schema with the document and
// wants a description of each member.
func TestSchemaDocumentsEveryMember(t *testing.T) {
	var schema, document map[string]any
	if err := json.Unmarshal(InputSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(call(tool("u", "x"), `{}`).JSON(), &document); err != nil {
		t.Fatal(err)
	}
	var compare func(path string, schema, document map[string]any)
	compare = func(path string, schema, document map[string]any) {
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			return // free, such as arguments
		}
		if diff := cmp.Diff(sortedKeys(document), sortedKeys(properties)); diff != "" {
			t.Errorf("members of %q (-document +schema):\n%s", path, diff)
		}
		for _, name := range sortedKeys(properties) {
			p := properties[name].(map[string]any)
			if text, _ := p["description"].(string); text == "" {
				t.Errorf("%s.%s has no description", path, name)
			}
			if below, ok := document[name].(map[string]any); ok {
				compare(path+"."+name, p, below)
			}
		}
	}
	compare("input", schema, document)
	if got := sortedKeys(document); !slices.Equal(got, slices.Sorted(slices.Values(documentFields()))) {
		t.Errorf("documentFields %v, want %v", documentFields(), got)
	}
}

// FuzzTerm: what is read by span is what OPA's own reader makes of it.
func FuzzTerm(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,-2.5e3,true,false,null,"x\n\u00e9"],"b":{"c":{}}}`, ` { "a" : [ ] } `, `[1]`, `{"a":1,"a":2}`, `{"a":"\ud800"}`, "\f{}", "{}\u0085"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, ok := parseObject(raw)
		if !ok {
			return
		}
		want, err := ast.ValueFromReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%q is no JSON: %v", raw, err)
		}
		if got.Value.Compare(want) != 0 {
			t.Fatalf("%q: %v, want %v", raw, got, want)
		}
	})
}
