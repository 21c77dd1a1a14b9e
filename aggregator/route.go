// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/upstream/wire"
)

// route finds where a call goes, or the reply that ends it.
func (g *Gate) route(ctx context.Context, rev *revision, view *catalog.View, w *who, c *Call) (*target, *Reply) {
	if reply := misspelt(c); reply != nil {
		return nil, reply
	}
	switch c.Method {
	case MethodCallTool, MethodGetPrompt:
		return routeName(view, c)
	case MethodReadResource:
		return routeURI(ctx, rev, view, w, c)
	case MethodComplete:
		return routeCompletion(ctx, rev, view, w, c)
	case MethodGetTask, MethodUpdateTask, MethodCancelTask:
		if c.Client.Revision.Modern() {
			return g.routeTask(rev, view, w.caller, c)
		}
	}
	return nil, &Reply{Error: &wire.Error{Code: wire.CodeMethodNotFound, Message: fmt.Sprintf("unknown method %q", c.Method)}, End: Unknown}
}

func routeName(view *catalog.View, c *Call) (*target, *Reply) {
	raw, _ := wire.Lookup(c.Params, "name")
	name, ok := wire.String(raw)
	if !ok {
		return nil, invalid("params.name must be a string")
	}
	find := view.Tool
	if c.Method == MethodGetPrompt {
		find = view.Prompt
	}
	e, ok := find(name)
	if !ok || c.inner != nil && e.Upstream == OwnUpstream { // a program runs no other
		return nil, unknownName(c.Method, name)
	}
	return &target{
		upstream: e.Upstream, shown: name, params: upstreamParams(c.Params, "name", e.Name, e.OriginalName),
		headers: e.ParamHeaders, readOnly: e.ReadOnly || c.Method == MethodGetPrompt, object: e.Object, entry: e,
	}, nil
}

func routeURI(ctx context.Context, rev *revision, view *catalog.View, w *who, c *Call) (*target, *Reply) {
	raw, _ := wire.Lookup(c.Params, "uri")
	uri, ok := wire.String(raw)
	if !ok {
		return nil, invalid("params.uri must be a string")
	}
	if e, own, ok := readable(ctx, rev, view, w, uri); ok {
		to := &target{upstream: e.Upstream, shown: uri, params: upstreamParams(c.Params, "uri", uri, own), readOnly: true}
		to.resource(rev, e, own)
		return to, nil
	}
	o, ok := unlisted(ctx, rev, view, w, uri)
	if !ok {
		return nil, unknownResource(c.Client.Revision, uri)
	}
	return &target{upstream: o.Upstream, shown: uri, params: upstreamParams(c.Params, "uri", uri, o.URI), readOnly: true, unlisted: true, object: o}, nil
}

// resource sets what the rules decide on: the resource itself and, where a template made its address, the template too.
func (to *target) resource(rev *revision, e *catalog.Entry, own string) {
	to.object, to.entry = e.Object, e
	if e.Kind == catalog.Template && own != e.OriginalName {
		to.object, _ = rev.catalog.ResourceObject(e.Upstream, own)
		to.entry, to.template = nil, e
	}
}

