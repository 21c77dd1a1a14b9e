// SPDX-License-Identifier: Apache-2.0

package catalog

// Tool finds a tool by its displayed name. A hidden tool is not found. It does not allocate.
func (v *View) Tool(name string) (*Entry, bool) { return v.lookup(Tool, name) }

// Prompt finds a prompt by its displayed name. A hidden prompt is not found. It does not allocate.
func (v *View) Prompt(name string) (*Entry, bool) { return v.lookup(Prompt, name) }

func (v *View) lookup(k Kind, key string) (*Entry, bool) {
	i, ok := v.snap.lists[k].index[key]
	if !ok || !v.visible[k].Has(int(i)) {
		return nil, false
	}
	return v.snap.lists[k].entries[i], true
}

// Resource finds what serves the displayed URI: the resource itself, else the first template that matches, those with
// the longest literal start first. own is what the upstream calls it. The exact case does not allocate.
//
// A template does not open what the policy or the toolset hides: a resource that its upstream lists and the view does not
// show is not found through a template of the same upstream either.
func (v *View) Resource(uri string) (e *Entry, own string, ok bool) {
	if e, ok = v.lookup(Resource, uri); ok {
		return e, e.OriginalName, true
	}
	for _, i := range v.snap.templates {
		if !v.visible[Template].Has(int(i)) {
			continue
		}
		e := v.snap.lists[Template].entries[i]
		if !e.template.matches(uri) {
			continue
		}
		own := e.own(uri)
		if at := v.snap.resource(e.Upstream, own); at >= 0 && !v.visible[Resource].Has(at) {
			continue
		}
		return e, own, true
	}
	return nil, "", false
}

// Reference finds what a completion refers to: a template by its displayed text, else as [View.Resource] does.
func (v *View) Reference(uri string) (e *Entry, own string, ok bool) {
	if e, ok = v.lookup(Template, uri); ok {
		return e, e.OriginalName, true
	}
	return v.Resource(uri)
}
