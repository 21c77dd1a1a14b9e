// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// keyPlaceholder stands where a client can only hold the key itself.
const keyPlaceholder = "YOUR_TOLLGATE_KEY"

// RenderOptions describe the gateway to a client. The zero value is usable.
type RenderOptions struct {
	Mode        Mode   // "" = ModeStdio
	Name        string // of the entry, "" = "tollgate"
	Command     string // the program, "" = "tollgate"; clients often need its full path
	ConfigFile  string // passed as --config; "" = none
	StateDir    string // passed as --state-dir; "" = none
	URL         string // of the MCP endpoint, "" = that of the default configuration
	KeyVariable string // environment variable with the key, "" = "TOLLGATE_KEY"
	OS          string // whose file names apply, "" = this one
}

// Entry is what a user adds to the file of a client.
type Entry struct {
	Client string   `json:"client"`
	Title  string   `json:"title"`
	Format string   `json:"format"` // json, toml or yaml
	Files  []string `json:"files"`  // where it goes, the user's own file first; see Locations
	Text   string   `json:"text"`   // a whole file with only this entry, ending in a line end
	Note   string   `json:"note"`   // what else to do; may be empty

	root  string
	name  string
	value *object
	extra *object
}

// Render writes the entry of the gateway for a client. The error for an unknown client lists all.
func Render(clientName string, options *RenderOptions) (*Entry, error) {
	c, err := findClient(clientName)
	if err != nil {
		return nil, err
	}
	o, err := withDefaults(options)
	if err != nil {
		return nil, err
	}
	files, err := Locations(clientName, o.OS)
	if err != nil {
		return nil, err
	}
	e := &Entry{Client: clientName, Title: c.title, Format: c.kind, Files: files, Note: c.note(o), root: c.root, name: o.Name, value: c.entry(o)}
	if c.extra != nil {
		e.extra = c.extra(o)
	}
	e.Text, err = e.text()
	return e, err
}

