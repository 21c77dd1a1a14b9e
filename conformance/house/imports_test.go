// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ours is the path of the module.
const ours = "tollgate"

// folder says which of our packages the files below a folder may import. The longest matching folder counts; "x/..." is x
// and what is below it.
type folder struct {
	path       string
	production []string
	tests      []string // beside those of production
}

// mayImport is the picture of design: cmd knows everybody, the aggregator knows its leaves, the leaves know nobody.
func mayImport() []folder {
	wire := []string{"upstream/wire"}
	leaves := []string{"policy/...", "store/...", "upstream", "upstream/wire", "codemode/..."}
	return []folder{
		{"upstream/wire", nil, nil},
		{"upstream/demo", nil, []string{"upstream", "upstream/wire"}},
		{"upstream/upstreamtest", wire, nil},
		{"upstream", wire, []string{"upstream/upstreamtest", "upstream/demo"}},
		{"policy", append([]string{"policy/..."}, wire...), []string{"rego"}}, // policy runs the tests of rego, since only policy imports OPA
		{"rego", nil, nil},
		{"store", append([]string{"store/..."}, wire...), nil},
		{"codemode", append([]string{"codemode/..."}, wire...), nil},
		{"aggregator", append([]string{"aggregator/..."}, leaves...), []string{"rego", "upstream/upstreamtest", "upstream/demo"}},
		{"cmd", append([]string{"cmd/...", "aggregator/...", "rego", "upstream/demo"}, leaves...), []string{"upstream/upstreamtest"}},
		{"conformance/house", nil, nil},
		{"conformance", append([]string{"conformance/harness", "aggregator/...", "rego", "upstream/..."}, leaves...), nil},
	}
}

// outside says where a package that is not ours may be imported, and for what.
type outside struct {
	path       string // and everything below
	production []string
	tests      []string // beside those of production
	why        string
}

// mayUse lists every module that is not ours, so that a new one is a decision and not an accident. Of the standard library
// it lists what has one place too.
func mayUse() []outside {
	everywhere := []string{"..."}
	config := []string{"cmd/internal/config", "cmd/internal/clientconfig"}
	yaml := append([]string{"cmd/internal/fixture"}, config...)
	return []outside{
		{"github.com/open-policy-agent/opa", []string{"policy/..."}, nil, "decisions"},
		{"cel.dev/cel-go", []string{"policy/limit", "policy/alert"}, nil, "limits and alerts"},
		{"google.golang.org/protobuf", []string{"policy/limit"}, nil, "limits"},
		{"github.com/golang-jwt/jwt/v5", []string{"aggregator/auth"}, nil, "access tokens"},
		{"github.com/MicahParks", []string{"aggregator/auth"}, nil, "the keys of access tokens"},
		{"golang.org/x/time", []string{"aggregator/auth"}, nil, "how often keys are fetched"},
		{"github.com/santhosh-tekuri/jsonschema/v6", nil, []string{"policy/narrow", "aggregator/rest"}, "the second opinion on JSON Schema"},
		{"go.etcd.io/bbolt", []string{"store/..."}, nil, "the database"},
		{"golang.org/x/mod", []string{"store/audit"}, nil, "the hash tree of the audit log and its signed checkpoints"},
		{"github.com/tetratelabs/wazero", []string{"codemode/..."}, nil, "the sandbox"},
		{"github.com/evanw/esbuild", []string{"codemode/..."}, nil, "TypeScript"},
		{"github.com/modelcontextprotocol/go-sdk", []string{"aggregator/...", "upstream/...", "conformance/driver", "conformance/tokens"}, []string{"conformance"}, "demo upstreams, OAuth metadata, peers in tests"},
		{"github.com/spf13/cobra", []string{"cmd/tollgate"}, nil, "the command line"},
		{"go.yaml.in/yaml/v4", yaml, nil, "configuration files and fixtures"},
		{"github.com/BurntSushi/toml", config[1:], nil, "files of other clients"},
		{"github.com/tailscale/hujson", config[1:], nil, "files of other clients"},
		{"github.com/zalando/go-keyring", config[:1], nil, "secrets in references"},
		{"github.com/fsnotify/fsnotify", config[:1], nil, "watching the configuration"},
		{"github.com/google/jsonschema-go", nil, append([]string{"policy/..."}, config[:1]...), "the second opinion on JSON Schema"},
		{"golang.org/x/term", []string{"cmd/internal/cli"}, nil, "questions"},
		{"golang.org/x/text", []string{"cmd/internal/cli"}, nil, "widths of columns"},
		{"github.com/cenkalti/backoff/v5", []string{"upstream", "aggregator/alert"}, nil, "pauses between attempts"},
		{"github.com/sony/gobreaker/v2", []string{"upstream"}, nil, "upstreams that only fail"},
		{"golang.org/x/sync", []string{"upstream"}, nil, "bounded queues"},
		{"golang.org/x/sys", []string{"upstream"}, nil, "process groups and job objects"},
		{"github.com/tiktoken-go/tokenizer", []string{"conformance/tokens"}, nil, "counting tokens, in a module of its own"},
		{"github.com/yosida95/uritemplate/v3", []string{"aggregator/catalog"}, nil, "resource templates"},
		{"github.com/go-json-experiment/json", nil, []string{"upstream/wire"}, "the second opinion on JSON"},
		{"github.com/google/go-cmp", []string{"store/storetest"}, everywhere, "comparing in tests"},
		{"github.com/rogpeppe/go-internal", nil, everywhere, "txtar and testscript"},
		{"pgregory.net/rapid", nil, everywhere, "properties"},
		{"testing", []string{"upstream/upstreamtest", "store/storetest", "conformance/harness"}, everywhere, "tests"},
		{"unsafe", []string{"upstream"}, nil, "job objects of Windows"},
		{"plugin", nil, nil, "nothing"},
		{"expvar", nil, nil, "nothing: it serves itself to everybody"},
		{"net/http/pprof", nil, nil, "nothing: it serves itself to everybody"},
	}
}

