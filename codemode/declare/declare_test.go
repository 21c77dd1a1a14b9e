// SPDX-License-Identifier: Apache-2.0

package declare

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"tollgate/upstream/wire"
)

// TestSchemas: every kind of schema, in both forms.
func TestSchemas(t *testing.T) {
	path := filepath.Join("testdata", "schemas.txtar")
	file, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(file.Files); i += 2 {
		schema, want := file.Files[i], &file.Files[i+1]
		t.Run(schema.Name, func(t *testing.T) {
			tool := &Tool{Input: json.RawMessage(strings.TrimSpace(string(schema.Data)))}
			got := One("s", "t", tool, true) + One("s", "t", tool, false)
			if *update {
				want.Data = []byte(got)
			} else if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(file), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestServer: what is said about a server and its tools, and names that are no identifiers.
func TestServer(t *testing.T) {
	yes, no := true, false
	recursive := json.RawMessage(`{"type":"object","properties":{"n":{"$ref":"#/$defs/node"}},"$defs":{"node":{"type":"object","properties":{"n":{"$ref":"#/$defs/node"}}}}}`)
	s := &Server{Name: "my-server", Description: "Does things.\nReally */ all of them.", Tools: []Tool{
		{Name: "then", Description: "First sentence here. Second one.", ReadOnly: &yes},
		{Name: "issues.list", Title: "List", Description: "Lists issues e.g. open ones.", Input: recursive, Output: recursive, ReadOnly: &no},
		{Name: "issues_list", Destructive: &yes, Approval: true, Input: recursive, Output: json.RawMessage(`{"type":"object","properties":{"n":{"type":"number"}}}`)},
		{Name: "delete", Title: "Only a title", Approval: true},
	}}
	golden(t, filepath.Join("testdata", "server.golden"), Full(s)+"\n"+Compact(s))
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ in, servers, members string }{
		{"github", "github", "github"}, {"my-server", "my_server", "my_server"}, {"1st", "_1st", "_1st"}, {"", "_", "_"}, {"a.b c", "a_b_c", "a_b_c"},
		{"class", "class_", "class"}, {"JSON", "JSON_", "JSON"}, {"console", "console_", "console"}, {"tools", "tools_", "tools"}, {"fetch", "fetch_", "fetch"},
		{"then", "then", "then_"}, {"constructor", "constructor", "constructor_"}, {"__proto__", "__proto___", "__proto___"}, {"toString", "toString", "toString_"},
		{"日本", "__", "__"}, {"a\xffb", "a_b", "a_b"}, {"$x", "$x", "$x"},
	} {
		if got := Names([]string{c.in})[0]; got != c.servers {
			t.Errorf("server %q is %q, want %q", c.in, got, c.servers)
		}
		if got := Members([]string{c.in})[0]; got != c.members {
			t.Errorf("tool %q is %q, want %q", c.in, got, c.members)
		}
	}
	got := Names([]string{"a-b", "a.b", "a_b", "a_b_2", "a-b"})
	if want := []string{"a_b_3", "a_b_4", "a_b", "a_b_2", "a_b_3"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestNamesAreInjective: different names stay different, in any order, and identifiers are their own.
func TestNamesAreInjective(t *testing.T) {
	valid := regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab]?[-._a1]?(class|then|a|_2|_)?[-._]?é?`), 0, 12, rapid.ID).Draw(t, "names")
		shuffled := rapid.Permutation(names).Draw(t, "shuffled")
		for _, f := range []func([]string) []string{Names, Members} {
			ids := f(names)
			again := f(shuffled)
			seen := map[string]string{}
			for i, id := range ids {
				if other, ok := seen[id]; ok || !valid.MatchString(id) {
					t.Fatalf("%q and %q are both %q", other, names[i], id)
				}
				seen[id] = names[i]
				if j := slices.Index(shuffled, names[i]); again[j] != id {
					t.Fatalf("%q is %q or %q", names[i], id, again[j])
				}
			}
			if !slices.Equal(f(ids), ids) {
				t.Fatalf("%q become %q", ids, f(ids))
			}
		}
	})
}

// bombs are schemas that are small and could become large.
func bombs() map[string]string {
	doubling := `{"type":"object","properties":{"a":{"$ref":"#/$defs/d0"}},"$defs":{`
	for i := range 60 {
		doubling += fmt.Sprintf(`"d%d":{"type":"object","properties":{"left":{"$ref":"#/$defs/d%d"},"right":{"$ref":"#/$defs/d%d"}}},`, i, i+1, i+1)
	}
	short := strings.NewReplacer(`"left"`, `"l"`, `"right"`, `"r"`, `{"type":"object","properties":{"l"`, `{"properties":{"l"`).Replace(doubling)
	many := make([]string, 20_000)
	refs := make([]string, 2000)
	for i := range many {
		many[i] = fmt.Sprintf(`"p%d":{"type":"string","description":"x"}`, i)
	}
	for i := range refs {
		refs[i] = fmt.Sprintf(`{"$ref":"#/anyOf/%d"}`, (i+1)%2000)
	}
	deep := func(open, end string, n int) string { return strings.Repeat(open, n) + "true" + strings.Repeat(end, n) }
	return map[string]string{
		"doubling":     doubling + `"d60":{"type":"string"}}}`,
		"short":        short + `"d60":{}}}`,
		"arrays":       deep(`{"type":"array","items":`, "}", 20_000),
		"deep":         deep(`{"type":"array","items":`, "}", 500),
		"objects":      deep(`{"type":"object","properties":{"a":`, "}}", 250),
		"choices":      deep(`{"anyOf":[{"type":"string"},`, "]}", 250),
		"wide":         `{"type":"object","properties":{` + strings.Join(many, ",") + `}}`,
		"references":   `{"type":"object","anyOf":[` + strings.Join(refs, ",") + `]}`,
		"long literal": `{"type":"object","properties":{"a":{"const":"` + strings.Repeat("x", 100_000) + `"}}}`,
		"long name":    `{"type":"object","properties":{"` + strings.Repeat("x", 100_000) + `":{}}}`,
		"long text":    `{"type":"object","properties":{"a":{"description":"` + strings.Repeat("é*/", 100_000) + `"}}}`,
		"many literal": `{"enum":[` + strings.Repeat("[[[[[[[[[[1]]]]]]]]]],", 63) + `1]}`,
		"prefix":       `{"type":"array","prefixItems":[` + strings.Repeat("{},", 50_000) + `{}]}`,
	}
}

// TestBombs: no schema becomes large, or takes long.
func TestBombs(t *testing.T) {
	for name, schema := range bombs() {
		for _, compact := range []bool{true, false} {
			start := time.Now()
			tool := &Tool{Name: "t", Description: schema, Input: json.RawMessage(schema), Output: json.RawMessage(schema)}
			got := One("s", "t", tool, compact)
			limit := 200 << 10
			if compact {
				limit = 8 << 10
			}
			if took := time.Since(start); len(got) > limit || took > 2*time.Second {
				t.Errorf("%s (compact %v): %d bytes in %v", name, compact, len(got), took)
			}
			t.Logf("%s (compact %v): %d of %d bytes", name, compact, len(got), len(schema))
		}
	}
}

// balanced reports whether brackets match outside of strings, and comments end where they should.
func balanced(s string) error {
	var open []byte
	pairs := map[byte]byte{')': '(', ']': '[', '}': '{', '>': '<'}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case strings.HasPrefix(s[i:], "/*"):
			n := strings.Index(s[i:], "*/")
			if n < 0 {
				return fmt.Errorf("comment at %d", i)
			}
			i += n + 1
		case strings.HasPrefix(s[i:], "//"):
			n := strings.IndexByte(s[i:], '\n')
			if n < 0 {
				return fmt.Errorf("line comment at %d", i)
			}
			i += n
		case c == '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\n' {
					return fmt.Errorf("string at %d", i)
				}
				if s[i] == '\\' {
					i++
				}
			}
		case strings.IndexByte("([{<", c) >= 0:
			open = append(open, c)
		case pairs[c] != 0:
			if len(open) == 0 || open[len(open)-1] != pairs[c] {
				return fmt.Errorf("%c at %d", c, i)
			}
			open = open[:len(open)-1]
		case c < ' ' && c != '\n', c == '`', c == ';' && i+1 < len(s) && strings.IndexByte(" \n}", s[i+1]) < 0:
			return fmt.Errorf("%q at %d", c, i)
		}
	}
	if len(open) > 0 || strings.ContainsAny(s, "\u2028\u2029\u202e\u200b") {
		return fmt.Errorf("%q is open, or text is hidden", open)
	}
	return nil
}

// FuzzOne: whatever an upstream writes, the declaration is one declaration.
func FuzzOne(f *testing.F) {
	file, err := txtar.ParseFile(filepath.Join("testdata", "schemas.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(file.Files); i += 2 {
		f.Add(file.Files[i].Data, "text */ \u2028 `x`")
	}
	f.Fuzz(func(t *testing.T, schema []byte, text string) {
		tool := &Tool{Name: text, Title: text, Description: text, Input: schema, Output: schema}
		for _, compact := range []bool{true, false} {
			s := &Server{Name: text, Description: text, Tools: []Tool{*tool}}
			for _, got := range []string{One("s", "t", tool, compact), server(s, styleOf(compact))} {
				if err := balanced(got); err != nil {
					t.Fatalf("%v in\n%s", err, got)
				}
				if wire.CheckUnique(schema) != nil && !strings.Contains(got, "(input: unknown)") && !strings.Contains(got, "()") {
					t.Fatalf("types of an invalid schema:\n%s", got)
				}
			}
		}
	})
}