// plain reports whether a URI that no list shows has one spelling only: patterns are about spellings, and an upstream may
// take several for one resource. It is ASCII (RFC 3986), has no dot segments, no backslashes, nothing encoded that needs no
// encoding or that hides a slash, and upper-case hex digits. The URI of a file is file:///path and no more.
func plain(uri string) bool {
	for i := range len(uri) {
		switch c := uri[i]; {
		case c <= ' ' || c >= 0x7f || c == '\\':
			return false
		case c == '%' && !plainEscape(uri[i:]):
			return false
		}
	}
	path, _, _ := strings.Cut(uri, "?")
	scheme, rest, _ := strings.Cut(path, ":")
	if strings.EqualFold(scheme, "file") {
		if !strings.HasPrefix(uri, "file:///") || strings.Contains(rest[2:], "//") || strings.ContainsAny(uri, "?#") {
			return false
		}
	}
	for segment := range strings.SplitSeq(rest, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// plainEscape reports whether text begins with an encoded character that has to be encoded and is no slash.
func plainEscape(text string) bool {
	if len(text) < 3 || text[1:3] != strings.ToUpper(text[1:3]) {
		return false
	}
	c, err := strconv.ParseUint(text[1:3], 16, 8)
	unreserved := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", byte(c)) >= 0
	return err == nil && !unreserved && c != '/' && c != '\\'
}

// readable finds the resource shown as uri, in a list or through a template. What a template makes is a resource that no
// list shows, so the policy decides on it too: a pattern that hides it holds whichever way it is named. The address of an
// app that some tool names belongs to that tool's upstream, whatever another one's template matches.
func readable(ctx context.Context, rev *revision, view *catalog.View, w *who, uri string) (e *catalog.Entry, own string, ok bool) {
	if _, _, app := rev.catalog.App(uri); app {
		return nil, "", false
	}
	e, own, ok = view.Resource(uri)
	if !ok || e.Kind != catalog.Template {
		return e, own, ok
	}
	o, listed := rev.catalog.ResourceObject(e.Upstream, own)
	return e, own, listed || plain(uri) && rev.allowed(ctx, w, o)
}

// unlisted finds who serves a URI that is in no list: results may link to such resources. It is the one upstream that
// serves resources and where the caller may read it; with several, asking each would show one what belongs to another. The
// app of a tool is its upstream's. The URI of o is the upstream's own.
func unlisted(ctx context.Context, rev *revision, view *catalog.View, w *who, uri string) (o policy.Object, ok bool) {
	if up, own, app := rev.catalog.App(uri); app {
		o, _ = rev.catalog.ResourceObject(up, own)
		shown := o
		shown.URI = uri
		return o, view.Includes(shown) && rev.allowed(ctx, w, o)
	}
	if !plain(uri) {
		return policy.Object{}, false
	}
	for _, up := range rev.catalog.ResourceUpstreams() {
		candidate, listed := rev.catalog.ResourceObject(up, uri)
		if listed || !view.Includes(candidate) || !rev.allowed(ctx, w, candidate) {
			continue
		}
		if ok {
			return policy.Object{}, false
		}
		o, ok = candidate, true
	}
	return o, ok
}

func routeCompletion(ctx context.Context, rev *revision, view *catalog.View, w *who, c *Call) (*target, *Reply) {
	ref, _ := wire.Lookup(c.Params, "ref")
	kind, _ := wire.Lookup(ref, "type")
	switch t, _ := wire.String(kind); t {
	case "ref/prompt":
		raw, _ := wire.Lookup(ref, "name")
		name, ok := wire.String(raw)
		if !ok {
			return nil, invalid("params.ref.name must be a string")
		}
		e, ok := view.Prompt(name)
		if !ok {
			return nil, unknownName(MethodGetPrompt, name)
		}
		to := completion(c, e.Upstream, rename(ref, "name", e.Name, e.OriginalName))
		to.object, to.entry = e.Object, e
		return to, nil
	case "ref/resource":
		raw, _ := wire.Lookup(ref, "uri")
		uri, ok := wire.String(raw)
		if !ok {
			return nil, invalid("params.ref.uri must be a string")
		}
		e, own, ok := view.Reference(uri)
		if ok && e.Kind == catalog.Template && own != e.OriginalName {
			e, own, ok = readable(ctx, rev, view, w, uri)
		}
		if !ok {
			return nil, unknownResource(c.Client.Revision, uri)
		}
		to := completion(c, e.Upstream, rename(ref, "uri", uri, own))
		to.resource(rev, e, own)
		return to, nil
	}
	return nil, invalid(`params.ref.type must be "ref/prompt" or "ref/resource"`)
}

func completion(c *Call, up string, ref []byte) *target {
	params := clientParams(c.Params)
	if old, _ := wire.Lookup(c.Params, "ref"); string(old) != string(ref) {
		params = wire.Set(params, "ref", ref)
	}
	return &target{upstream: up, params: params, readOnly: true}
}

// upstreamParams are the params with the upstream's own name and without what belongs to the client's connection.
func upstreamParams(params []byte, key, shown, own string) []byte {
	return rename(clientParams(params), key, shown, own)
}

func rename(obj []byte, key, shown, own string) []byte {
	if shown == own {
		return obj
	}
	return wire.Set(obj, key, wire.AppendString(nil, own))
}

func clientParams(params []byte) []byte {
	meta, ok := wire.Lookup(params, "_meta")
	if !ok {
		return params
	}
	_, acts := wire.Lookup(meta, auth.MetaActAs)
	_, once := wire.Lookup(meta, MetaIdempotencyKey)
	if acts || once { // whom a program acts for, and which call is which, is between it and the gateway
		params = wire.Set(params, "_meta", wire.Delete(meta, auth.MetaActAs, MetaIdempotencyKey))
	}
	params = wire.StripMeta(params)
	if _, ok := wire.Lookup(meta, wire.MetaProgressToken); !ok {
		return params
	}
	meta, _ = wire.Lookup(params, "_meta")
	if meta = wire.Delete(meta, wire.MetaProgressToken); isEmptyObject(meta) {
		return wire.Delete(params, "_meta")
	}
	return wire.Set(params, "_meta", meta)
}

func isEmptyObject(obj []byte) bool {
	for range wire.Members(obj) {
		return false
	}
	return true
}
