// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"tollgate/cmd/internal/config"
)

// Merge adds the upstreams of a result to an existing tollgate.yaml and leaves every other byte of it alone. name is its file
// name, for messages. An upstream that is already there, whatever its name, is left out; one whose name is taken gets another.
// The notes say which. The error is [config.Diagnostics] when the existing file is not valid.
func Merge(name string, existing []byte, r *Result) (merged []byte, notes []Note, err error) {
	before, err := config.Parse(name, existing, &config.Options{Unresolved: true})
	if err != nil {
		return nil, nil, err
	}
	fresh, err := config.Parse(name, Fragment(r), &config.Options{Unresolved: true})
	if err != nil {
		return nil, nil, err
	}
	add, notes := choose(before, fresh, r)
	if len(add) == 0 {
		return existing, notes, nil
	}
	merged, err = spliceYAML(existing, "upstreams", func(indent string) string {
		var b strings.Builder
		for i, u := range add {
			// The comments are looked up by the name that the upstream had when they were made.
			b.WriteString(entry(&add[i], renamed(r.Notes, u), indent))
		}
		return b.String()
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	after, err := config.Parse(name, merged, &config.Options{Unresolved: true})
	if err != nil || !sameUpstreams(before, after, add) {
		return nil, nil, fmt.Errorf("%s: the new upstreams do not fit into its layout; add this by hand:\n%s", name, Fragment(&Result{Upstreams: add}))
	}
	return merged, notes, nil
}

// choose leaves out what is there and renames what would clash. fresh are the new upstreams as the file would have them.
func choose(before, fresh *config.Config, r *Result) (add []Upstream, notes []Note) {
	taken := map[string]bool{}
	same := map[string]string{}
	for i := range before.Upstreams {
		u := &before.Upstreams[i]
		taken[strings.ToLower(u.Name)] = true
		if u.Prefix != nil {
			taken[strings.ToLower(*u.Prefix)] = true
		}
		same[targetOf(u)] = u.Name
	}
	for i, u := range r.Upstreams {
		if name, there := same[targetOf(&fresh.Upstreams[i])]; there {
			notes = append(notes, Note{Kind: NoteSkipped, Upstream: u.Name, Text: fmt.Sprintf("already there as %q", name)})
			continue
		}
		if name := uniqueName(u.Name, func(folded string) bool { return taken[folded] }); name != u.Name {
			notes = append(notes, Note{Kind: NoteRemark, Upstream: name, Text: fmt.Sprintf("named %q, because %q is taken", name, u.Name)})
			u.Source, u.Name = u.Name, name
		} else {
			u.Source = u.Name
		}
		taken[strings.ToLower(u.Name)] = true
		add = append(add, u)
	}
	return add, notes
}

// renamed returns the notes of u under its new name. Source holds the name that they have.
func renamed(notes []Note, u Upstream) []Note {
	var out []Note
	for _, n := range notes {
		if n.Upstream == u.Source {
			n.Upstream = u.Name
			out = append(out, n)
		}
	}
	return out
}

// targetOf identifies what an upstream connects to: its command line or its URL.
func targetOf(u *config.Upstream) string {
	var args []string
	for _, a := range u.Args {
		args = append(args, a.Written())
	}
	return fmt.Sprintf("%q %q %q", u.Command, args, u.URL.Written())
}

// sameUpstreams checks a merged file: the old upstreams as they were, then the new ones.
func sameUpstreams(before, after *config.Config, add []Upstream) bool {
	if len(after.Upstreams) != len(before.Upstreams)+len(add) || len(after.Roles) != len(before.Roles) || after.Listen != before.Listen {
		return false
	}
	for i := range after.Upstreams {
		got := &after.Upstreams[i]
		if i >= len(before.Upstreams) {
			want := add[i-len(before.Upstreams)]
			if got.Name != want.Name || got.URL.Written() != want.URL || len(got.Args) != len(want.Args) {
				return false
			}
			continue
		}
		want := &before.Upstreams[i]
		if got.Name != want.Name || targetOf(got) != targetOf(want) || !maps.Equal(got.Env, want.Env) || !maps.Equal(got.Headers, want.Headers) {
			return false
		}
	}
	return true
}

// spliceYAML inserts text at the end of the list or mapping under a top-level key; without such a key it appends one. write
// gets the indentation of the items.
func spliceYAML(data []byte, key string, write func(indent string) string) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode || doc.Content[0].Style&yaml.FlowStyle != 0 {
		return nil, errors.New("the file is not written as one \"key: value\" per line")
	}
	root := doc.Content[0]
	lines := strings.SplitAfter(string(data), "\n")
	if n := len(lines); lines[n-1] == "" {
		lines = lines[:n-1]
	}
	eol := "\n"
	if len(lines) > 0 && strings.HasSuffix(lines[0], "\r\n") {
		eol = "\r\n"
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != key {
			continue
		}
		end := len(lines)
		if i+2 < len(root.Content) {
			end = root.Content[i+2].Line - 1
		}
		return spliceUnder(lines, root.Content[i], root.Content[i+1], end, eol, write)
	}
	text := key + ":\n" + write("  ")
	if at := commentedOut(lines, key); at > 0 {
		return insert(lines, at, eol, text), nil
	}
	return insert(lines, trimmedEnd(lines, 0, len(lines)), eol, "\n"+text), nil
}

// commentedOut finds the end of a comment that shows how the key is used, as the template of "tollgate init" has it.
func commentedOut(lines []string, key string) int {
	for i, l := range lines {
		if !strings.HasPrefix(strings.TrimLeft(l, "# "), key+":") || !strings.HasPrefix(l, "#") {
			continue
		}
		for i < len(lines) && strings.HasPrefix(lines[i], "#") {
			i++
		}
		return i
	}
	return 0
}

// spliceUnder inserts below key, whose value ends before line end (counted from 0).
func spliceUnder(lines []string, key, value *yaml.Node, end int, eol string, write func(indent string) string) ([]byte, error) {
	empty := value.Kind == yaml.ScalarNode && value.ShortTag() == "!!null" || len(value.Content) == 0 && value.Kind != yaml.ScalarNode
	switch {
	case empty && (value.Kind == yaml.ScalarNode || value.Line == key.Line):
		line := key.Line - 1
		head, rest, _ := strings.Cut(strings.TrimRight(lines[line], "\r\n"), ":")
		lines = slices.Clone(lines)
		lines[line] = head + ":" + emptyComment(rest) + eol
		return insert(lines, line+1, eol, write("  ")), nil
	case value.Kind == yaml.AliasNode || value.Style&yaml.FlowStyle != 0 || len(value.Content) == 0:
		return nil, fmt.Errorf("%q is not written as one item per line", key.Value)
	}
	indent := strings.Repeat(" ", value.Content[0].Column-1)
	if value.Kind == yaml.SequenceNode {
		indent = strings.Repeat(" ", value.Column-1)
	}
	return insert(lines, trimmedEnd(lines, value.Line-1, end), eol, write(indent)), nil
}

// emptyComment keeps the comment after an empty value such as [] or {}.
func emptyComment(rest string) string {
	if i := strings.IndexByte(rest, '#'); i >= 0 {
		return " " + rest[i:]
	}
	return ""
}

// trimmedEnd steps back from end over blank lines and comments at the margin, which belong to what follows.
func trimmedEnd(lines []string, start, end int) int {
	last := end
	for end > start {
		line := strings.TrimRight(lines[end-1], " \t\r\n")
		if line != "" && line[0] != '#' && line != "..." {
			return end
		}
		end--
	}
	return last
}

func insert(lines []string, at int, eol, text string) []byte {
	var b strings.Builder
	for _, l := range lines[:at] {
		b.WriteString(l)
	}
	if at > 0 && !strings.HasSuffix(lines[at-1], "\n") {
		b.WriteString(eol)
	}
	b.WriteString(strings.ReplaceAll(text, "\n", eol))
	for _, l := range lines[at:] {
		b.WriteString(l)
	}
	return []byte(b.String())
}
