// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"errors"
	"path"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// checkFiles finds what OPA passes over in silence: files that look like a part of
// the policy and are not read, and names that an object has twice, of which only
// the last would count.
func checkFiles(entries []entry) error {
	var all policy.Diagnostics
	for _, e := range entries {
		at := policy.Diagnostic{File: namePrefix + e.name, Code: policy.CodeData}
		switch {
		case unread(e.name):
			at.Message, at.Hint = "the file would not be read", "data is read from data.json and data.yaml, rules from files that end in .rego; "+
				"rename the file, or leave it out of the bundle"
		case isData(e.name) || strings.HasSuffix(e.name, bundle.ManifestExt):
			if !doubtful(e, &at) {
				continue
			}
		default:
			continue
		}
		all = append(all, at)
	}
	if len(all) > 0 {
		return all
	}
	return nil
}

// unread reports whether a name means rules or data to whoever chose it, and
// nothing to OPA.
func unread(name string) bool {
	base := path.Base(name)
	switch lower := strings.ToLower(base); {
	case isData(name) || bundle.IsSignaturesFile(name) || strings.HasSuffix(base, bundle.RegoExt) || strings.HasSuffix(base, bundle.ManifestExt):
		return false
	case lower == bundle.ManifestExt:
		return true
	default:
		switch path.Ext(lower) {
		case bundle.RegoExt, ".json", ".yaml", ".yml":
			return true
		}
	}
	return false
}

// doubtful says in at what has no one meaning in a file of data. Of YAML it knows
// only what is JSON too.
func doubtful(e entry, at *policy.Diagnostic) bool {
	text := bytes.TrimPrefix(e.text, []byte("\xef\xbb\xbf"))
	syntax, ok := errors.AsType[*wire.SyntaxError](wire.Check(text))
	if !ok || bundle.IsYAMLDataFile(e.name) && !strings.HasPrefix(syntax.Reason, "duplicate member") {
		return false
	}
	before := text[:min(syntax.Offset, len(text))]
	at.Line, at.Col = 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n')
	at.Message = syntax.Reason
	return true
}

// parseFailed reports whether OPA could not read a file of data, of which it does
// not say the place.
func parseFailed(err error) bool { return strings.Contains(err.Error(), "bundle load failed on") }
