// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

func formRules() []rule {
	const head = "-- a/a.go --\npackage a\n\n"
	const testHead = "-- a/a_test.go --\npackage a\n\n"
	const program = "-- cmd/tollgate/main.go --\npackage main\n\nimport \"os\"\n\nfunc main() { os.Exit(1) }\n"
	return []rule{
		{
			name: "init", check: checkInit,
			bad:  []string{head + "func init() {}\n", testHead + "func init() {}\n"},
			good: []string{head + "type t int\n\nfunc (t) init() {}\n"},
		},
		{
			name: "package variables", check: checkVariables,
			bad: []string{
				head + "var n int\n", head + "var m = map[string]int{}\n", head + "var x, errX = 1, errors.New(\"x\")\n", head + "var once sync.Once\n",
				head + "var list = []string{\"a\"}\n", head + "var debug = flag.Bool(\"debug\", false, \"\")\n", testHead + "var n int\n", testHead + "var m = newThing()\n",
				testHead + "var rows = []int{1}\n\nfunc f() { rows[0] = 2 }\n", testHead + "var rows = []int{1}\n\nfunc f() { rows = nil }\n", testHead + "var row = struct{ n int }{}\n\nfunc f() { row.n++ }\n",
			},
			good: []string{
				head + "var ErrX = errors.New(\"x\")\n", head + "var re = regexp.MustCompile(`x`)\n", head + "var _ I = (*t)(nil)\n",
				head + "//go:embed *.rego\nvar FS embed.FS\n", head + "//go:embed a.json\nvar text string\n", head + "var (\n\t//go:embed a.json\n\ta string\n)\n",
				testHead + "var update = flag.Bool(\"update\", false, \"\")\n", testHead + "var rows = []struct{ n int }{{1}}\n\nvar one = &row{}\n\nfunc f() { rows := 1; rows = 2 }\n",
				testHead + "var bin thing\n\nfunc TestMain(m *testing.M) { bin = thing{} }\n",
			},
		},
		{
			name: "context values", check: forbidCall("context", "WithValue", nil, "pass it as a parameter: what a context carries is neither typed nor seen in signatures"),
			bad:  []string{head + "import \"context\"\n\nvar _ = context.WithValue(nil, 1, 2)\n", testHead + "import c \"context\"\n\nvar _ = c.WithValue(nil, 1, 2)\n"},
			good: []string{head + "import \"context\"\n\nvar _ = context.WithoutCancel(nil)\n"},
		},
		{
			name: "sleeping tests", check: forbidCall("time", "Sleep", (*file).isTest, "wait for what should happen: a channel, testing/synctest, or a clock the test turns"),
			bad:  []string{testHead + "import \"time\"\n\nfunc f() { time.Sleep(1) }\n", testHead + "import \"time\"\n\nvar _ = time.Sleep\n"},
			good: []string{head + "import \"time\"\n\nfunc f() { time.Sleep(1) }\n", testHead + "func f(time T) { time.Sleep(1) }\n"},
		},
		{
			name: "exits", check: forbidCall("os", "Exit", exits, "return an error: only main ends the process, after everything is closed"),
			bad:  []string{head + "import \"os\"\n\nfunc f() { os.Exit(1) }\n", strings.ReplaceAll(program, "main.go", "serve.go")},
			good: []string{program, testHead + "import \"os\"\n\nfunc f() { os.Exit(1) }\n"},
		},
		{
			name: "mutexes", check: checkMutexes,
			bad: []string{
				head + "type t struct {\n\tmu sync.Mutex\n\tn  int\n}\n", head + "type t struct {\n\tmu sync.RWMutex // fast\n}\n",
				head + "func f() {\n\tvar mu sync.Mutex\n}\n",
			},
			good: []string{
				head + "type t struct {\n\tmu sync.Mutex // guards n\n\tn  int\n}\n", head + "type t struct {\n\tmu sync.Mutex // held while n grows\n}\n", head + "type t struct {\n\t// mu guards n.\n\tmu sync.RWMutex\n}\n",
				head + "func f() {\n\tvar mu sync.Mutex // guards n\n}\n",
			},
		},
		{
			name: "names", check: checkNames,
			bad:  []string{head + "type UpstreamManager struct{}\n", head + "type toolInfo struct{}\n", head + "type Data int\n", "-- util/a.go --\npackage util\n", "-- a/common/a.go --\npackage common\n"},
			good: []string{head + "type Catalog struct{}\n\ntype Database int\n\ntype informed int\n"},
		},
	}
}

func checkInit(t *tree) []finding {
	var found []finding
	for _, f := range t.goFiles() {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, t.at(fn, "do this in a constructor that its user calls: init runs for everybody, in no order, without errors"))
			}
		}
	}
	return found
}

// importName is the name under which a file uses a package of the standard library, "" when it does not.
func importName(f *file, pkg string) string {
	for _, spec := range f.ast.Imports {
		if strings.Trim(spec.Path.Value, `"`) == pkg {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return path.Base(pkg)
		}
	}
	return ""
}

