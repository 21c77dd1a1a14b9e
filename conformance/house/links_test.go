// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

func linkRules() []rule {
	const body = "\ntype T struct{ Field int }\n\nfunc (*T) Do() {}\n\ntype I interface{ Ask() }\n\nfunc New() {}\n"
	const other = "-- b/b.go --\npackage b\n\ntype U int\n"
	return []rule{{
		name: "links in comments", check: checkLinks,
		bad: []string{
			"-- a/a.go --\n// Package a has [Gone].\npackage a\n" + body,
			"-- a/a.go --\npackage a\n" + body + "\n// Use calls [T.Gone].\nfunc Use() {}\n",
			other + "-- a/a.go --\n// Package a uses [b.Gone].\npackage a\n",
			"-- a/a.go --\npackage a\n\ntype S struct {\n\tn int // see [Gone]\n}\n",
		},
		good: []string{
			"-- a/a.go --\n// Package a has [T], [*T], [T.Do], [T.Field], [I.Ask] and [New]; [context.Context] and [rest] too.\npackage a\n" + body,
			other + "-- a/a.go --\n// Package a uses [b.U] and [b].\npackage a\n",
			"-- a/a.go --\n// Package a has m[Key] and a[Gone](x).\n//\n//\tcode [Gone]\npackage a\n",
			"-- a/a.go --\n// Package a follows [RFC].\n//\n// [RFC]: https://example.com\npackage a\n",
		},
	}, {
		name: "tests in comments", check: checkTestNames,
		bad:  []string{"-- a/a.go --\n// Package a never fails (TestNever).\npackage a\n-- b/b_test.go --\npackage b\n\nfunc TestEver() {}\n"},
		good: []string{"-- a/a.go --\n// Package a never fails (TestNever in b); Tests hold it.\npackage a\n-- b/b_test.go --\npackage b\n\nfunc TestNever() {}\n"},
	}, {
		name: "links in Markdown", check: checkMarkdown,
		bad:  []string{"-- a/a.md --\nsee [b](../b.md) and [c](c.md)\n-- b.md --\n", "-- a/a.md --\nsee [b](b.md)\n-- b.md --\n"},
		good: []string{"-- a/a.md --\nsee [b](../b.md#x), [c](https://example.com/c), [d](#d), [e](../e), [f](..)\n-- b.md --\n-- e/e.go --\npackage e\n"},
	}}
}

// A doc link with one or two names, as go doc reads them: not part of a longer word, an index or a Markdown link.
var docLink = regexp.MustCompile(`(?:^|[\s("])\[\*?([A-Za-z]\w*(?:\.[A-Z]\w*){0,2})\](?:$|[^\w(:\[])`)

// checkLinks looks names up in the package they are written in, or in ours of the name in front. What another module
// declares is not looked up.
func checkLinks(t *tree) []finding {
	byDir, byName := map[string]map[string]bool{}, map[string]map[string]bool{}
	for dir, files := range t.packages() {
		byDir[dir] = symbols(files)
		byName[path.Base(dir)] = byDir[dir]
	}
	var found []finding
	for _, f := range t.goFiles() {
		if f.isTest() {
			continue
		}
		targets := map[string]bool{} // of link definitions in the file
		for _, m := range regexp.MustCompile(`(?m)^// \[(\w+)\]: `).FindAllStringSubmatch(f.text, -1) {
			targets[m[1]] = true
		}
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				for _, link := range linksOf(c.Text) {
					if !targets[link] && !resolves(link, byDir[f.dir()], byName) {
						found = append(found, t.at(c, "[%s] is nowhere: name what exists, or take the brackets away", link))
					}
				}
			}
		}
	}
	return found
}

// linksOf finds the links in a line comment; code in it, which is indented, has none.
func linksOf(comment string) []string {
	text := strings.TrimPrefix(comment, "//")
	if strings.HasPrefix(text, "\t") || strings.HasPrefix(text, "  ") {
		return nil
	}
	var links []string
	for _, m := range docLink.FindAllStringSubmatch(text, -1) {
		links = append(links, m[1])
	}
	return links
}

func resolves(link string, own map[string]bool, byName map[string]map[string]bool) bool {
	first, rest, _ := strings.Cut(link, ".")
	if first != "" && first[0] >= 'A' && first[0] <= 'Z' {
		return own[link]
	}
	pkg := byName[first]
	return pkg == nil || rest == "" || pkg[rest]
}

// symbols are the names that links may use: T, T.Method, T.Field, Func, Const.
func symbols(files []*file) map[string]bool {
	names := map[string]bool{}
	for _, f := range files {
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if recv := receiver(d); recv != "" {
					names[recv+"."+d.Name.Name] = true
				} else {
					names[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					addSpec(names, spec)
				}
			}
		}
	}
	return names
}

func addSpec(names map[string]bool, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, n := range s.Names {
			names[n.Name] = true
		}
	case *ast.TypeSpec:
		names[s.Name.Name] = true
		var members *ast.FieldList
		switch typ := s.Type.(type) {
		case *ast.StructType:
			members = typ.Fields
		case *ast.InterfaceType:
			members = typ.Methods
		default:
			return
		}
		for _, m := range members.List {
			for _, n := range m.Names {
				names[s.Name.Name+"."+n.Name] = true
			}
		}
	}
}

// receiver is the type a method belongs to, "" for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	typ := fn.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// testName finds the names of tests in comments: an invariant says which test holds it.
var testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*`)

// checkTestNames looks for the named tests anywhere in the tree.
func checkTestNames(t *tree) []finding {
	declared := map[string]bool{}
	for _, f := range t.goFiles() {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.isTest() && fn.Recv == nil {
				declared[fn.Name.Name] = true
			}
		}
	}
	var found []finding
	for _, f := range t.goFiles() {
		if f.isTest() {
			continue
		}
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				for _, name := range testName.FindAllString(c.Text, -1) {
					if !declared[name] {
						found = append(found, t.at(c, "there is no %s: write it, or name the test that holds this", name))
					}
				}
			}
		}
	}
	return found
}

// mdLink is a link to a file, with its target.
var mdLink = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)

// checkMarkdown looks for the files that Markdown files link to.
func checkMarkdown(t *tree) []finding {
	exists := func(target string) bool {
		return target == "." || slices.ContainsFunc(t.files, func(f *file) bool { return below(f.path, target) })
	}
	var found []finding
	for _, f := range t.files {
		if path.Ext(f.path) != ".md" {
			continue
		}
		for _, m := range mdLink.FindAllStringSubmatchIndex(f.text, -1) {
			target := f.text[m[2]:m[3]]
			if !exists(path.Join(f.dir(), target)) {
				found = append(found, finding{f.path, strings.Count(f.text[:m[0]], "\n") + 1, "there is no " + target + ": link to what exists"})
			}
		}
	}
	return found
}
