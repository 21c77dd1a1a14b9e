// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"tollgate/policy/bundle"
	"tollgate/upstream/wire"
)

// maxContent bounds files of data, certificates and keys, in bytes.
const maxContent = 16 << 20

// readContent reads a regular file of at most maxContent bytes.
func readContent(name string) ([]byte, error) {
	return readLimited(func() (*os.File, error) { return os.Open(name) }, func() (fs.FileInfo, error) { return os.Stat(name) }, maxContent)
}

// PolicyData reads the files of policy.data and merges what they hold into one document, for policies to read under data.
// Numbers are [json.Number]. Objects are merged member by member; anything else may be set by one file only, and the member
// tollgate by none.
func (c *Config) PolicyData() (map[string]any, error) { return policyData(c.Policy.Data) }

// ShadowData is [Config.PolicyData] of the candidate: of policy.shadow.data, or of policy.data when it has none of its own.
func (c *Config) ShadowData() (map[string]any, error) {
	if s := c.Policy.Shadow; s != nil && len(s.Data) > 0 {
		return policyData(s.Data)
	}
	return c.PolicyData()
}

func policyData(files []string) (map[string]any, error) {
	all := map[string]any{}
	for _, name := range files {
		data, err := readData(name)
		if err != nil {
			return nil, err
		}
		if _, taken := data["tollgate"]; taken {
			return nil, fmt.Errorf("%s: data.tollgate is the gateway's own", name)
		}
		if at := merge(all, data, ""); at != "" {
			return nil, fmt.Errorf("%s: data.%s is set by another file too", name, at)
		}
	}
	return all, nil
}

func readData(name string) (map[string]any, error) {
	text, err := readContent(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, reason(err))
	}
	if !strings.HasSuffix(strings.ToLower(name), ".json") {
		if text, err = yamlToJSON(name, text); err != nil {
			return nil, err
		}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if err := wire.Check(text); err != nil {
		return nil, jsonMistakeAt(name, text, err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var data map[string]any
	if err := dec.Decode(&data); err != nil || data == nil {
		return nil, fmt.Errorf("%s: expected an object", name)
	}
	return data, nil
}

// jsonMistakeAt turns the offset of a mistake into line and column.
func jsonMistakeAt(name string, text []byte, err error) error {
	se, ok := errors.AsType[*wire.SyntaxError](err)
	if !ok {
		return fmt.Errorf("%s: %w", name, err)
	}
	before := text[:min(max(se.Offset, 0), len(text))]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return fmt.Errorf("%s:%d:%d: %s", name, 1+bytes.Count(before, []byte("\n")), 1+utf8.RuneCount(line), se.Reason)
}

func yamlToJSON(name string, text []byte) ([]byte, error) {
	src := newSource(name, text)
	if root := src.document(text); root != nil && len(src.diagnostics) == 0 {
		j := jsonWriter{limit: maxContent}
		bad := j.write(root, "", 1)
		if bad == nil {
			return j.out.Bytes(), nil
		}
		src.at(bad.node, bad.path, bad.code, bad.message, bad.hint)
	}
	ds := src.finish()
	return nil, errors.New(ds[0].String()) // the first is enough for a file that is not the configuration
}

// merge adds members of from to into. It returns the path of a member that both have, unless both are objects.
func merge(into, from map[string]any, path string) string {
	for key, value := range sorted(from) {
		at := joinKey(path, key)
		old, taken := into[key]
		if !taken {
			into[key] = value
			continue
		}
		a, okA := old.(map[string]any)
		b, okB := value.(map[string]any)
		if !okA || !okB {
			return at
		}
		if clash := merge(a, b, at); clash != "" {
			return clash
		}
	}
	return ""
}

// contentFiles reports files that cannot be read or are not what they should be.
func (k *checker) contentFiles() {
	for _, f := range k.c.contentFiles() {
		if k.failed[f.path] {
			continue
		}
		if f.kind == "data" {
			if _, err := readData(f.name); err != nil {
				k.report(f.path, CodeReference, err.Error(), "name a file with a JSON or YAML object, relative to this file")
				k.failed[parent(f.path)] = true
			}
			continue
		}
		if message := k.contentMistake(f); message != "" {
			k.report(f.path, CodeReference, message, contentHint(f.kind))
		}
	}
	k.merged("policy.data", k.c.PolicyData)
	if k.has("policy.shadow.data") {
		k.merged("policy.shadow.data", k.c.ShadowData)
	}
}

// merged reports files that are right one by one and not together.
func (k *checker) merged(at string, read func() (map[string]any, error)) {
	if k.failed[at] {
		return
	}
	if _, err := read(); err != nil {
		k.report(at, CodeConflict, err.Error(), "set it in one file")
	}
}

// contentHint says what a file must be, by what it is for.
func contentHint(kind string) string {
	switch kind {
	case "bundle":
		return "name the .tar.gz file that opa build wrote, relative to this file"
	case "key":
		return "name a PEM file with the public key, relative to this file, and set algorithm to what it is for"
	case "crl":
		return "name a file with a list of revoked certificates, PEM or DER, relative to this file"
	default:
		return "name a PEM file with certificates, relative to this file"
	}
}

func (k *checker) contentMistake(f contentFile) string {
	if f.kind == "bundle" { // may be larger than what is read here
		st, err := os.Stat(f.name)
		if err == nil && !st.Mode().IsRegular() {
			err = errors.New("not a regular file")
		}
		if err != nil {
			return reason(err).Error()
		}
		return ""
	}
	text, err := readContent(f.name)
	if err != nil {
		return reason(err).Error()
	}
	switch f.kind {
	case "certificates":
		if !x509.NewCertPool().AppendCertsFromPEM(text) {
			return "has no certificate in PEM"
		}
	case "key":
		b := k.c.Policy.Bundle
		if err := (&bundle.Verification{PublicKey: string(text), KeyID: b.KeyID, Algorithm: b.Algorithm, Scope: b.Scope}).Check(); err != nil {
			return err.Error()
		}
	case "crl":
		return crlMistake(text)
	}
	return ""
}

// crlMistake looks at all lists of a PEM file, or at the one that is DER.
func crlMistake(text []byte) string {
	block, rest := pem.Decode(text)
	if block == nil {
		block = &pem.Block{Bytes: text}
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseRevocationList(block.Bytes); err != nil {
			return "is no list of revoked certificates in PEM or DER"
		}
	}
	return ""
}