// forbidCall makes a check for any use of pkg.name in the files that in selects; nil selects all.
func forbidCall(pkg, name string, in func(*file) bool, what string) func(t *tree) []finding {
	return func(t *tree) []finding {
		var found []finding
		for _, f := range t.goFiles() {
			local := importName(f, pkg)
			if local == "" || (in != nil && !in(f)) {
				continue
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == name {
					if id, ok := sel.X.(*ast.Ident); ok && id.Name == local {
						found = append(found, t.at(sel, "%s.%s: %s", pkg, name, what))
					}
				}
				return true
			})
		}
		return found
	}
}

// exits selects the files that must not end the process.
func exits(f *file) bool {
	return !f.isTest() && !slices.Contains([]string{"cmd/tollgate/main.go", "conformance/driver/main.go", "conformance/tokens/main.go"}, f.path)
}

var guards = regexp.MustCompile(`\b(?:guards|held)\b`)

// checkMutexes looks at fields and local variables.
func checkMutexes(t *tree) []finding {
	var found []finding
	look := func(n ast.Node, typ ast.Expr, comments ...*ast.CommentGroup) {
		sel, ok := typ.(*ast.SelectorExpr)
		if !ok || (sel.Sel.Name != "Mutex" && sel.Sel.Name != "RWMutex") {
			return
		}
		if !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return guards.MatchString(c.Text()) }) {
			found = append(found, t.at(n, "say what the mutex guards (// guards ...), or when it is held (// held while ...)"))
		}
	}
	for _, f := range t.goFiles() {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.StructType:
				for _, field := range n.Fields.List {
					look(field, field.Type, field.Doc, field.Comment)
				}
			case *ast.GenDecl:
				for _, spec := range n.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						look(v, v.Type, n.Doc, v.Doc, v.Comment)
					}
				}
			}
			return true
		})
	}
	return found
}

// The words that say nothing about a type or a package.
var (
	emptyType    = regexp.MustCompile(`^(?:[A-Za-z0-9]*[a-z0-9])?(?:Manager|Impl|Helper|Util|Utils|Info|Data)$`)
	emptyPackage = regexp.MustCompile(`^(?:utils?|common|types|schemas?|helpers?|misc|base|shared|lib|models?)$`)
)

func checkNames(t *tree) []finding {
	var found []finding
	for _, f := range t.goFiles() {
		if name := strings.TrimSuffix(f.ast.Name.Name, "_test"); emptyPackage.MatchString(name) {
			found = append(found, t.at(f.ast, "name the package after what it holds: %q holds anything", name))
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && emptyType.MatchString(spec.Name.Name) {
				found = append(found, t.at(spec, "name %s after what it is or does: the last word says nothing", spec.Name.Name))
			}
			return true
		})
	}
	return found
}

// variable is one name declared at package level.
type variable struct {
	name  *ast.Ident
	typ   ast.Expr
	value ast.Expr // nil when there is none of its own
	embed bool     // filled by go:embed
}

func variables(f *file) []variable {
	var all []variable
	for _, d := range f.ast.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			for i, name := range v.Names {
				one := variable{name: name, typ: v.Type, embed: embeds(g.Doc) || embeds(v.Doc)}
				if len(v.Values) == len(v.Names) {
					one.value = v.Values[i]
				}
				all = append(all, one)
			}
		}
	}
	return all
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func checkVariables(t *tree) []finding {
	var found []finding
	for _, files := range t.packages() {
		for _, f := range files {
			for _, v := range variables(f) {
				switch {
				case v.name.Name == "_" || v.embed || isCall(v.value, "errors.New", "regexp.MustCompile"):
				case f.isTest() && (isCall(v.value, "flag.Bool", "flag.String", "flag.Int", "flag.Duration") || hasTestMain(f)):
				case f.isTest() && isLiteral(v.value) && !assigned(f, v.name.Name):
				default:
					found = append(found, t.at(v.name, "%s is state of the whole program: make it a constant, a function that returns it, or a field", v.name.Name))
				}
			}
		}
	}
	return found
}

func isCall(e ast.Expr, names ...string) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && slices.Contains(names, pkg.Name+"."+sel.Sel.Name)
}

// isLiteral reports whether e is written out, as tables of tests are.
func isLiteral(e ast.Expr) bool {
	if u, ok := e.(*ast.UnaryExpr); ok && u.Op == token.AND {
		e = u.X
	}
	_, ok := e.(*ast.CompositeLit)
	return ok
}

// hasTestMain reports whether f sets up what its package's tests share.
func hasTestMain(f *file) bool {
	return slices.ContainsFunc(f.ast.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Name.Name == "TestMain"
	})
}

// assigned reports whether f writes to a variable of this name, or to a part of it, in a function that does not declare it.
func assigned(f *file, name string) bool {
	root := func(e ast.Expr) string {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
			case *ast.SelectorExpr:
				e = x.X
			case *ast.StarExpr:
				e = x.X
			case *ast.Ident:
				return x.Name
			default:
				return ""
			}
		}
	}
	for _, d := range f.ast.Decls {
		writes, declares := false, false
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, l := range n.Lhs {
					if id, ok := l.(*ast.Ident); ok && n.Tok == token.DEFINE && id.Name == name {
						declares = true
					}
					writes = writes || (n.Tok != token.DEFINE && root(l) == name)
				}
			case *ast.IncDecStmt:
				writes = writes || root(n.X) == name
			}
			return true
		})
		if writes && !declares {
			return true
		}
	}
	return false
}