func importRules() []rule {
	file := func(name, imported string) string {
		return "-- " + name + " --\npackage a\n\nimport \"" + imported + "\"\n"
	}
	return []rule{
		{
			name: "import directions", check: checkDirections,
			bad: []string{
				file("upstream/wire/a.go", "tollgate/policy"), file("policy/a.go", "tollgate/store"), file("policy/a.go", "tollgate/rego"), file("store/a.go", "tollgate/aggregator"),
				file("upstream/a_windows.go", "tollgate/aggregator/catalog"), file("aggregator/edge/a.go", "tollgate/cmd/internal/config"), file("aggregator/a.go", "tollgate/upstream/upstreamtest"),
				file("store/a_test.go", "tollgate/upstream"), file("cmd/tollgate/a.go", "tollgate/conformance/harness"), file("cmd/tollgate/a.go", "tollgate/upstream/upstreamtest"), file("extra/a.go", "fmt"),
			},
			good: []string{
				file("policy/a.go", "tollgate/upstream/wire"), file("policy/a_test.go", "tollgate/rego"), file("aggregator/edge/a.go", "tollgate/aggregator/catalog"), file("aggregator/a.go", "tollgate/policy"),
				file("cmd/tollgate/a.go", "tollgate/rego"), file("store/a_test.go", "tollgate/store"), file("upstream/a_test.go", "tollgate/upstream/upstreamtest"), file("conformance/a_test.go", "tollgate/policy"),
			},
		},
		{
			name: "libraries", check: checkLibraries,
			bad: []string{
				file("aggregator/a.go", "github.com/open-policy-agent/opa/v1/ast"), file("cmd/tollgate/a.go", "go.etcd.io/bbolt"), file("conformance/a_test.go", "go.etcd.io/bbolt"),
				file("cmd/tollgate/a.go", "github.com/modelcontextprotocol/go-sdk/mcp"), file("policy/a.go", "github.com/google/go-cmp/cmp"), file("store/a_test.go", "github.com/stretchr/testify/require"),
				file("store/a.go", "testing"), file("cmd/tollgate/a.go", "github.com/other/thing"), file("store/a.go", "unsafe"), file("aggregator/a.go", "golang.org/x/termios"),
			},
			good: []string{
				file("policy/a.go", "github.com/open-policy-agent/opa/v1/ast"), file("store/a.go", "go.etcd.io/bbolt/errors"), file("upstream/demo/a.go", "github.com/modelcontextprotocol/go-sdk/mcp"),
				file("conformance/a_test.go", "github.com/modelcontextprotocol/go-sdk/mcp"), file("store/a_test.go", "github.com/google/go-cmp/cmp"), file("store/a_test.go", "testing"), file("store/a.go", "testing/fstest"),
			},
		},
	}
}

