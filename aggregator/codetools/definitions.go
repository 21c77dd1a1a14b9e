// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"encoding/json"
	"fmt"
	"strings"

	"tollgate/aggregator"
	"tollgate/aggregator/catalog"
	"tollgate/upstream"
	"tollgate/upstream/wire"
)

// names are what the tools are called, and their arguments.
type names struct {
	search, read, call, execute string
	files                       bool // tools are files of one virtual folder
}

func standardNames() *names {
	return &names{search: "search_tools", read: "read_tools", call: "call_tool", execute: "execute_code"}
}

func fileNames() *names {
	return &names{search: "listToolFiles", read: "readToolFile", call: "callTool", execute: "executeToolCode", files: true}
}

// Source is the place of the tools in the catalog.
func (t *Tools) Source() catalog.Source {
	s := &upstream.Snapshot{Upstream: aggregator.OwnUpstream, Revision: wire.R20260728, Capabilities: []byte(`{"tools":{}}`)}
	for _, name := range []string{t.names.search, t.names.read, t.names.call, t.names.execute} {
		raw := t.definition(name, &shown{mode: Code})
		s.Tools = append(s.Tools, upstream.Item{Name: name, Raw: raw, Hash: wire.Digest(raw)})
	}
	return catalog.Source{Upstream: aggregator.OwnUpstream, PrefixSet: true, Snapshot: s}
}

// shown is what definitions say to one class.
type shown struct {
	mode    string
	servers []string
	types   string // compact, when execute says them itself
}

// definition is a tool as it is listed.
func (t *Tools) definition(name string, x *shown) []byte {
	d := struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		InputSchema json.RawMessage `json:"inputSchema"`
		Annotations json.RawMessage `json:"annotations,omitempty"`
	}{Name: name}
	readOnly := json.RawMessage(`{"readOnlyHint":true}`)
	switch name {
	case t.names.search:
		d.Annotations = readOnly
		d.Description, d.InputSchema = t.describeSearch(x)
	case t.names.read:
		d.Annotations = readOnly
		d.Description, d.InputSchema = t.describeRead(x)
	case t.names.call:
		d.Description = "Calls a tool."
		d.InputSchema = json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"},"arguments":{"type":"object"}},"required":["name"]}`)
	default:
		d.Description, d.InputSchema = t.describeExecute(x)
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return nil // strings and constants are always fit for JSON
	}
	return raw
}

func (t *Tools) describeSearch(x *shown) (string, json.RawMessage) {
	if t.names.files {
		return "Lists the files with the types of tools" + among(x.servers) + ", those that fit query first.",
			json.RawMessage(`{"type":"object","properties":{"query":{"type":"string"},"server":{"type":"string"}}}`)
	}
	return "Finds tools by what they do" + among(x.servers) + ". An empty query lists servers.",
		json.RawMessage(`{"type":"object","properties":{"query":{"type":"string"},"server":{"type":"string"},"limit":{"type":"integer","default":8},"detail":{"enum":["summary","types"],"default":"summary"}},"required":["query"]}`)
}

func (t *Tools) describeRead(x *shown) (string, json.RawMessage) {
	switch {
	case t.names.files:
		return "Reads the types of tools, by the name of a file that " + t.names.search + " lists.",
			json.RawMessage(`{"type":"object","properties":{"fileName":{"type":"string"}},"required":["fileName"]}`)
	case x.mode == Search:
		return "Returns the definitions of tools.", json.RawMessage(`{"type":"object","properties":{"names":{"type":"array","items":{"type":"string"}}},"required":["names"]}`)
	}
	return `Returns the types of tools; "server.*" are all of a server.`,
		json.RawMessage(`{"type":"object","properties":{"names":{"type":"array","items":{"type":"string"}}},"required":["names"]}`)
}

func (t *Tools) describeExecute(x *shown) (string, json.RawMessage) {
	var b strings.Builder
	b.WriteString("Runs TypeScript, the body of an async function, in a sandbox without network or files. Tools are `await server.tool({...})`, " +
		"in parallel with Promise.all; results are parsed, failures throw ToolError. Only what you return or log comes back: filter and sum up in code. ")
	if x.types != "" {
		b.WriteString("The tools:\n" + x.types)
	} else {
		fmt.Fprintf(&b, "Read the types with %s first.", t.names.read)
	}
	return b.String(), json.RawMessage(`{"type":"object","properties":{"code":{"type":"string"},"timeout_ms":{"type":"integer","minimum":1}},"required":["code"]}`)
}

// maxNamed bounds the names of servers in a description, in bytes.
const maxNamed = 700

// among names servers.
func among(servers []string) string {
	if len(servers) == 0 {
		return ""
	}
	text := strings.Join(servers, ", ")
	if len(text) > maxNamed {
		n := strings.LastIndex(text[:maxNamed], ", ")
		text = fmt.Sprintf("%s and %d more servers", text[:max(n, 0)], len(servers)-strings.Count(text[:max(n, 0)], ", ")-1)
	}
	return " of " + text
}
