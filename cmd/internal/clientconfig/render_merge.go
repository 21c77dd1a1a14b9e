// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tailscale/hujson"
)

// Merge adds the entry to the present content of a client's file and leaves all else in it, comments included, as it is. An
// empty file becomes [Entry.Text]. An entry of the same name is an error, unless it is the same already.
func (e *Entry) Merge(existing []byte) ([]byte, error) {
	if len(bytes.TrimSpace(existing)) == 0 {
		return []byte(e.Text), nil
	}
	var merged []byte
	var err error
	switch e.Format {
	case "toml":
		merged, err = e.mergeTOML(existing)
	case "yaml":
		merged, err = e.mergeYAML(existing)
	default:
		merged, err = e.mergeJSON(existing)
	}
	if err != nil {
		return nil, err
	}
	root, err := e.parse(merged)
	if err != nil || root.object(e.root).object(e.name) == nil {
		return nil, errors.New("the entry does not fit into the layout of the file; add it by hand")
	}
	return merged, nil
}

func (e *Entry) parse(data []byte) (*object, error) {
	switch e.Format {
	case "toml":
		return parseTOML(data)
	case "yaml":
		return parseYAML(data)
	default:
		return parseJSON(data)
	}
}

// present looks for an entry of the name. same is true when it is this one.
func (e *Entry) present(root *object) (same bool, err error) {
	old := root.object(e.root).object(e.name)
	if old == nil {
		return false, nil
	}
	a, errA := json.Marshal(old)
	b, errB := json.Marshal(e.value)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		return false, errTaken
	}
	return true, nil
}

func (e *Entry) mergeTOML(existing []byte) ([]byte, error) {
	root, err := parseTOML(existing)
	if err != nil {
		return nil, err
	}
	if same, err := e.present(root); err != nil || same {
		return existing, err
	}
	if regexp.MustCompile(`(?m)^[ \t]*"?` + e.root + `"?[ \t]*=`).Match(existing) {
		return nil, fmt.Errorf("%q is an inline table, which TOML cannot extend; write it as [%s.NAME]", e.root, e.root)
	}
	text := strings.TrimRight(string(existing), "\r\n \t")
	return []byte(text + "\n\n" + e.Text), nil
}

func (e *Entry) mergeYAML(existing []byte) ([]byte, error) {
	root, err := parseYAML(existing)
	if err != nil {
		return nil, err
	}
	if same, err := e.present(root); err != nil || same {
		return existing, err
	}
	return spliceYAML(existing, e.root, e.yaml)
}

func (e *Entry) mergeJSON(existing []byte) ([]byte, error) {
	root, err := parseJSON(existing)
	if err != nil {
		return nil, err
	}
	if same, err := e.present(root); err != nil || same {
		return existing, err
	}
	file, err := hujson.Parse(existing)
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	top, ok := file.Value.(*hujson.Object)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	unit := indentUnit(top)
	servers, err := member(top, e.root, "{}", unit, 1)
	if err != nil {
		return nil, err
	}
	inner, ok := servers.Value.(*hujson.Object)
	if !ok {
		return nil, fmt.Errorf("%q is not an object", e.root)
	}
	if err := addMember(inner, e.name, e.value, unit, 2); err != nil {
		return nil, err
	}
	if e.extra != nil {
		if err := e.addInputs(top, root, unit); err != nil {
			return nil, err
		}
	}
	return file.Pack(), nil
}

// addInputs adds the question for the key, unless there is one.
func (e *Entry) addInputs(top *hujson.Object, root *object, unit string) error {
	wanted := e.extra.values["inputs"].([]any)[0].(*object)
	for _, v := range root.list("inputs") {
		if spec, ok := v.(*object); ok && spec.text("id") == wanted.text("id") {
			return nil
		}
	}
	inputs, err := member(top, "inputs", "[]", unit, 1)
	if err != nil {
		return err
	}
	list, ok := inputs.Value.(*hujson.Array)
	if !ok {
		return errors.New(`"inputs" is not a list`)
	}
	value, err := jsonValue(wanted, unit, 2)
	if err != nil {
		return err
	}
	value.BeforeExtra = opening(list.AfterExtra, unit, 2)
	list.AfterExtra = hujson.Extra("\n" + unit)
	list.Elements = append(list.Elements, value)
	return nil
}

// member returns the value of a member, which is added with the given text when it is missing.
func member(o *hujson.Object, name, text, unit string, depth int) (*hujson.Value, error) {
	for i := range o.Members {
		if key, ok := o.Members[i].Name.Value.(hujson.Literal); ok && key.String() == name {
			return &o.Members[i].Value, nil
		}
	}
	value, err := hujson.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	appendMember(o, name, value, unit, depth)
	return &o.Members[len(o.Members)-1].Value, nil
}

func addMember(o *hujson.Object, name string, v *object, unit string, depth int) error {
	value, err := jsonValue(v, unit, depth)
	if err != nil {
		return err
	}
	appendMember(o, name, value, unit, depth)
	return nil
}

func appendMember(o *hujson.Object, name string, value hujson.Value, unit string, depth int) {
	value.BeforeExtra = hujson.Extra(" ")
	o.Members = append(o.Members, hujson.ObjectMember{
		Name:  hujson.Value{BeforeExtra: opening(o.AfterExtra, unit, depth), Value: hujson.String(name)},
		Value: value,
	})
	o.AfterExtra = hujson.Extra("\n" + strings.Repeat(unit, depth-1))
}

// opening is the text before a new last member: comments after the one that was last stay with it.
func opening(old hujson.Extra, unit string, depth int) hujson.Extra {
	return hujson.Extra(strings.TrimRight(string(old), " \t\r\n") + "\n" + strings.Repeat(unit, depth))
}

func jsonValue(v *object, unit string, depth int) (hujson.Value, error) {
	compact, err := v.MarshalJSON()
	if err != nil {
		return hujson.Value{}, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, strings.Repeat(unit, depth), unit); err != nil {
		return hujson.Value{}, err
	}
	return hujson.Parse(out.Bytes())
}

// indentUnit is the indentation of the first member of a file, two spaces when it has none.
func indentUnit(top *hujson.Object) string {
	if len(top.Members) > 0 {
		before := string(top.Members[0].Name.BeforeExtra)
		if i := strings.LastIndexByte(before, '\n'); i >= 0 {
			if unit := before[i+1:]; unit != "" && strings.Trim(unit, " \t") == "" {
				return unit
			}
		}
	}
	return "  "
}
