// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"tollgate/aggregator"
	"tollgate/aggregator/catalog"
	"tollgate/upstream/wire"
)

// bytesPerToken is what definitions have on average: of 291 tools of real servers, with the tokenizer o200k.
const bytesPerToken = 4.33

// tokens estimates the tokens in so many bytes.
func tokens(bytes int) int { return int(float64(bytes) / bytesPerToken) }

// Present implements [aggregator.Own].
func (t *Tools) Present(view *catalog.View, configured, class string) aggregator.Presentation {
	s := t.surface(view)
	mode := t.usable(t.mode(configured, class, s), view)
	x := &shown{mode: mode, servers: s.servers}
	own := map[string]bool{}
	switch mode {
	case Direct:
		return aggregator.Presentation{Hidden: func(e *catalog.Entry) bool { return e.Upstream == aggregator.OwnUpstream }}
	case Search:
		own[t.names.search], own[t.names.read], own[t.names.call] = true, true, true
	default:
		own[t.names.execute] = true
		if x.types = s.small(t.opts.EmbedTokens); x.types == "" {
			own[t.names.search], own[t.names.read] = true, true
		}
	}
	out := aggregator.Presentation{
		Listed:   func(e *catalog.Entry) bool { return e.Upstream == aggregator.OwnUpstream },
		Narrowed: map[*catalog.Entry]catalog.Narrowed{},
	}
	out.Hidden = func(e *catalog.Entry) bool { return e.Upstream == aggregator.OwnUpstream && !own[e.OriginalName] }
	for e := range view.All(catalog.Tool) {
		if e.Upstream == aggregator.OwnUpstream && own[e.OriginalName] {
			raw := t.definition(e.OriginalName, x)
			if narrowed := view.Definition(e); string(narrowed) != string(e.Definition) { // the rules have more to say of arguments
				about, _ := wire.Lookup(raw, "description")
				raw = wire.Set(narrowed, "description", about)
			}
			out.Narrowed[e] = catalog.Narrowed{Definition: raw, Hash: wire.Digest(raw)}
		}
	}
	return out
}

// usable is mode, or direct for a class that may not use the tools on which it rests: what it can call is listed then.
func (t *Tools) usable(mode string, view *catalog.View) string {
	needed := []string{t.names.execute}
	switch mode {
	case Direct:
		return mode
	case Search:
		needed = []string{t.names.search, t.names.call}
	}
	for _, name := range needed {
		if _, ok := view.ToolOf(aggregator.OwnUpstream, name); !ok {
			return Direct
		}
	}
	return mode
}

// mode is that in which the tools of a class are shown. What auto has chosen once stays: the list of tools must not change
// its nature while a model works with it.
func (t *Tools) mode(configured, class string, s *surface) string {
	switch configured {
	case Search, Code:
		return configured
	case Auto:
	default:
		return Direct
	}
	t.mu.Lock()
	pinned := t.pins[class]
	t.mu.Unlock()
	if pinned != "" {
		return pinned
	}
	mode := Direct
	if s.tools == 0 {
		return mode // there is nothing to choose by yet
	}
	if t.opts.AutoTokens >= 0 && tokens(s.bytes) > t.opts.AutoTokens {
		mode = Code
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.pins[class]; known != "" {
		return known
	}
	if len(t.pins) < maxPins {
		t.pins[class] = mode
	}
	return mode
}

// Forward implements [aggregator.Own]. The members of params that do not name the tool stay: a call that goes on with
// answers of the user is one of the tool that it names.
func (t *Tools) Forward(e *catalog.Entry, params []byte) ([]byte, bool) {
	if e.OriginalName != t.names.call {
		return nil, false
	}
	name, ok := wire.Lookup(params, "arguments", "name")
	if text, is := wire.String(name); !ok || !is || text == t.names.call {
		return nil, false
	}
	arguments, ok := wire.Lookup(params, "arguments", "arguments")
	if !ok {
		arguments = []byte("{}")
	}
	return wire.Set(wire.Set(params, "name", name), "arguments", arguments), true
}