func withDefaults(options *RenderOptions) (*RenderOptions, error) {
	o := RenderOptions{}
	if options != nil {
		o = *options
	}
	for _, d := range []struct {
		field *string
		value string
	}{{(*string)(&o.Mode), string(ModeStdio)}, {&o.Name, "tollgate"}, {&o.Command, "tollgate"}, {&o.URL, "http://127.0.0.1:8080/mcp"}, {&o.KeyVariable, "TOLLGATE_KEY"}, {&o.OS, runtime.GOOS}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	switch {
	case o.Mode != ModeStdio && o.Mode != ModeHTTP:
		return nil, unknownName("mode", string(o.Mode), []Mode{ModeStdio, ModeHTTP})
	case ValidName(o.Name) != o.Name:
		return nil, fmt.Errorf("%q is not a valid name for an entry: use letters, digits, \"-\" and \"_\"", o.Name)
	case !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(o.KeyVariable):
		return nil, fmt.Errorf("%q is not the name of a variable", o.KeyVariable)
	}
	return &o, nil
}

// text writes the file that has only this entry.
func (e *Entry) text() (string, error) {
	switch e.Format {
	case "toml":
		return e.toml(), nil
	case "yaml":
		return e.root + ":\n" + e.yaml("  "), nil
	default:
		file := newObject().set(e.root, newObject().set(e.name, e.value))
		if e.extra != nil {
			for _, key := range e.extra.keys {
				file.set(key, e.extra.values[key])
			}
		}
		compact, err := file.MarshalJSON()
		if err != nil {
			return "", err
		}
		var out bytes.Buffer
		if err := json.Indent(&out, compact, "", "  "); err != nil {
			return "", err
		}
		return out.String() + "\n", nil
	}
}

// toml writes the value, which has strings, lists of strings and a table of strings.
func (e *Entry) toml() string {
	var b, tables strings.Builder
	fmt.Fprintf(&b, "[%s.%s]\n", e.root, e.name)
	for _, key := range e.value.keys {
		switch v := e.value.values[key].(type) {
		case []string:
			words := make([]string, len(v))
			for i, w := range v {
				words[i] = tomlString(w)
			}
			fmt.Fprintf(&b, "%s = [%s]\n", key, strings.Join(words, ", "))
		case *object:
			fmt.Fprintf(&tables, "\n[%s.%s.%s]\n", e.root, e.name, key)
			for _, k := range v.keys {
				fmt.Fprintf(&tables, "%s = %s\n", k, tomlString(v.text(k)))
			}
		default:
			fmt.Fprintf(&b, "%s = %s\n", key, tomlString(scalarText(v)))
		}
	}
	return b.String() + tables.String()
}

// tomlString writes a basic string. The escapes of JSON are escapes of TOML too, except that TOML also wants DEL escaped.
func tomlString(s string) string {
	return strings.ReplaceAll(strconv.Quote(s), `\x7f`, `\u007f`)
}

// yaml writes the value as a member of the root mapping.
func (e *Entry) yaml(indent string) string {
	var b strings.Builder
	b.WriteString(indent + e.name + ":\n")
	for _, key := range e.value.keys {
		b.WriteString(indent + "  " + key + ": ")
		switch v := e.value.values[key].(type) {
		case []string:
			b.WriteString("[")
			for i, w := range v {
				if i > 0 {
					b.WriteString(", ")
				}
				b.WriteString(quoteYAML(w))
			}
			b.WriteString("]\n")
		case *object:
			parts := make([]string, len(v.keys))
			for i, k := range v.keys {
				parts[i] = k + ": " + quoteYAML(v.text(k))
			}
			b.WriteString("{" + strings.Join(parts, ", ") + "}\n")
		case bool, json.Number:
			b.WriteString(scalarText(v) + "\n")
		default:
			b.WriteString(quoteYAML(scalarText(v)) + "\n")
		}
	}
	return b.String()
}

// stdioEntry starts "tollgate stdio".
func stdioEntry(o *RenderOptions) *object {
	args := []string{"stdio"}
	if o.ConfigFile != "" {
		args = append(args, "--config", o.ConfigFile)
	}
	if o.StateDir != "" {
		args = append(args, "--state-dir", o.StateDir)
	}
	return newObject().set("command", o.Command).set("args", args)
}

// bridged uses stdio in both modes: for HTTP the client starts a bridge.
func bridged(stdio func(o *RenderOptions) *object) func(o *RenderOptions) *object {
	return either(stdio, func(o *RenderOptions) *object {
		return newObject().set("command", o.Command).set("args", []string{"connect", o.URL}).set("env", newObject().set(o.KeyVariable, keyPlaceholder))
	})
}

func either(stdio, http func(o *RenderOptions) *object) func(o *RenderOptions) *object {
	return func(o *RenderOptions) *object {
		if o.Mode == ModeHTTP {
			return http(o)
		}
		return stdio(o)
	}
}

// remoteEntry names the URL under key; authorization may have a %s for the variable of the key.
func remoteEntry(key, kind, authorization string) func(o *RenderOptions) *object {
	return func(o *RenderOptions) *object {
		value := strings.ReplaceAll(authorization, "%s", o.KeyVariable)
		return newObject().set("type", kind).set(key, o.URL).set("headers", newObject().set("Authorization", value))
	}
}

// typed adds the type that VS Code wants.
func typed(stdio func(o *RenderOptions) *object) func(o *RenderOptions) *object {
	return func(o *RenderOptions) *object {
		e := newObject().set("type", "stdio")
		plain := stdio(o)
		for _, key := range plain.keys {
			e.set(key, plain.values[key])
		}
		return e
	}
}

func vscodeInputs(o *RenderOptions) *object {
	if o.Mode != ModeHTTP {
		return nil
	}
	input := newObject().set("type", "promptString").set("id", "tollgate_key").set("description", "Tollgate key").set("password", true)
	return newObject().set("inputs", []any{input})
}

func gooseEntry(o *RenderOptions) *object {
	e := newObject().set("enabled", true)
	if o.Mode == ModeHTTP {
		e.set("type", "streamable_http").set("name", o.Name).set("uri", o.URL).set("headers", newObject().set("Authorization", "Bearer "+keyPlaceholder))
	} else {
		plain := stdioEntry(o)
		e.set("type", "stdio").set("name", o.Name).set("cmd", o.Command).set("args", plain.values["args"])
	}
	return e.set("timeout", json.Number("300"))
}

// errTaken is returned when an entry of the name is there and differs.
var errTaken = errors.New("an entry of this name is already there; remove it first, or choose another name")
