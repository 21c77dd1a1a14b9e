// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"errors"
	"fmt"
	"time"
)

// goose reads the extensions of config.yaml.
func (im *importer) goose(root *object) error {
	extensions := root.object("extensions")
	if extensions == nil {
		return errors.New(`the file has no "extensions"`)
	}
	for _, name := range extensions.keys {
		e := extensions.object(name)
		if e == nil {
			im.note(NoteSkipped, name, "not a mapping", "")
			continue
		}
		im.gooseExtension(name, e)
	}
	return nil
}

func (im *importer) gooseExtension(name string, e *object) {
	if inner := e.object("config"); inner != nil { // older files nest everything but enabled
		if e.get("enabled") != nil {
			inner.put("enabled", e.get("enabled"))
		}
		e = inner
	}
	u := im.begin(name)
	read := &reader{im: im, o: e, used: map[string]bool{}, bareDollar: true}
	read.use("type", "name", "description", "display_name", "enabled", "bundled", "args", "envs")
	switch kind := e.text("type"); kind {
	case "stdio":
		if read.text("cmd", "command") == "" {
			im.skip("no cmd is set")
			return
		}
		im.process(read.text("cmd", "command"), e.get("args"), nil, false)
	case "streamable_http", "sse":
		url := read.text("uri", "url")
		if kind == "streamable_http" {
			kind = "http"
		}
		if url == "" {
			im.skip("no uri is set")
			return
		}
		if !im.remote(url, kind, read.object("headers"), true) {
			return
		}
	default:
		im.skip(fmt.Sprintf("extensions of type %q are part of Goose", kind))
		return
	}
	if u.Command != "" {
		im.gooseVariables(read)
	}
	u.Disabled = u.Disabled || e.get("enabled") == false
	u.Timeout = read.seconds("timeout", time.Second)
	for _, v := range read.list("available_tools") {
		u.Tools = append(u.Tools, escapePattern(scalarText(v)))
	}
	read.use("env_keys", "envs", "cwd")
	im.finish(read)
}

// gooseVariables takes literal variables as they are; those that Goose keeps in its keyring become environment variables, since
// its keyring entry holds them all in one text.
func (im *importer) gooseVariables(read *reader) {
	if envs := read.object("envs"); envs != nil {
		for _, key := range envs.keys {
			im.setEnv(key, envs.text(key), false)
		}
	}
	for _, v := range read.list("env_keys") {
		key := scalarText(v)
		if _, set := im.current.Env[key]; set || !validEnvName(key) {
			continue
		}
		im.setEnv(key, "${"+key+"}", false)
		im.note(NoteTodo, im.current.Name, fmt.Sprintf("Goose keeps %s in its keyring", key), "set the environment variable, or store it as ${keyring:tollgate/...}")
	}
}
