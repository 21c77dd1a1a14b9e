// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"

	"tollgate/policy"
)

// namePrefix marks the files of a bundle among those of the operator.
const namePrefix = "bundle:/"

// Bundle is what one bundle holds.
type Bundle struct {
	// Modules maps names such as "bundle:/acme/deny.rego" to Rego text.
	Modules  map[string]string
	Data     map[string]any // without a member tollgate; never nil
	Revision string         // the publisher's own name for it; "" = none
	// Roots are the paths under data that the bundle owns; "" is all of them.
	Roots    []string
	Verified bool // its signature was checked
}

// Read reads a bundle. v nil takes any bundle, otherwise it must be signed as v
// says. Mistakes in Rego files and in data are a [policy.Diagnostics], and so are
// files that would not be read although their names say that they are policy, and
// names that an object in a JSON file has twice.
func Read(r io.Reader, v *Verification) (*Bundle, error) {
	config, err := v.config()
	if err != nil {
		return nil, err
	}
	entries, err := unpack(r)
	if err != nil {
		return nil, err
	}
	reader := bundle.NewCustomReader(&loader{entries: entries}).WithLazyLoadingMode(false).
		WithSizeLimitBytes(MaxBytes).WithRegoVersion(ast.RegoV1)
	if config == nil {
		reader = reader.WithSkipBundleVerification(true)
	} else {
		reader = reader.WithBundleVerificationConfig(config)
	}
	read, err := reader.Read()
	if err != nil {
		return nil, explain(err, entries)
	}
	if err := checkFiles(entries); err != nil {
		return nil, err
	}
	if err := supported(&read, entries); err != nil {
		return nil, err
	}
	out := &Bundle{
		Modules: map[string]string{}, Data: read.Data, Revision: read.Manifest.Revision,
		Roots: slices.Clone(*read.Manifest.Roots), Verified: config != nil,
	}
	for _, m := range read.Modules {
		out.Modules[namePrefix+m.RelativePath] = string(m.Raw)
	}
	return out, nil
}

// supported refuses what OPA would take and the gateway does not.
func supported(b *bundle.Bundle, entries []entry) error {
	if _, ok := b.Data["tollgate"]; ok {
		return fmt.Errorf("bundle holds data under tollgate (%s), which is the gateway's own: move it elsewhere; "+
			"rules of package tollgate.access and tollgate.call may stay", ownData(entries))
	}
	return checkVersions(&b.Manifest)
}

// checkVersions wants the Rego that the gateway compiles.
func checkVersions(m *bundle.Manifest) error {
	versions := map[string]int{}
	maps.Copy(versions, m.FileRegoVersions)
	if m.RegoVersion != nil {
		versions["rego_version"] = *m.RegoVersion
	}
	for _, what := range slices.Sorted(maps.Keys(versions)) {
		if versions[what] != 1 {
			return fmt.Errorf("bundle's .manifest asks for Rego version %d (%s): only version 1 is read; "+
				`"opa fmt --v0-v1" rewrites older files`, versions[what], what)
		}
	}
	return nil
}

// ownData names the file that data.tollgate came from.
func ownData(entries []entry) string {
	for _, e := range entries {
		if first, _, _ := strings.Cut(e.name, "/"); first == "tollgate" && isData(e.name) {
			return e.name
		}
	}
	for _, e := range entries {
		if isData(e.name) && !strings.Contains(e.name, "/") {
			return e.name
		}
	}
	return "in its data files"
}

func isData(name string) bool {
	return path.Base(name) == "data.json" || bundle.IsYAMLDataFile(name)
}

// explain gives errors of OPA's reader their place and wording.
func explain(err error, entries []entry) error {
	var rego ast.Errors
	if !errors.As(err, &rego) {
		if found := checkFiles(entries); found != nil && parseFailed(err) {
			return found
		}
		return fmt.Errorf("bundle: %w", err)
	}
	// OPA reports the file whose mistake it saw first; the others matter too.
	var all policy.Diagnostics
	for _, e := range entries {
		if e.name == bundle.ManifestExt { // which may have made OPA parse another version
			var m bundle.Manifest
			if json.Unmarshal(e.text, &m) == nil && checkVersions(&m) != nil {
				return checkVersions(&m)
			}
		}
		if !strings.HasSuffix(e.name, bundle.RegoExt) {
			continue
		}
		_, err := ast.ParseModuleWithOpts(namePrefix+e.name, string(e.text), ast.ParserOptions{RegoVersion: ast.RegoV1})
		var rego ast.Errors
		if errors.As(err, &rego) {
			for _, mistake := range rego {
				all = append(all, policy.Diagnostic{File: namePrefix + e.name, Line: mistake.Location.Row,
					Col: max(1, mistake.Location.Col), Code: mistake.Code, Message: strings.TrimSpace(mistake.Message)})
			}
		} else if err != nil {
			all = append(all, policy.Diagnostic{File: namePrefix + e.name, Code: ast.ParseErr, Message: err.Error()})
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("bundle: %w", rego)
	}
	return all
}

// AddTo puts the bundle's modules and data beside the operator's own. Data is
// merged member by member; where both give a value for the same path, nothing
// is added and the error names the path.
func (b *Bundle) AddTo(modules map[string]string, data map[string]any) error {
	for name := range b.Modules {
		if _, taken := modules[name]; taken {
			return fmt.Errorf("file %q is in the bundle and among the policy files", name)
		}
	}
	if at := overlap(data, b.Data); at != nil {
		return fmt.Errorf("data.%s is in the bundle and among the policy data: keep it in one of them", strings.Join(at, "."))
	}
	maps.Copy(modules, b.Modules)
	merge(data, b.Data)
	return nil
}

// overlap returns the path of a value that both have, nil when there is none.
func overlap(a, b map[string]any) []string {
	for _, member := range slices.Sorted(maps.Keys(b)) {
		theirs, ok := a[member]
		if !ok {
			continue
		}
		left, leftObject := theirs.(map[string]any)
		right, rightObject := b[member].(map[string]any)
		if !leftObject || !rightObject {
			return []string{member}
		}
		if at := overlap(left, right); at != nil {
			return append([]string{member}, at...)
		}
	}
	return nil
}

func merge(into, from map[string]any) {
	for member, value := range from {
		object, ok := value.(map[string]any)
		if !ok {
			into[member] = value
			continue
		}
		target, ok := into[member].(map[string]any)
		if !ok {
			target = map[string]any{}
			into[member] = target
		}
		merge(target, object)
	}
}

// String names the bundle in logs: its revision, or that it has none.
func (b *Bundle) String() string {
	if b.Revision == "" {
		return "bundle without a revision"
	}
	text, err := json.Marshal(b.Revision)
	if err != nil {
		return "bundle"
	}
	return "bundle " + string(text)
}
