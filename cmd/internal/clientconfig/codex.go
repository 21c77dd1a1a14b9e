// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"fmt"
	"strconv"
	"time"
)

// codex reads the mcp_servers tables of config.toml.
func (im *importer) codex(root *object) error {
	servers := root.object("mcp_servers")
	if servers == nil {
		return errNoTable
	}
	for _, name := range servers.keys {
		s := servers.object(name)
		if s == nil {
			im.note(NoteSkipped, name, "not a table", "")
			continue
		}
		im.codexServer(name, s)
	}
	return nil
}

func (im *importer) codexServer(name string, s *object) {
	u := im.begin(name)
	read := &reader{im: im, o: s, used: map[string]bool{}}
	switch {
	case read.text("command") != "":
		im.process(read.text("command"), s.get("args"), s.get("env"), false)
		read.use("args", "env")
		for _, v := range read.list("env_vars") {
			variable := scalarText(v)
			if spec, ok := v.(*object); ok {
				variable = spec.text("name")
			}
			if variable != "" {
				im.setEnv(variable, "${"+variable+"}", false)
			}
		}
		u.Dir = im.plain("dir", read.text("cwd"))
	case read.text("url") != "":
		if !im.remote(read.text("url"), "", read.object("http_headers"), false) {
			return
		}
		im.codexHeaders(read)
	default:
		im.skip("neither a command nor a URL is set")
		return
	}
	u.Disabled = u.Disabled || s.get("enabled") == false
	u.StartTimeout = read.seconds("startup_timeout_sec", time.Second)
	if u.StartTimeout == 0 {
		u.StartTimeout = read.seconds("startup_timeout_ms", time.Millisecond)
	}
	u.StartTimeout = min(u.StartTimeout, time.Hour)
	u.Timeout = read.seconds("tool_timeout_sec", time.Second)
	for _, v := range read.list("enabled_tools") {
		u.Tools = append(u.Tools, escapePattern(scalarText(v)))
	}
	var hidden []string
	for _, v := range read.list("disabled_tools") {
		hidden = append(hidden, scalarText(v))
	}
	im.excluded(hidden)
	read.use("enabled", "required")
	im.finish(read)
}

func (im *importer) codexHeaders(read *reader) {
	if variable := read.text("bearer_token_env_var"); validEnvName(variable) {
		im.setHeader("Authorization", []piece{{text: "Bearer "}, {ref: "env:" + variable}})
	}
	if headers := read.object("env_http_headers"); headers != nil {
		for _, key := range headers.keys {
			if variable := headers.text(key); validEnvName(variable) {
				im.setHeader(key, []piece{{ref: "env:" + variable}})
			} else {
				im.todo(fmt.Sprintf("header %q names no variable", key), "")
			}
		}
	}
	if read.text("bearer_token") != "" {
		im.setHeader("Authorization", []piece{{text: "Bearer " + read.text("bearer_token")}})
	}
}

// seconds reads a number of the given unit; 0 when it is absent.
func (r *reader) seconds(key string, unit time.Duration) time.Duration {
	n, err := strconv.ParseFloat(r.text(key), 64)
	if err != nil {
		return 0
	}
	return clampTimeout(n, unit)
}
