// SPDX-License-Identifier: Apache-2.0

package house

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// file is one file of the repository.
type file struct {
	path string // from the root, with slashes
	text string
	ast  *ast.File // nil unless it is Go
}

// dir is the folder of the file, "." at the root.
func (f *file) dir() string { return path.Dir(f.path) }

// isTest reports whether the file is compiled into tests only.
func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// lines is the length of the file.
func (f *file) lines() int { return strings.Count(f.text, "\n") }

// tree is a repository, or a snippet that stands for one.
type tree struct {
	fset  *token.FileSet
	top   []string // entries of the root, without the ignored ones
	files []*file  // by path
}

// readTree reads everything that is neither ignored by .gitignore nor git's own.
func readTree(fsys fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet()}
	ignored, err := ignoredNames(fsys)
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if ignored(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if path.Dir(name) == "." {
			t.top = append(t.top, name)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		return t.read(fsys, name)
	})
	return t, err
}

func (t *tree) read(fsys fs.FS, name string) error {
	b, err := fs.ReadFile(fsys, name)
	if err != nil || !utf8.Valid(b) {
		return err
	}
	f := &file{path: name, text: string(b)}
	if path.Ext(name) == ".go" && !strings.Contains(name, "testdata/") {
		if f.ast, err = parser.ParseFile(t.fset, name, b, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return err
		}
	}
	t.files = append(t.files, f)
	return nil
}

// ignoredNames reads .gitignore. Ours holds names and patterns; with a slash in front they are meant at the root only.
func ignoredNames(fsys fs.FS) (func(name string) bool, error) {
	patterns := []string{".git"}
	b, err := fs.ReadFile(fsys, ".gitignore")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			patterns = append(patterns, strings.TrimSuffix(line, "/"))
		}
	}
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf(".gitignore: %q: %w", p, err)
		}
	}
	return func(name string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			if rest, anchored := strings.CutPrefix(p, "/"); anchored {
				ok, _ := path.Match(rest, name)
				return ok
			}
			ok, _ := path.Match(p, path.Base(name))
			return ok
		})
	}, nil
}

// goFiles are the parsed files.
func (t *tree) goFiles() []*file {
	return slices.DeleteFunc(slices.Clone(t.files), func(f *file) bool { return f.ast == nil })
}

// packages are the Go files by folder.
func (t *tree) packages() map[string][]*file {
	m := map[string][]*file{}
	for _, f := range t.goFiles() {
		m[f.dir()] = append(m[f.dir()], f)
	}
	return m
}

// find returns the file at a path, nil when there is none.
func (t *tree) find(name string) *file {
	for _, f := range t.files {
		if f.path == name {
			return f
		}
	}
	return nil
}

// finding is one place that breaks a rule.
type finding struct {
	path string
	line int // 0 = the file as a whole
	text string
}

func (f finding) String() string {
	if f.line == 0 {
		return f.path + ": " + f.text
	}
	return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.text)
}

// at makes a finding at a node.
func (t *tree) at(n ast.Node, format string, args ...any) finding {
	p := t.fset.Position(n.Pos())
	return finding{p.Filename, p.Line, fmt.Sprintf(format, args...)}
}

// span is the number of lines a node covers.
func (t *tree) span(n ast.Node) int {
	return t.fset.Position(n.End()).Line - t.fset.Position(n.Pos()).Line + 1
}
