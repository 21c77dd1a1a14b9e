// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"fmt"
	"regexp"
	"strings"
)

// registry reads a server.json, a reply of the registry's API around one, or a list of them.
func (im *importer) registry(root *object) error {
	entries := []any{root}
	if list := root.list("servers"); list != nil {
		entries = list
	}
	for _, v := range entries {
		entry, _ := v.(*object)
		if inner := entry.object("server"); inner != nil {
			entry = inner
		}
		if entry == nil {
			im.note(NoteSkipped, "", "not an object", "")
			continue
		}
		im.registryServer(entry)
	}
	return nil
}

func (im *importer) registryServer(entry *object) {
	name := entry.text("name")
	short := name[strings.LastIndexByte(name, '/')+1:]
	im.begin(short)
	packages, remotes := entry.list("packages"), entry.list("remotes")
	if remote := pickRemote(remotes); remote != nil {
		if len(packages) > 0 {
			im.note(NoteRemark, im.current.Name, "the server is also published as a package; the remote one was taken", "")
		}
		if !im.registryRemote(remote) {
			return
		}
		im.finish(&reader{o: newObject()})
		return
	}
	for _, v := range packages {
		p, _ := v.(*object)
		kind := transport(p.object("transport").text("type"))
		if p == nil || kind != "" && kind != "stdio" {
			continue
		}
		if im.registryPackage(p) {
			im.finish(&reader{o: newObject()})
			return
		}
	}
	im.current.Source = name
	im.skip("no remote and no package that can be started (npm, pypi, oci or nuget)")
}

// pickRemote prefers streamable HTTP.
func pickRemote(remotes []any) *object {
	var sse *object
	for _, v := range remotes {
		r, _ := v.(*object)
		switch transport(r.text("type")) {
		case "http":
			return r
		case "sse":
			if sse == nil {
				sse = r
			}
		}
	}
	return sse
}

func (im *importer) registryRemote(remote *object) bool {
	url := im.template(remote.text("url"), remote.object("variables"))
	if !im.setURL(url) {
		return false
	}
	if transport(remote.text("type")) == "sse" {
		im.current.Transport = "sse"
	}
	var optional []string
	for _, v := range remote.list("headers") {
		h, _ := v.(*object)
		name := h.text("name")
		value, ok := im.registryValue(h, name)
		if !ok {
			optional = append(optional, name)
			continue
		}
		im.setHeader(name, value)
	}
	im.optional("headers", optional)
	return true
}

func (im *importer) optional(what string, names []string) {
	if len(names) > 0 {
		im.note(NoteRemark, im.current.Name, "optional "+what+" were left out: "+strings.Join(names, ", "), "")
	}
}

// registryPackage builds the command line of a package: the runner with its arguments, the package, the arguments of the server.
func (im *importer) registryPackage(p *object) bool {
	u := im.current
	id, version := p.text("identifier"), p.text("version")
	runner := map[string]string{"npm": "npx", "pypi": "uvx", "oci": "docker", "nuget": "dnx"}[p.text("registryType")]
	if id == "" || runner == "" {
		return false
	}
	if hint := p.text("runtimeHint"); hint != "" {
		runner = hint
	}
	im.registryEnv(p)
	u.Command = im.plain("command", runner)
	switch p.text("registryType") {
	case "npm":
		u.Args = append([]string{"-y"}, im.registryArgs(p.list("runtimeArguments"), "-y", "--yes")...)
		u.Args = append(u.Args, at(id, version, "@"))
	case "pypi":
		u.Args = append(im.registryArgs(p.list("runtimeArguments")), at(id, version, "=="))
	case "oci":
		u.Args = []string{"run", "-i", "--rm"}
		for _, name := range sortedKeys(u.Env) {
			u.Args = append(u.Args, "-e", name)
		}
		u.Args = append(u.Args, im.registryArgs(p.list("runtimeArguments"), "run", "-i", "--rm")...)
		if strings.Contains(id[strings.LastIndexByte(id, '/')+1:], ":") {
			version = ""
		}
		u.Args = append(u.Args, at(id, version, ":"))
	case "nuget":
		u.Args = append(im.registryArgs(p.list("runtimeArguments")), at(id, version, "@"), "--yes")
	}
	u.Args = append(u.Args, im.registryArgs(p.list("packageArguments"))...)
	im.argvRisks()
	return true
}

func at(id, version, separator string) string {
	if version == "" {
		return escapeText(id)
	}
	return escapeText(id + separator + version)
}

// registryArgs turns positional and named arguments into words. Words in without are already there.
func (im *importer) registryArgs(list []any, without ...string) []string {
	var words []string
	for _, v := range list {
		a, _ := v.(*object)
		name := a.text("name")
		label := name
		if label == "" {
			label = a.text("valueHint")
		}
		value, ok := im.registryValue(a, label)
		if a.text("type") == "named" && name != "" {
			if contains(without, name) || !ok && !a.isTrue("isRequired") && (a.get("value") != nil || a.text("format") != "" || a.get("default") != nil) {
				continue
			}
			words = append(words, escapeText(name))
		}
		if text, literal := isLiteral(value); ok && !(literal && contains(without, text)) {
			words = append(words, im.value("args", label, value))
		}
	}
	return words
}

func (im *importer) registryEnv(p *object) {
	var optional []string
	for _, v := range p.list("environmentVariables") {
		e, _ := v.(*object)
		name := e.text("name")
		if !validEnvName(name) {
			continue
		}
		value, ok := im.registryValue(e, name)
		if !ok {
			optional = append(optional, name)
			continue
		}
		if im.current.Env == nil {
			im.current.Env = map[string]string{}
		}
		im.current.Env[name] = im.value("env."+name, name, value)
	}
	im.optional("variables", optional)
}

// registryValue is the fixed value of an input, else its default, else a reference to an environment variable when it is
// required. ok is false for an optional input without a value.
func (im *importer) registryValue(in *object, name string) (value []piece, ok bool) {
	switch {
	case in.text("value") != "":
		return im.template(in.text("value"), in.object("variables")), true
	case in.text("default") != "" && !in.isTrue("isSecret"):
		return []piece{{text: in.text("default")}}, true
	case in.isTrue("isRequired"):
		return []piece{{ref: "env:" + im.wanted(name)}}, true
	default:
		return nil, false
	}
}

// wanted notes an environment variable that has to be set, named after an input.
func (im *importer) wanted(name string) string {
	variable := strings.Trim(strings.ToUpper(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(name, "_")), "_")
	if variable == "" || variable[0] >= '0' && variable[0] <= '9' {
		variable = "VALUE_" + variable
	}
	im.note(NoteTodo, im.current.Name, fmt.Sprintf("needs the environment variable %s", variable), "set it, or replace the reference in tollgate.yaml")
	return variable
}

// template replaces {name} in a URL or value.
func (im *importer) template(text string, variables *object) []piece {
	var out []piece
	for {
		at := regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_.-]*)\}`).FindStringSubmatchIndex(text)
		if at == nil {
			break
		}
		name := text[at[2]:at[3]]
		out = append(out, piece{text: text[:at[0]]})
		spec := variables.object(name)
		if v := spec.text("value"); v != "" {
			out = append(out, piece{text: v})
		} else if v := spec.text("default"); v != "" && !spec.isTrue("isSecret") {
			out = append(out, piece{text: v})
		} else {
			out = append(out, piece{ref: "env:" + im.wanted(name)})
		}
		text = text[at[1]:]
	}
	return append(out, piece{text: text})
}
