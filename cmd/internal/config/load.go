// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Options are the sources that references are resolved from. Nil fields mean the process environment, the file system and
// the keyring and clock of the operating system.
type Options struct {
	Env      func(name string) (value string, set bool)
	ReadFile func(path string) ([]byte, error) // path is absolute or relative to the working directory
	Keyring  func(service, user string) (string, error)
	Now      func() time.Time // what "until" of a binding is compared with; nil = time.Now

	// Unresolved leaves references alone: only their form is checked, and [Secret.Reveal] omits them. For tools that edit
	// or describe a file without using it.
	Unresolved bool
}

// Load reads and checks the file at path. The error is of type [Diagnostics] for everything that is wrong with the file,
// including that it cannot be read.
func Load(path string, o *Options) (*Config, error) {
	data, err := readConfig(path)
	if err != nil {
		d := Diagnostic{File: path, Code: CodeReference, Message: reason(err).Error()}
		if ue, ok := errors.AsType[*unsafeError](err); ok {
			d.Code, d.Hint = CodeUnsafe, ue.hint
		}
		if errors.Is(err, fs.ErrNotExist) {
			d.Message, d.Hint = "no such file", "tollgate init writes one"
		}
		return nil, Diagnostics{d}
	}
	c, err := parse(path, data, o, true)
	if err != nil {
		return nil, err
	}
	c.seen = contentHash(c.Files())
	return c, nil
}

// Parse checks a configuration that is already in memory. name is its file name: relative paths start at its directory.
// Unlike [Load] it does not look whether the files of policy.files exist.
func Parse(name string, data []byte, o *Options) (*Config, error) { return parse(name, data, o, false) }

func parse(name string, data []byte, o *Options, onDisk bool) (*Config, error) {
	if o == nil {
		o = &Options{}
	}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	data = []byte(strings.TrimPrefix(string(data), "\ufeff"))
	sum := sha256.Sum256(data)
	d := &decoder{source: newSource(name, data), dir: filepath.Dir(name), nodes: map[string]*yaml.Node{}, failed: map[string]bool{}}
	if !o.Unresolved {
		d.resolver = newResolver(d.dir, o)
	}
	c := &Config{file: name, digest: hex.EncodeToString(sum[:])}
	if root := d.document(data); root != nil {
		d.decode(root, c)
		check := checker{decoder: d, c: c, now: now()}
		check.all()
		if onDisk {
			check.policyFiles()
			check.contentFiles()
		}
		c.warnings = check.finishWarnings()
		c.texts = check.placedTexts()
	}
	if len(d.diagnostics) > 0 {
		return nil, d.finish()
	}
	c.positions = map[string]Position{}
	for path, n := range d.nodes {
		c.positions[path] = Position{n.Line, n.Column}
	}
	if d.resolver != nil {
		c.secretFiles = d.resolver.files
	}
	return c, nil
}

// decode fills c. The root has the empty path.
func (d *decoder) decode(root *yaml.Node, c *Config) {
	if root.Kind == yaml.AliasNode {
		root = root.Alias
	}
	d.object(root, "", reflect.ValueOf(c).Elem(), "")
	for i := range c.Upstreams {
		u, path := &c.Upstreams[i], Path("upstreams", i)
		if strings.ContainsAny(u.Command, `/\`) && !d.failed[path+".command"] {
			u.Command = d.resolvePath(d.nodes[path+".command"], path+".command", u.Command)
		}
	}
	if c.Version == 0 {
		c.Version = 1
	}
}

// unsafeError is a property of the file on disk that would let others change or choose the configuration.
type unsafeError struct{ message, hint string }

func (e *unsafeError) Error() string { return e.message }

// readConfig reads the file unless somebody else may have written it: it must be a regular file, not writable by everybody,
// and a symbolic link must stay in its directory.
func readConfig(path string) ([]byte, error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	if st, err := os.Lstat(path); err == nil && st.Mode()&fs.ModeSymlink != 0 {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		if rel, err := filepath.Rel(dir, target); err != nil || !filepath.IsLocal(rel) {
			return nil, &unsafeError{"a symbolic link that leaves its directory", "name the target itself, if you trust it"}
		}
	}
	st, err := os.Stat(target)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && st.Mode().IsRegular() && st.Mode().Perm()&0o002 != 0 {
		return nil, &unsafeError{"everybody may write this file", "chmod o-w " + path}
	}
	return readLimited(func() (*os.File, error) { return os.Open(target) }, func() (fs.FileInfo, error) { return st, nil }, maxFile)
}

// PolicyFiles lists the Rego files that policy.files stands for, sorted and each once: files as they are, directories with
// their *.rego files (tests left out), patterns as far as they match.
func (c *Config) PolicyFiles() ([]string, error) { return allPolicyFiles(c.Policy.Files) }

// ShadowFiles is [Config.PolicyFiles] of the candidate: of policy.shadow.files, or of policy.files when it has none of its own.
func (c *Config) ShadowFiles() ([]string, error) {
	if s := c.Policy.Shadow; s != nil && len(s.Files) > 0 {
		return allPolicyFiles(s.Files)
	}
	return c.PolicyFiles()
}

func allPolicyFiles(entries []string) ([]string, error) {
	var all []string
	for _, entry := range entries {
		files, err := policyFiles(entry)
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func policyFiles(entry string) ([]string, error) {
	matched := []string{entry}
	if isGlob(entry) {
		var err error
		if matched, err = filepath.Glob(entry); err != nil {
			return nil, fmt.Errorf("%q is not a valid pattern", entry)
		}
	}
	var files []string
	for _, m := range matched {
		st, err := os.Stat(m)
		switch {
		case err != nil:
			return nil, err
		case !st.IsDir():
			files = append(files, m)
			continue
		}
		inside, err := filepath.Glob(filepath.Join(escapeGlob(m), "*.rego"))
		if err != nil {
			return nil, err
		}
		files = append(files, inside...)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.rego") })
	return files, nil
}

func isGlob(s string) bool { return strings.ContainsAny(s, "*?[") }

// escapeGlob makes a directory name literal. Windows has no escapes in patterns, but also none of these characters in most
// names; there a "[" stays special.
func escapeGlob(s string) string {
	if runtime.GOOS == "windows" {
		return s
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
