// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"fmt"
	"slices"

	"tollgate/policy"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// Entry is one tool, prompt, resource or template as it is displayed. It is never changed after it was built, so it may
// be kept and shared. Two snapshots hold the same pointer when nothing
// about the entry changed between them, so what was decided about it once holds for both.
type Entry struct {
	Kind Kind
	// Name is the displayed name of a tool or prompt; of a resource or template it is the label its upstream gave it,
	// which identifies nothing.
	Name string
	// URI is the displayed URI or URI template; empty for tools and prompts.
	URI string
	// Upstream and OriginalName are the identity: OriginalName is what the upstream calls the tool or prompt, and the
	// upstream's own URI or URI template of a resource or template.
	Upstream, OriginalName string
	// Hash is [wire.Digest] of the definition as the upstream sent it.
	Hash string
	// Definition is the definition as clients of either era see it: the upstream's bytes, with only the name or URI, and the
	// URI of a tool's app, replaced where the displayed one differs.
	Definition []byte
	// ParamHeaders are the x-mcp-header annotations of a tool.
	ParamHeaders []wire.ParamHeader
	// Object is what the policy decides on. Its URI and OriginalName are the upstream's own, so that an alias never moves a
	// permit.
	Object policy.Object
	// ReadOnly is set for a tool whose annotations say readOnlyHint and do not say destructiveHint, and for all other
	// kinds. Annotations are hints of the upstream that nobody has verified.
	ReadOnly bool
	// Capabilities is the capabilities object of the upstream; nil = none announced.
	Capabilities []byte

	template *uriPattern // of a Template
	apps     appLinks    // of a Tool, as displayed
}

// Key is what clients ask for and lists are sorted by: Name of a tool or prompt, URI of a resource or template.
func (e *Entry) Key() string {
	if e.Kind.named() {
		return e.Name
	}
	return e.URI
}

// own is what the upstream calls the resource that is shown as uri, which the template e matches.
func (e *Entry) own(uri string) string {
	alias := len(e.URI) - len(e.OriginalName) // 0 without one
	if isAppURI(e.OriginalName) {
		return e.OriginalName[:len(appScheme)] + uri[len(appScheme)+alias:]
	}
	return uri[alias:]
}

// same reports whether e is still right for item of s under the same key.
func (e *Entry) same(s *Source, item *upstream.Item, hash string) bool {
	return e.Upstream == s.Upstream && e.OriginalName == identity(e.Kind, item) && e.Hash == hash &&
		slices.Equal(e.Object.Tags, s.Tags) && bytes.Equal(e.Capabilities, s.Snapshot.Capabilities)
}

// identity is the upstream's own name or URI of item.
func identity(k Kind, item *upstream.Item) string {
	if k.named() {
		return item.Name
	}
	return item.URI
}

// newEntry makes the entry that shows item as key. The error says what the upstream has to change.
func newEntry(k Kind, s *Source, item *upstream.Item, key, hash string) (*Entry, error) {
	if err := uniqueMembers(item.Raw); err != nil {
		return nil, err
	}
	own := identity(k, item)
	e := &Entry{
		Kind: k, Name: item.Name, Upstream: s.Upstream, OriginalName: own, Hash: hash, Definition: item.Raw,
		ParamHeaders: item.ParamHeaders, ReadOnly: true, Capabilities: s.Snapshot.Capabilities,
	}
	if key != own {
		e.Definition = wire.Set(item.Raw, k.keyMember(), wire.AppendString(nil, key))
	}
	annotations, _ := wire.Lookup(item.Raw, "annotations")
	e.Object = policy.Object{
		Kind: k.String(), Upstream: s.Upstream, OriginalName: own, DefinitionHash: hash, Annotations: annotations, Tags: s.Tags,
	}
	switch k {
	case Tool:
		e.ReadOnly = isTrue(annotations, "readOnlyHint") && !isTrue(annotations, "destructiveHint")
		fallthrough
	case Prompt:
		e.Name, e.Object.Name = key, key
	case Template:
		pattern, err := compileTemplate(key)
		if err != nil {
			return nil, err
		}
		e.template = pattern
		fallthrough
	case Resource:
		e.URI, e.Object.URI = key, own
	}
	return e, nil
}

// uniqueMembers refuses a definition in which a client could read another name, schema or annotation than the gateway did.
func uniqueMembers(raw []byte) error {
	seen := make(map[string]struct{}, 8)
	for m := range wire.Members(raw) {
		if _, dup := seen[m.Name]; dup {
			return fmt.Errorf("its definition has two members %q", m.Name)
		}
		seen[m.Name] = struct{}{}
	}
	return nil
}

func isTrue(obj []byte, member string) bool {
	v, _ := wire.Lookup(obj, member)
	return string(v) == "true"
}
