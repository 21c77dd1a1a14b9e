// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/loader/filter"
)

// Bounds of a bundle.
const (
	MaxBytes = 32 << 20 // as sent, and again unpacked
	MaxFiles = 10_000
)

// entry is one regular file of an archive.
type entry struct {
	name string // clean, relative, with slashes
	text []byte
}

// unpack reads a gzipped tar archive into memory. Beside bounds, it refuses what
// no honest bundle has, and what the gateway does not run.
func unpack(r io.Reader) ([]entry, error) {
	packed := &bounded{r: r, left: MaxBytes}
	zipped, err := gzip.NewReader(packed)
	if err != nil {
		return nil, broken("not a gzipped archive, want one as \"opa build\" writes it", err)
	}
	plain := &bounded{r: zipped, left: MaxBytes}
	archive := tar.NewReader(plain)
	var entries []entry
	seen, left := map[string]bool{}, int64(MaxBytes)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, broken("not a tar archive", err)
		}
		if header.Typeflag == tar.TypeDir || header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if len(entries) == MaxFiles {
			return nil, fmt.Errorf("bundle holds more than %d files", MaxFiles)
		}
		name, err := checkEntry(header)
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("bundle holds %q twice", name)
		}
		seen[name] = true
		content := &bounded{r: archive, left: left} // a sparse file is larger than what is sent of it
		text, err := io.ReadAll(content)
		if err != nil {
			return nil, broken(fmt.Sprintf("cannot read %q", name), err)
		}
		left = content.left
		entries = append(entries, entry{name, text})
	}
	// The checksum of gzip is behind what tar needs.
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return nil, broken("damaged archive", err)
	}
	return entries, nil
}

// checkEntry returns the clean name of a file that may be in a bundle.
func checkEntry(h *tar.Header) (string, error) {
	if h.Typeflag != tar.TypeReg {
		return "", fmt.Errorf("bundle holds %q, which is a link or device: only files are read", h.Name)
	}
	rest := strings.TrimPrefix(h.Name, "/")
	name := path.Clean(rest)
	odd := func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == ':' }
	if rest == "" || strings.HasPrefix(rest, "/") || name == "." || strings.ContainsFunc(name, odd) {
		return "", fmt.Errorf("bundle holds a file with the name %q, want a relative path with slashes", h.Name)
	}
	for segment := range strings.SplitSeq(rest, "/") {
		if segment == ".." {
			return "", fmt.Errorf("bundle holds %q, whose name leads out of it", h.Name)
		}
	}
	switch base := path.Base(name); {
	case base == bundle.WasmFile || strings.HasSuffix(base, ".wasm"):
		return "", fmt.Errorf("bundle holds the WebAssembly module %q: the gateway evaluates Rego, "+
			"so build the bundle without \"--target wasm\"", name)
	case base == bundle.PlanFile || base == bundle.PlanProtoFile:
		return "", fmt.Errorf("bundle holds the plan %q: the gateway evaluates Rego, so build the bundle without \"--target plan\"", name)
	case base == "patch.json":
		return "", fmt.Errorf("bundle is a delta (%q): publish whole bundles", name)
	}
	return name, nil
}

var errTooLarge = errors.New("it is larger than 32 MiB")

// broken is the error for an archive that cannot be read.
func broken(what string, err error) error {
	if errors.Is(err, errTooLarge) {
		return fmt.Errorf("bundle: %w", errTooLarge)
	}
	return fmt.Errorf("bundle: %s: %w", what, err)
}

// bounded fails when r gives more than left bytes. Unlike a limited reader it
// cannot be mistaken for a shorter archive.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		return int(b.left), errTooLarge
	}
	b.left -= int64(n)
	return n, err
}

// loader hands entries to OPA's reader.
type loader struct {
	entries []entry
	next    int
}

// NextFile returns io.EOF after the last file.
func (l *loader) NextFile() (*bundle.Descriptor, error) {
	if l.next == len(l.entries) {
		return nil, io.EOF
	}
	e := l.entries[l.next]
	l.next++
	return bundle.NewDescriptor(e.name, e.name, bytes.NewBuffer(e.text)), nil
}

// The remaining methods are OPA's interface; nothing in them concerns memory.

func (l *loader) WithFilter(filter.LoaderFilter) bundle.DirectoryLoader   { return l }
func (l *loader) WithPathFormat(bundle.PathFormat) bundle.DirectoryLoader { return l }
func (l *loader) WithSizeLimitBytes(int64) bundle.DirectoryLoader         { return l }
func (l *loader) WithFollowSymlinks(bool) bundle.DirectoryLoader          { return l }
