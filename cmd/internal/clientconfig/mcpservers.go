// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// servers reads the JSON formats: an object of servers by name, under a key that depends on the client.
func (im *importer) servers(root *object, format Format) error {
	var servers *object
	for _, found := range []*object{root.object("mcpServers"), root.object("servers"), root.object("mcp").object("servers"), root.object("context_servers")} {
		if servers == nil {
			servers = found
		}
	}
	if servers == nil {
		if !bareServers(root) {
			return noServers()
		}
		servers = root
	}
	im.inputs = map[string]*object{}
	for _, inputs := range [][]any{root.list("inputs"), root.object("mcp").list("inputs")} {
		for _, v := range inputs {
			if spec, ok := v.(*object); ok {
				im.inputs[spec.text("id")] = spec
			}
		}
	}
	if format == FormatServers && usesHTTPURL(servers) {
		format, im.result.Format = FormatGemini, FormatGemini
	}
	for _, name := range servers.keys {
		s := servers.object(name)
		if s == nil {
			im.note(NoteSkipped, name, "not an object", "")
			continue
		}
		im.server(name, s, format)
	}
	if projects := root.object("projects"); projects != nil {
		for _, dir := range projects.keys {
			if inside := projects.object(dir).object("mcpServers"); inside != nil && len(inside.keys) > 0 {
				im.note(NoteRemark, "", fmt.Sprintf("the servers of project %q were left out", dir), "import them from the project's .mcp.json, or paste them on their own")
			}
		}
	}
	return nil
}

// usesHTTPURL recognises Gemini, the only client with httpUrl, whose url means HTTP+SSE.
func usesHTTPURL(servers *object) bool {
	for _, name := range servers.keys {
		if servers.object(name).get("httpUrl") != nil {
			return true
		}
	}
	return false
}

// server reads one entry of the JSON formats.
func (im *importer) server(name string, s *object, format Format) {
	u := im.begin(name)
	read := &reader{im: im, o: s, used: map[string]bool{}, bareDollar: format == FormatGemini}
	command, args, env := s.get("command"), s.get("args"), s.get("env")
	if nested := s.object("command"); nested != nil { // Zed until 2025
		command, args, env = nested.get("path"), nested.get("args"), nested.get("env")
	}
	kind := transport(read.text("type", "transport"))
	url, key := read.first("url", "serverUrl", "httpUrl", "uri")
	read.use("command", "args", "env", "source", "name", "description", "title")
	switch {
	case kind == "unknown":
		im.skip(fmt.Sprintf("transport %q is not supported", s.text("type")+s.text("transport")))
		return
	case scalarText(command) != "" && url != "":
		im.skip("both a command and a URL are set")
		return
	case scalarText(command) != "":
		im.process(scalarText(command), args, env, read.bareDollar)
		u.Dir = im.plain("dir", read.text("cwd"))
	case url != "":
		if format == FormatGemini && key == "url" && kind == "" {
			kind = "sse"
		}
		if !im.remote(url, kind, read.object("headers"), read.bareDollar) {
			return
		}
	default:
		im.skip("neither a command nor a URL is set")
		return
	}
	im.common(read)
	im.finish(read)
}

// process fills in a program to start.
func (im *importer) process(command string, args, env any, bareDollar bool) {
	u := im.current
	list, _ := args.([]any)
	if words := strings.Fields(command); len(list) == 0 && len(words) > 1 && !strings.ContainsAny(command, `/\"'$`) {
		command = words[0]
		for _, w := range words[1:] {
			list = append(list, w)
		}
	}
	u.Command = im.plain("command", command)
	for i, a := range list {
		u.Args = append(u.Args, im.argument(list, i, scalarText(a)))
	}
	if values, ok := env.(*object); ok {
		for _, key := range values.keys {
			im.setEnv(key, scalarText(values.get(key)), bareDollar)
		}
	}
	im.argvRisks()
}

func (im *importer) setEnv(key, value string, bareDollar bool) {
	u := im.current
	if !validEnvName(key) {
		im.note(NoteRemark, u.Name, fmt.Sprintf("variable %q was left out: not a valid name", key), "")
		return
	}
	if u.Env == nil {
		u.Env = map[string]string{}
	}
	u.Env[key] = im.value("env."+key, key, im.pieces(value, bareDollar))
}

// remote fills in a URL with its headers. It reports false when the entry was skipped.
func (im *importer) remote(url, kind string, headers *object, bareDollar bool) bool {
	u := im.current
	if !im.setURL(im.pieces(url, bareDollar)) {
		return false
	}
	if kind == "sse" {
		u.Transport = "sse"
		im.note(NoteRemark, u.Name, "uses HTTP+SSE, which is deprecated", "if the server also speaks streamable HTTP, remove \"transport: sse\"")
	}
	if headers != nil {
		for _, key := range headers.keys {
			im.setHeader(key, im.pieces(scalarText(headers.get(key)), bareDollar))
		}
	}
	return true
}

