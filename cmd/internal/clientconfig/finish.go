// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"tollgate/cmd/internal/config"
)

// finish adds the current entry to the result and notes what was ignored. An entry that tollgate.yaml would refuse is skipped
// with the reason, so the result as a whole is always valid.
func (im *importer) finish(read *reader) {
	if _, err := config.Parse("tollgate.yaml", Fragment(&Result{Upstreams: []Upstream{*im.current}}), &config.Options{Unresolved: true}); err != nil {
		reason := "it would not be valid"
		if ds, ok := errors.AsType[config.Diagnostics](err); ok {
			_, key, _ := strings.Cut(ds[0].Path, ".")
			reason = fmt.Sprintf("%s: %s", key, ds[0].Message)
		}
		im.skip(reason)
		return
	}
	if ignored := read.unused(); len(ignored) > 0 {
		im.note(NoteRemark, im.current.Name, "ignored: "+strings.Join(ignored, ", "), "")
	}
	im.result.Upstreams = append(im.result.Upstreams, *im.current)
}

// skip notes that the current entry is not imported, and forgets what was found in it.
func (im *importer) skip(reason string) {
	name := im.current.Name
	im.result.Notes = slices.DeleteFunc(im.result.Notes, func(n Note) bool { return n.Upstream == name })
	im.result.Secrets = slices.DeleteFunc(im.result.Secrets, func(s Secret) bool {
		if s.Upstream == name {
			delete(im.secrets, s.Path)
			return true
		}
		return false
	})
	im.note(NoteSkipped, im.current.Source, reason, "")
}

// validEnvName and validHeaderName follow the schema of tollgate.yaml.
func validEnvName(name string) bool {
	return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_().-]*$`).MatchString(name)
}

func validHeaderName(name string) bool {
	return regexp.MustCompile(`^[!#$%&'*+.^_|~0-9A-Za-z-]+$`).MatchString(name) && !config.ReservedHeader(name)
}

func escapeText(s string) string { return config.Escape(strings.ReplaceAll(s, "\x00", "")) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func contains(list []string, s string) bool { return slices.Contains(list, s) }
