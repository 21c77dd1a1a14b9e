// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	maxFragment  = 64 << 10 // bytes of one JSON Schema in the file
	maxFragments = 4 << 20  // bytes of all of them, with aliases followed
)

// fragment decodes a JSON Schema: any mapping, as the JSON that it stands for. Members keep the order of the file.
func (d *decoder) fragment(n *yaml.Node, path string, target *json.RawMessage) {
	if n.Kind != yaml.MappingNode {
		hint := ""
		switch {
		case n.Kind == yaml.SequenceNode:
			hint = "for a list of allowed values write {enum: [...]}"
		case n.ShortTag() != "!!null":
			hint = "for one allowed value write {const: " + n.Value + "}"
		}
		d.wrongType(n, path, "a JSON Schema", hint)
		return
	}
	j := jsonWriter{limit: min(maxFragment, maxFragments-d.schemas)}
	if bad := j.write(n, path, 1); bad != nil {
		d.failed[path] = true
		d.problem(bad.node, bad.path, bad.code, bad.message, bad.hint)
		return
	}
	d.schemas += j.out.Len()
	*target = j.out.Bytes()
}

// jsonWriter turns YAML values into JSON. Numbers keep the digits they are written with.
type jsonWriter struct {
	out   bytes.Buffer
	limit int // bytes
}

// jsonMistake is a value that has no counterpart in JSON.
type jsonMistake struct {
	node          *yaml.Node
	path          string
	code          Code
	message, hint string
}

func (j *jsonWriter) write(n *yaml.Node, path string, depth int) *jsonMistake {
	at := n
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case depth > maxDepth: // the check of the document does not add up what is reached by aliases
		return &jsonMistake{at, path, CodeRange, fmt.Sprintf("values are nested more than %d deep", maxDepth), ""}
	case j.out.Len()+len(n.Value) > j.limit:
		return &jsonMistake{at, path, CodeRange, fmt.Sprintf("more than %s", Size(maxFragment)), "write less, or fewer aliases"}
	}
	switch n.Kind {
	case yaml.MappingNode:
		return j.object(n, path, depth)
	case yaml.SequenceNode:
		j.out.WriteByte('[')
		for i, c := range n.Content {
			if i > 0 {
				j.out.WriteByte(',')
			}
			if bad := j.write(c, joinIndex(path, i), depth+1); bad != nil {
				return bad
			}
		}
		j.out.WriteByte(']')
		return nil
	}
	if err := j.scalar(n); err != nil {
		return &jsonMistake{at, path, CodeValue, err.Error(), "write plain decimal digits, or put it in quotes to make it a string"}
	}
	return nil
}

func (j *jsonWriter) object(n *yaml.Node, path string, depth int) *jsonMistake {
	seen := map[string]bool{}
	j.out.WriteByte('{')
	for key, value := range pairs(n) {
		name, ok := keyName(key)
		if !ok || seen[name] {
			continue // reported by checkNode
		}
		if len(seen) > 0 {
			j.out.WriteByte(',')
		}
		seen[name] = true
		if j.out.Len()+len(name) > j.limit {
			return &jsonMistake{key, path, CodeRange, fmt.Sprintf("more than %s", Size(maxFragment)), "write less, or fewer aliases"}
		}
		j.text(name)
		j.out.WriteByte(':')
		if bad := j.write(value, joinKey(path, name), depth+1); bad != nil {
			return bad
		}
	}
	j.out.WriteByte('}')
	return nil
}

// jsonNumber is what JSON writes a number like. YAML readers take one that is too large for them as a string.
const jsonNumber = `^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$`

func (j *jsonWriter) scalar(n *yaml.Node) error {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0 && matches(jsonNumber, n.Value) {
		j.out.WriteString(n.Value)
		return nil
	}
	switch n.ShortTag() {
	case "!!null":
		j.out.WriteString("null")
	case "!!bool":
		j.out.WriteString(strings.ToLower(n.Value))
	case "!!int", "!!float":
		return errors.New(n.Value + " is not a number in JSON")
	default:
		j.text(n.Value)
	}
	return nil
}

// text writes a string without escaping what only HTML cares about: patterns stay readable.
func (j *jsonWriter) text(s string) {
	enc := json.NewEncoder(&j.out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string that is UTF-8, as checked, always encodes
	j.out.Truncate(j.out.Len() - 1)
}
