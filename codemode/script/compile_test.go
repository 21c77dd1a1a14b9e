// SPDX-License-Identifier: Apache-2.0

package script

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden files")

// golden runs every script of a file: a section with its source is followed by one with what comes of it.
func golden(t *testing.T, name string, run func(t *testing.T, source string) string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	file, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(file.Files); i += 2 {
		source, want := file.Files[i], &file.Files[i+1]
		t.Run(source.Name, func(t *testing.T) {
			got := run(t, string(source.Data))
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

// TestAccepted: what models write becomes an async function.
func TestAccepted(t *testing.T) {
	golden(t, "accepted.txtar", func(t *testing.T, source string) string {
		p, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		return p.JavaScript + "\n"
	})
}

// TestRejected: what cannot run says where, in terms of what the model wrote, and what to change.
func TestRejected(t *testing.T) {
	golden(t, "rejected.txtar", func(t *testing.T, source string) string {
		_, err := Compile(source)
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Fatalf("compiled: %v", err)
		}
		return fmt.Sprintf("%d:%d %s\n| %s\n> %s\n", e.Line, e.Column, e.Message, e.SourceLine, e.Hint)
	})
}

// TestLocate: places lead back to the line and the column that the model wrote, whatever stands around the code.
func TestLocate(t *testing.T) {
	for name, source := range map[string]string{
		"bare":    "interface A { a: string }\ntype B = A;\n\nconst a: A = f();\n\nlet s = 'é😀'; MARK();\n",
		"first":   "MARK();\n",
		"fenced":  "Look:\n\n```ts\ninterface A {\n  a: string\n}\nif (x as A) {\n    MARK();\n}\n```\n",
		"crlf":    "const a = 1;\r\n\r\n  MARK();\r\n",
		"arrow":   "// first\n\nasync () => {\n  const a: number = 1;\n  MARK();\n}\n",
		"default": "const a = `x\n`;\nexport default async function main() { MARK(); }\n",
		"value":   "\n\n  MARK()",
		"object":  "\n{ a: 1,\n  b: MARK() }",
		"raw":     "const a = String.raw`é😀`; MARK();",
	} {
		p, err := Compile(source)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		at := strings.Index(p.JavaScript, "MARK")
		line := 1 + strings.Count(p.JavaScript[:at], "\n")
		column := at - strings.LastIndex(p.JavaScript[:at], "\n")
		wantLine, wantColumn := p.source.place(strings.Index(source, "MARK"))
		if gotLine, gotColumn, ok := p.Locate(line, column); !ok || gotLine != wantLine || gotColumn != wantColumn {
			t.Errorf("%s: got %d:%d %v, want %d:%d\n%s", name, gotLine, gotColumn, ok, wantLine, wantColumn, p.JavaScript)
		}
		if got := p.Line(wantLine); !strings.Contains(got, "MARK") {
			t.Errorf("%s: line %d is %q", name, wantLine, got)
		}
	}
}

// TestLocateNothing: what was put around the code has no place, and neither has what is not there.
func TestLocateNothing(t *testing.T) {
	p, err := Compile("async () => { return 1 }")
	if err != nil {
		t.Fatal(err)
	}
	last := strings.Count(p.JavaScript, "\n") + 1
	for _, at := range [][2]int{{0, 0}, {-1, 5}, {1, 1}, {last, 4}, {last + 1, 1}, {1 << 40, 1}} {
		if line, column, ok := p.Locate(at[0], at[1]); ok {
			t.Errorf("%v is at %d:%d in\n%s", at, line, column, p.JavaScript)
		}
	}
	for _, n := range []int{-1, 0, 2, 1 << 40} {
		if got := p.Line(n); got != "" {
			t.Errorf("line %d is %q", n, got)
		}
	}
}

// TestHint: a script that returns nothing is told how to.
func TestHint(t *testing.T) {
	for source, want := range map[string]string{
		"const a = await x.y();\na.items.map((i) => i.id);": "the value of the last statement is dropped: write return a.items.map((i) => i.id)",
		"async function main() { return 1 }\n\nmain();":     "the value of the last statement is dropped: write return main()",
		"const a = 1;\nfor (const b of c) { b() }":          "end the script with return and the value that is needed",
		"if (x.y()) { return 1 }":                           "end the script with return and the value that is needed",
		"async () => { x.y() }":                             "the function returned nothing: end it with return and the value that is needed",
		"// first\nawait x.y(); // done":                    "the value of the last statement is dropped: write return await x.y()",
	} {
		p, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Hint(); got != want {
			t.Errorf("%s: %s", source, got)
		}
	}
}

// TestSourceIsKept: strings and templates mean what they meant.
func TestSourceIsKept(t *testing.T) {
	for text, want := range map[string]string{`"a\nb"`: `"a\nb"`, `'\u00e9\\n'`: `"\xE9\\n"`, "`a\\n${x}b`": "`a\n${x}b`", "String.raw`\\n\\u`": "String.raw`\\n\\u`"} {
		p, err := Compile("return " + text)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(p.JavaScript, want) {
			t.Errorf("%s became\n%s", text, p.JavaScript)
		}
	}
}

// TestConcurrentLocate: a program is for many goroutines.
func TestConcurrentLocate(t *testing.T) {
	p, err := Compile("const a: number = 1;\nreturn a;")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if line, _, ok := p.Locate(3, 1); !ok || line != 2 {
				t.Errorf("line %d, %v of\n%s", line, ok, p.JavaScript)
			}
		})
	}
	wg.Wait()
}

