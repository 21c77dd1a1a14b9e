// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"tollgate/upstream/wire"
)

// unwrap is what a program gets of a result of tools/call: its structuredContent, else its text, as JSON where it is JSON
// and the tool does not say that it has structuredContent. Images, audio and resources are handles without their data.
func unwrap(result []byte, declared bool) json.RawMessage {
	if structured, ok := wire.Lookup(result, "structuredContent"); ok && string(structured) != "null" {
		return structured
	}
	content, _ := wire.Lookup(result, "content")
	var parts []json.RawMessage
	var texts []string
	for block := range wire.Elements(content) {
		if kind := textOf(block, "type"); kind == "text" {
			texts = append(texts, textOf(block, "text"))
			continue
		}
		parts = append(parts, handle(block))
	}
	switch {
	case len(parts) == 0:
		return prose(strings.Join(texts, "\n"), declared)
	case len(parts) == 1 && len(texts) == 0:
		return parts[0]
	}
	var out []json.RawMessage
	for block := range wire.Elements(content) {
		if textOf(block, "type") == "text" {
			out = append(out, prose(textOf(block, "text"), declared))
			continue
		}
		out = append(out, handle(block))
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return json.RawMessage("null") // its parts are valid
	}
	return raw
}

// prose is a text as a value: what it says when it is an object or a list in JSON.
func prose(s string, declared bool) json.RawMessage {
	trimmed := strings.TrimSpace(s)
	if !declared && trimmed != "" && (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid([]byte(trimmed)) {
		return json.RawMessage(trimmed)
	}
	return wire.AppendString(nil, strings.ToValidUTF8(s, "\ufffd"))
}

// handle is a block of a result that is no text: what it is and how large, but not its data.
func handle(block []byte) json.RawMessage {
	resource, embedded := wire.Lookup(block, "resource")
	if embedded {
		if raw, ok := wire.Lookup(resource, "text"); ok && wire.Kind(raw) == '"' {
			return block // text of a resource is what programs work on
		}
	} else {
		resource = block
	}
	data, has := wire.Lookup(resource, "data")
	if !has {
		if data, has = wire.Lookup(resource, "blob"); !has {
			return block // a link
		}
	}
	encoded, _ := wire.String(data)
	out := wire.Set(nil, "type", wire.AppendString(nil, textOf(block, "type")))
	for _, member := range []string{"uri", "mimeType"} {
		if raw, ok := wire.Lookup(resource, member); ok {
			out = wire.Set(out, member, raw)
		}
	}
	size := base64.StdEncoding.DecodedLen(len(encoded)) - strings.Count(encoded[max(0, len(encoded)-2):], "=")
	number, err := json.Marshal(size)
	if err != nil {
		return block
	}
	return wire.Set(out, "bytes", number)
}

func textOf(obj []byte, path ...string) string {
	raw, _ := wire.Lookup(obj, path...)
	s, _ := wire.String(raw)
	return s
}