// below reports whether path is root or in it, counting whole elements.
func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// matches reports whether one of the patterns is path; "x/..." is x and what is below, "..." everything.
func matches(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		root, deep := strings.CutSuffix(p, "/...")
		return p == "..." || p == path || (deep && below(path, root))
	})
}

// eachImport calls visit for every import of every file, whatever system the file is for.
func (t *tree) eachImport(visit func(f *file, n ast.Node, path string)) {
	for _, f := range t.goFiles() {
		for _, spec := range f.ast.Imports {
			if path, err := strconv.Unquote(spec.Path.Value); err == nil {
				visit(f, spec, path)
			}
		}
	}
}

func checkDirections(t *tree) []finding {
	var found []finding
	known := func(dir string) *folder {
		var best *folder
		for _, row := range mayImport() {
			if below(dir, row.path) && (best == nil || len(row.path) > len(best.path)) {
				best = &row
			}
		}
		return best
	}
	for dir := range t.packages() {
		if known(dir) == nil {
			found = append(found, finding{path: dir, text: "a package in a folder that the design does not have: move it, or give it a row in mayImport"})
		}
	}
	t.eachImport(func(f *file, n ast.Node, path string) {
		target, isOurs := strings.CutPrefix(path, ours+"/")
		row := known(f.dir())
		if !isOurs || row == nil || target == f.dir() {
			return
		}
		if !matches(row.production, target) && !(f.isTest() && matches(row.tests, target)) {
			found = append(found, t.at(n, "%s may not import %s: declare an interface for what it needs, and let cmd bring the two together", f.dir(), target))
		}
	})
	return found
}

func checkLibraries(t *tree) []finding {
	var found []finding
	t.eachImport(func(f *file, n ast.Node, path string) {
		i := slices.IndexFunc(mayUse(), func(o outside) bool {
			return below(path, o.path) && (strings.Contains(o.path, ".") || path == o.path)
		})
		first, _, _ := strings.Cut(path, "/")
		switch {
		case i < 0 && strings.Contains(first, "."):
			found = append(found, t.at(n, "a new library: do without it, or give %s a row in mayUse and its reason in go.mod", path))
		case i >= 0:
			o := mayUse()[i]
			if !matches(o.production, f.dir()) && !(f.isTest() && matches(o.tests, f.dir())) {
				found = append(found, t.at(n, "%s is for %s and belongs into %q (tests also: %q): ask the package that has it", o.path, o.why, o.production, o.tests))
			}
		}
	})
	return found
}

// runsTests is the one package of the program that may import what is for tests: it runs the tests of policies.
const runsTests = "github.com/open-policy-agent/opa/v1/tester"

// TestProgramLinks looks at what is linked into the program, over all steps.
func TestProgramLinks(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./cmd/tollgate")
	cmd.Dir = moduleRoot(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if !strings.Contains(string(out), "\ntollgate/aggregator ") {
		t.Fatalf("the program does not link the aggregator:\n%s", out)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		for _, imported := range words[1:] {
			for _, never := range []string{"testing", "tollgate/conformance", "tollgate/upstream/upstreamtest", "github.com/google/go-cmp", "pgregory.net/rapid", "github.com/rogpeppe/go-internal"} {
				if below(imported, never) && words[0] != runsTests && !below(words[0], never) {
					t.Errorf("%s links %s into the program, which is for tests", words[0], imported)
				}
			}
		}
	}
}
