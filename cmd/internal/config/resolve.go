// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/zalando/go-keyring"
	"go.yaml.in/yaml/v4"
)

// maxSecret is the largest file that a reference may name, in bytes.
const maxSecret = 64 << 10

// resolver looks references up. It is used by one Parse and not safe for concurrent use.
type resolver struct {
	dir      string
	env      func(name string) (string, bool)
	readFile func(path string) ([]byte, error)
	keyring  func(service, user string) (string, error)
	files    []string // paths that were asked for
}

func newResolver(dir string, o *Options) *resolver {
	r := &resolver{dir: dir, env: o.Env, readFile: o.ReadFile, keyring: o.Keyring}
	if r.env == nil {
		r.env = os.LookupEnv
	}
	if r.readFile == nil {
		r.readFile = r.readRegular
	}
	if r.keyring == nil {
		r.keyring = keyring.Get
	}
	return r
}

// secret splits the text of n and replaces its references. Diagnostics name the reference, never a value.
func (d *decoder) secret(n *yaml.Node, path string, target *Secret) {
	target.written = n.Value
	if strings.ContainsRune(n.Value, 0) {
		d.problem(n, path, CodeSyntax, "contains a NUL character", "")
		return
	}
	parts, bad := splitReferences(n.Value)
	if bad != nil {
		d.problem(n, path, CodeReference, bad.message, bad.hint)
		return
	}
	var value strings.Builder
	for _, p := range parts {
		if p.ref == nil {
			value.WriteString(p.text)
			continue
		}
		if d.resolver == nil {
			continue
		}
		text, message, hint := d.resolver.lookup(p.ref)
		if message == "" && strings.ContainsRune(text, 0) {
			message = "the value has a NUL character"
		}
		if message != "" {
			d.problem(n, path, CodeReference, message, hint)
		}
		value.WriteString(text)
	}
	target.value = value.String()
}

// lookup returns the value of a reference, or what is wrong with it.
func (r *resolver) lookup(ref *reference) (value, message, hint string) {
	switch ref.scheme {
	case "env":
		return r.lookupEnv(ref)
	case "file":
		return r.lookupFile(ref.name)
	default:
		value, err := r.keyring(ref.service, ref.name)
		entry := ref.service + "/" + ref.name
		switch {
		case errors.Is(err, keyring.ErrNotFound):
			return "", fmt.Sprintf("the keyring has no entry %q", entry), "store it first, or use ${env:NAME} or ${file:path}"
		case err != nil:
			return "", fmt.Sprintf("the keyring cannot be read for %q: %v", entry, err), "on a machine without a keyring use ${env:NAME} or ${file:path}"
		case value == "":
			return "", fmt.Sprintf("the keyring entry %q is empty", entry), ""
		}
		return value, "", ""
	}
}

func (r *resolver) lookupEnv(ref *reference) (value, message, hint string) {
	value, set := r.env(ref.name)
	switch {
	case value != "":
		return value, "", ""
	case ref.hasDefault:
		return ref.fallback, "", ""
	case set:
		return "", fmt.Sprintf("environment variable %q is empty", ref.name), fmt.Sprintf("set it, or give a default: ${env:%s:-default}", ref.name)
	default:
		return "", fmt.Sprintf("environment variable %q is not set", ref.name), fmt.Sprintf("set it, or give a default: ${env:%s:-default}", ref.name)
	}
}

func (r *resolver) lookupFile(name string) (value, message, hint string) {
	path := filepath.FromSlash(name)
	if !filepath.IsAbs(path) {
		if !filepath.IsLocal(path) {
			return "", fmt.Sprintf("file %q is outside the directory of this file", name), "move it beside this file, or name it by its full path"
		}
		path = filepath.Join(r.dir, path)
	}
	r.files = append(r.files, path)
	data, err := r.readFile(path)
	if err != nil {
		return "", fmt.Sprintf("file %q: %v", name, reason(err)), ""
	}
	value = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return "", fmt.Sprintf("file %q is empty", name), ""
	}
	return value, "", ""
}

// reason drops the operation and the path of a file error; the diagnostic names the file as the reader wrote it.
func reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// readRegular reads a secret. Below the configuration's directory it follows symbolic links only as far as they stay there.
func (r *resolver) readRegular(path string) ([]byte, error) {
	rel, err := filepath.Rel(r.dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return readLimited(func() (*os.File, error) { return os.Open(path) }, func() (fs.FileInfo, error) { return os.Stat(path) }, maxSecret)
	}
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return readLimited(func() (*os.File, error) { return root.Open(rel) }, func() (fs.FileInfo, error) { return root.Stat(rel) }, maxSecret)
}

// readLimited reads a regular file of at most limit bytes. It looks before it opens, because opening a pipe blocks.
func readLimited(open func() (*os.File, error), stat func() (fs.FileInfo, error), limit int64) ([]byte, error) {
	if st, err := stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("more than %s", Size(limit))
	}
	return data, nil
}
