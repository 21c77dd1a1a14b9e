// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tollgate/codemode/declare"
	"tollgate/conformance/harness"
)

var updateDeclare = flag.Bool("update-declare", false, "write testdata/declare-looser.txt")

// comparison is one type of ours beside that of json-schema-to-typescript.
type comparison struct {
	name   string // server.tool input or output
	schema json.RawMessage
	ours   string // a type in the declarations
}

// declarations are those of a catalog and what is to be compared in them.
func declarations(t *testing.T, path string) (full, compact string, all []comparison) {
	t.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Tools []struct {
			Name, Description         string
			InputSchema, OutputSchema json.RawMessage
		}
	}
	if err := json.NewDecoder(z).Decode(&list); err != nil {
		t.Fatal(err)
	}
	s := &declare.Server{Name: strings.TrimSuffix(filepath.Base(path), ".json.gz")}
	var names []string
	for _, tool := range list.Tools {
		s.Tools = append(s.Tools, declare.Tool{Name: tool.Name, Description: tool.Description, Input: tool.InputSchema, Output: tool.OutputSchema})
		names = append(names, tool.Name)
	}
	for i, member := range declare.Members(names) {
		tool := &s.Tools[i]
		of := fmt.Sprintf("(typeof %s)[%q]", s.Name, member)
		all = append(all, comparison{s.Name + "." + member + " input", tool.Input, "Input<" + of + ">"})
		if tool.Output != nil {
			all = append(all, comparison{s.Name + "." + member + " output", tool.Output, "Awaited<ReturnType<" + of + ">>"})
		}
	}
	return declare.Full(s), declare.Compact(s), all
}

// TestDeclarations: TypeScript accepts the declarations of 291 real tools, and what json-schema-to-typescript makes of the
// same schemas can be given where ours is asked for. Where ours allows more is listed in testdata/declare-looser.txt.
func TestDeclarations(t *testing.T) {
	n := nodeClient{t: t}
	harness.Node(t)
	paths, err := filepath.Glob("tokens/testdata/catalogs/*.json.gz")
	if err != nil || len(paths) != 12 {
		t.Fatalf("%d catalogs: %v", len(paths), err)
	}
	var full, compact strings.Builder
	var all []comparison
	var schemas []json.RawMessage
	for _, path := range paths {
		f, c, compared := declarations(t, path)
		full.WriteString(f)
		compact.WriteString(c)
		all = append(all, compared...)
	}
	for _, c := range all {
		schemas = append(schemas, c.schema)
	}
	in, err := json.Marshal(schemas)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []string
	n.read(&theirs, n.run(in, filepath.Join("npm", "declare-oracle.mjs")))
	inputs := slices.DeleteFunc(slices.Clone(all), func(c comparison) bool { return !strings.HasSuffix(c.name, " input") })
	if len(inputs) != 291 || len(theirs) != len(all) {
		t.Fatalf("%d tools, %d types, %d of the other generator", len(inputs), len(all), len(theirs))
	}
	looser := compare(t, n, full.String(), theirs, all)
	t.Logf("%d of %d types are mutually assignable", len(all)-len(looser), len(all))
	compare(t, n, compact.String(), theirs, all)
	path := filepath.Join("testdata", "declare-looser.txt")
	got := strings.Join(looser, "\n") + "\n"
	if *updateDeclare {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestDeclarationsOfOddSchemas: TypeScript accepts what is made of recursion, names that need quotes, hostile text and so on.
func TestDeclarationsOfOddSchemas(t *testing.T) {
	file, err := txtar.ParseFile("../codemode/declare/testdata/schemas.txtar")
	if err != nil {
		t.Fatal(err)
	}
	s := &declare.Server{Name: "odd"}
	for i := 0; i < len(file.Files); i += 2 {
		schema := file.Files[i]
		s.Tools = append(s.Tools, declare.Tool{Name: schema.Name, Description: string(schema.Data), Input: schema.Data, Output: schema.Data})
	}
	if len(s.Tools) < 25 {
		t.Fatalf("%d schemas", len(s.Tools))
	}
	for _, source := range []string{declare.Full(s), declare.Compact(s)} {
		for line, message := range tsc(t, source) {
			t.Errorf("%s\n%s", message, strings.Split(source, "\n")[line-1])
		}
	}
}

// compare lets tsc judge, and answers the names of the types that allow more than those of the other generator.
func compare(t *testing.T, n nodeClient, ours string, theirs []string, all []comparison) (looser []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("type Input<F extends (...args: any[]) => unknown> = Parameters<F> extends [] ? {} : NonNullable<Parameters<F>[0]>;\n")
	b.WriteString(ours + strings.Join(theirs, "\n") + "\n")
	first := strings.Count(b.String(), "\n") + 1
	for i, c := range all { // two lines each
		fmt.Fprintf(&b, "((x: N%d.T): %s => x);\n((x: %s): N%d.T => x);\n", i, c.ours, c.ours, i)
	}
	for line, message := range tsc(t, b.String()) {
		i := (line - first) / 2
		switch {
		case line < first:
			t.Errorf("line %d of the declarations: %s\n%s", line, message, strings.Split(b.String(), "\n")[line-1])
		case (line-first)%2 == 0:
			t.Errorf("%s allows less than the schema: %s\n%s", all[i].name, message, all[i].schema)
		default:
			looser = append(looser, all[i].name)
		}
	}
	slices.Sort(looser)
	return looser
}

// tsc answers the first complaint of each line.
func tsc(t *testing.T, source string) map[int]string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "all.ts")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	program := harness.Package(t, "typescript", "bin", "tsc")
	cmd := exec.CommandContext(ctx, harness.Node(t), program, "--strict", "--noEmit", "--pretty", "false", "--target", "es2023", "--lib", "es2023", "--types", "", path)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	complaints := map[int]string{}
	for _, m := range regexp.MustCompile(`(?m)^all\.ts\((\d+),\d+\): error (.*)$`).FindAllStringSubmatch(string(out), -1) {
		line, _ := strconv.Atoi(m[1])
		if complaints[line] == "" {
			complaints[line] = m[2]
		}
	}
	if (err != nil) != (len(complaints) > 0) {
		t.Fatalf("tsc: %v\n%s", err, out)
	}
	return complaints
}
