// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path/filepath"
	"slices"
)

// Files lists what the configuration depends on and [Watch] watches: the file itself, files of references, the entries of
// policy.files and policy.shadow.files, and every other file whose content decides something.
func (c *Config) Files() []string {
	files := append([]string{c.file}, c.secretFiles...)
	entries := c.Policy.Files
	if s := c.Policy.Shadow; s != nil {
		entries = slices.Concat(entries, s.Files)
	}
	for _, f := range entries {
		if !isGlob(f) {
			files = append(files, f)
			continue
		}
		files = append(files, filepath.Dir(f))
	}
	for _, f := range c.contentFiles() {
		files = append(files, f.name)
	}
	slices.Sort(files[1:])
	return slices.Compact(files)
}

// contentFile is a file that the configuration names and whose content is part of it.
type contentFile struct {
	path, name string // dotted path and file name
	kind       string // data, bundle, certificates, crl or key
}

func (c *Config) contentFiles() []contentFile {
	var files []contentFile
	add := func(path, name, kind string) {
		if name != "" {
			files = append(files, contentFile{path, name, kind})
		}
	}
	for i, name := range c.Policy.Data {
		add(Path("policy", "data", i), name, "data")
	}
	if s := c.Policy.Shadow; s != nil {
		for i, name := range s.Data {
			add(Path("policy", "shadow", "data", i), name, "data")
		}
	}
	if b := c.Policy.Bundle; b != nil {
		add("policy.bundle.file", b.File, "bundle")
		add("policy.bundle.public_key", b.PublicKey, "key")
	}
	if m := c.Auth.MTLS; m != nil {
		add("auth.mtls.ca", m.CA, "certificates")
		add("auth.mtls.crl", m.CRL, "crl")
	}
	return files
}