func FuzzCompile(f *testing.F) {
	for _, name := range []string{"accepted.txtar", "rejected.txtar"} {
		file, err := txtar.ParseFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		for _, s := range file.Files {
			f.Add(string(s.Data), uint16(1), uint16(1))
		}
	}
	for _, n := range hostile() {
		f.Add(n.source(40), uint16(1), uint16(3))
	}
	f.Fuzz(func(t *testing.T, source string, line, column uint16) {
		if len(source) > 2000 {
			return
		}
		p, err := Compile(source)
		if err != nil {
			var e *SyntaxError
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Line > len(newText(source).starts) || e.Message == "" {
				t.Fatalf("%#v", err)
			}
			return
		}
		for _, at := range [][2]int{{int(line), int(column)}, {1, int(column)}, {strings.Count(p.JavaScript, "\n") + 1, int(column)}} {
			l, c, ok := p.Locate(at[0], at[1])
			if ok && (l < 1 || l > len(p.source.starts) || c < 1 || c > len([]rune(p.source.line(l)))+1) {
				t.Fatalf("%v is at %d:%d", at, l, c)
			}
		}
		if !strings.HasPrefix(p.JavaScript, "(async () => {") && !strings.HasPrefix(p.JavaScript, "var __") {
			t.Fatalf("not one function: %s", p.JavaScript)
		}
	})
}

func FuzzDecodeMappings(f *testing.F) {
	for _, s := range []string{"AAAA", "CAAC,YAAY;AAAC,QAAM,IAAY;AAChC,SAAO;AAAC;", "A,,;;", "////////", "gggggggggggggggggggggggggg", "D", "AAAAA", "AAAAAA", "AA", "+/+/+/+/9999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		segments, err := decodeMappings(s)
		if err != nil {
			return
		}
		if len(segments) > len(s) {
			t.Fatalf("%d segments of %d bytes", len(segments), len(s))
		}
		for i, m := range segments {
			if !m.valid() || (i > 0 && m.before(segments[i-1])) {
				t.Fatalf("%v in %v", m, segments)
			}
			if got, ok := find(segments, m.line, m.column); !ok || got.line != m.line || got.column != m.column {
				t.Fatalf("%v is not found", m)
			}
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	body := "interface Issue { id: number; title: string; labels?: string[] }\nconst issues: Issue[] = await github.list_issues<Issue>({ owner: \"a\", repo: \"b\", state: \"open\" });\n" +
		"const seen = new Map<string, number>();\nfor (const issue of issues) {\n  for (const label of issue.labels ?? []) seen.set(label, (seen.get(label) ?? 0) + 1);\n}\nreturn [...seen].sort((a, b) => b[1] - a[1]).slice(0, 10);\n"
	for name, source := range map[string]string{"trivial": "return 1", "body": body, "function": "async () => {\n" + body + "}", "28KB": strings.Repeat("{\n"+body+"}\n", 28<<10/len(body))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(source)))
			for b.Loop() {
				if _, err := Compile(source); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