func (im *importer) setHeader(key string, value []piece) {
	u := im.current
	if !validHeaderName(key) {
		im.note(NoteRemark, u.Name, fmt.Sprintf("header %q was left out: tollgate sets it itself, or it is not a valid name", key), "")
		return
	}
	for other := range u.Headers {
		if strings.EqualFold(other, key) {
			im.note(NoteRemark, u.Name, fmt.Sprintf("header %q was left out: it is there twice", key), "")
			return
		}
	}
	text, literal := isLiteral(value)
	if literal && (text == "" || strings.ContainsAny(text, "\r\n\x00")) {
		im.note(NoteRemark, u.Name, fmt.Sprintf("header %q was left out: it has no usable value", key), "")
		return
	}
	if u.Headers == nil {
		u.Headers = map[string]string{}
	}
	u.Headers[key] = im.value("headers."+key, key, value)
}

// transport normalises the names that clients use: "", stdio, http, sse or unknown.
func transport(name string) string {
	switch strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name)) {
	case "":
		return ""
	case "stdio", "local":
		return "stdio"
	case "http", "streamablehttp", "remote":
		return "http"
	case "sse":
		return "sse"
	default:
		return "unknown"
	}
}

// common reads what servers of any transport may have.
func (im *importer) common(read *reader) {
	u := im.current
	u.Disabled = u.Disabled || read.o.isTrue("disabled") || read.o.get("enabled") == false
	read.use("disabled", "enabled")
	if ms, err := strconv.ParseFloat(read.text("timeout"), 64); err == nil {
		unit := time.Millisecond
		if ms < 1000 {
			unit = time.Second // Cline and its relatives count seconds
		}
		u.Timeout = clampTimeout(ms, unit)
	}
	for _, key := range []string{"includeTools", "enabledTools", "tools"} {
		for _, v := range read.list(key) {
			if name := scalarText(v); name != "" && name != "*" {
				u.Tools = append(u.Tools, escapePattern(name))
			}
		}
	}
	var hidden []string
	for _, key := range []string{"excludeTools", "disabledTools", "disabled_tools"} {
		for _, v := range read.list(key) {
			hidden = append(hidden, scalarText(v))
		}
	}
	im.excluded(hidden)
	if file := read.text("envFile"); file != "" {
		im.todo(fmt.Sprintf("envFile %q is not read", file), "copy the variables that the server needs to env in tollgate.yaml, then remove \"disabled: true\"")
	}
	if len(read.list("alwaysAllow"))+len(read.list("autoApprove")) > 0 || read.o.isTrue("trust") {
		im.note(NoteRemark, u.Name, "the client calls some tools without asking; that stays a setting of the client", "")
	}
	read.use("trust")
}

// excluded notes tools that the client hides; here roles do that.
func (im *importer) excluded(tools []string) {
	if len(tools) == 0 {
		return
	}
	var deny []string
	for _, t := range tools {
		deny = append(deny, strconv.Quote(im.current.Name+"/"+t))
	}
	im.note(NoteRemark, im.current.Name, "the client hides tools: "+strings.Join(tools, ", "), "to hide them here, add to a role: deny: ["+strings.Join(deny, ", ")+"]")
}

// escapePattern makes a name of a tool a pattern that matches only it.
func escapePattern(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

func clampTimeout(n float64, unit time.Duration) time.Duration {
	d := time.Duration(min(max(n, 0), 1e9) * float64(unit)).Truncate(time.Millisecond)
	if d <= 0 {
		return 0
	}
	return min(d, 24*time.Hour)
}

// reader reads members of an entry and remembers which ones were understood.
type reader struct {
	im         *importer
	o          *object
	used       map[string]bool
	bareDollar bool // $NAME is a variable too
}

func (r *reader) use(keys ...string) {
	for _, k := range keys {
		r.used[k] = true
	}
}

func (r *reader) text(keys ...string) string {
	v, _ := r.first(keys...)
	return v
}

// first returns the first member that has text.
func (r *reader) first(keys ...string) (value, key string) {
	r.use(keys...)
	for _, k := range keys {
		if v := r.o.text(k); v != "" {
			return v, k
		}
	}
	return "", ""
}

func (r *reader) object(key string) *object { r.use(key); return r.o.object(key) }
func (r *reader) list(key string) []any     { r.use(key); return r.o.list(key) }

func (r *reader) unused() []string {
	var keys []string
	for _, k := range r.o.keys {
		if !r.used[k] {
			keys = append(keys, k)
		}
	}
	return keys
}

var errNoTable = errors.New(`the file has no "mcp_servers" table`)
