// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Mode is how a client reaches the gateway.
type Mode string

const (
	ModeStdio Mode = "stdio" // the client starts "tollgate stdio"
	ModeHTTP  Mode = "http"  // the client connects to the endpoint with a key
)

// client is what is known about a program that uses MCP servers.
type client struct {
	name  Format
	title string
	kind  string                         // of its file: json, toml or yaml
	root  string                         // top-level key of the servers
	files map[string][]string            // by operating system; "" = all others. The first one is the user's
	entry func(o *RenderOptions) *object // the value under the root key
	extra func(o *RenderOptions) *object // further top-level members; may be nil
	note  func(o *RenderOptions) string
}

// Clients lists the clients that [Render] knows, in the order of the help text.
func Clients() []string {
	var names []string
	for _, c := range clients() {
		names = append(names, string(c.name))
	}
	return names
}

func clients() []client {
	everywhere := func(files ...string) map[string][]string { return map[string][]string{"": files} }
	return []client{
		{name: FormatClaudeDesktop, title: "Claude Desktop", kind: "json", root: "mcpServers",
			files: map[string][]string{
				"darwin":  {"~/Library/Application Support/Claude/claude_desktop_config.json"},
				"windows": {`%APPDATA%\Claude\claude_desktop_config.json`},
				"":        {"~/.config/Claude/claude_desktop_config.json"},
			},
			entry: bridged(stdioEntry),
			note: func(o *RenderOptions) string {
				if o.Mode == ModeHTTP {
					return "This file knows no URLs, so the client starts a bridge. Put a key in place of " + keyPlaceholder + ", and restart Claude Desktop."
				}
				return "Restart Claude Desktop afterwards."
			}},
		{name: FormatClaudeCode, title: "Claude Code", kind: "json", root: "mcpServers", files: everywhere(".mcp.json", "~/.claude.json"),
			entry: either(stdioEntry, remoteEntry("url", "http", "Bearer ${%s}")), note: keyFromEnv},
		{name: FormatCursor, title: "Cursor", kind: "json", root: "mcpServers", files: everywhere("~/.cursor/mcp.json", ".cursor/mcp.json"),
			entry: either(stdioEntry, remoteEntry("url", "", "Bearer ${env:%s}")), note: keyFromEnv},
		{name: FormatVSCode, title: "VS Code", kind: "json", root: "servers",
			files: map[string][]string{
				"darwin":  {"~/Library/Application Support/Code/User/mcp.json", ".vscode/mcp.json"},
				"windows": {`%APPDATA%\Code\User\mcp.json`, ".vscode/mcp.json"},
				"":        {"~/.config/Code/User/mcp.json", ".vscode/mcp.json"},
			},
			entry: either(typed(stdioEntry), remoteEntry("url", "http", "Bearer ${input:tollgate_key}")), extra: vscodeInputs,
			note: func(o *RenderOptions) string {
				if o.Mode == ModeHTTP {
					return "VS Code asks for the key once and keeps it."
				}
				return ""
			}},
		{name: FormatWindsurf, title: "Windsurf", kind: "json", root: "mcpServers", files: everywhere("~/.codeium/windsurf/mcp_config.json", "~/.codeium/mcp_config.json"),
			entry: either(stdioEntry, remoteEntry("serverUrl", "", "Bearer ${env:%s}")),
			note: func(o *RenderOptions) string {
				return strings.TrimSpace("Windsurf uses at most 100 tools in total; a role or toolset with fewer helps. " + keyFromEnv(o))
			}},
		{name: FormatZed, title: "Zed", kind: "json", root: "context_servers",
			files: map[string][]string{"windows": {`%APPDATA%\Zed\settings.json`, ".zed/settings.json"}, "": {"~/.config/zed/settings.json", ".zed/settings.json"}},
			entry: either(stdioEntry, remoteEntry("url", "", "Bearer "+keyPlaceholder)), note: keyLiteral},
		{name: FormatCodex, title: "Codex", kind: "toml", root: "mcp_servers", files: everywhere("~/.codex/config.toml", ".codex/config.toml"),
			entry: either(stdioEntry, func(o *RenderOptions) *object {
				return newObject().set("url", o.URL).set("bearer_token_env_var", o.KeyVariable)
			}), note: keyFromEnv},
		{name: FormatGemini, title: "Gemini CLI", kind: "json", root: "mcpServers", files: everywhere("~/.gemini/settings.json", ".gemini/settings.json"),
			entry: either(stdioEntry, remoteEntry("httpUrl", "", "Bearer ${%s}")), note: keyFromEnv},
		{name: FormatGoose, title: "Goose", kind: "yaml", root: "extensions",
			files: map[string][]string{"windows": {`%APPDATA%\Block\goose\config\config.yaml`}, "": {"~/.config/goose/config.yaml"}},
			entry: gooseEntry, note: keyLiteral},
		{name: FormatLMStudio, title: "LM Studio", kind: "json", root: "mcpServers", files: everywhere("~/.lmstudio/mcp.json"),
			entry: either(stdioEntry, remoteEntry("url", "", "Bearer "+keyPlaceholder)), note: keyLiteral},
		{name: FormatJetBrains, title: "JetBrains AI Assistant", kind: "json", root: "mcpServers", files: everywhere("Settings > Tools > AI Assistant > Model Context Protocol", ".air/mcp.json", ".mcp.json"),
			entry: either(stdioEntry, remoteEntry("url", "", "Bearer "+keyPlaceholder)),
			note: func(o *RenderOptions) string {
				return strings.TrimSpace("Paste it as JSON in the dialog for a new server. " + keyLiteral(o))
			}},
	}
}

// findClient looks a client up by name.
func findClient(name string) (client, error) {
	all := clients()
	i := slices.IndexFunc(all, func(c client) bool { return string(c.name) == name })
	if i < 0 {
		return client{}, unknownName("client", name, Clients())
	}
	return all[i], nil
}

// Locations are the places where a client looks for its file on an operating system ("" = this one), the user's own first.
// "~" stands for the home directory, %NAME% for a variable of Windows; names without either are relative to a project.
func Locations(name, goos string) ([]string, error) {
	c, err := findClient(name)
	if err != nil {
		return nil, err
	}
	if goos == "" {
		goos = runtime.GOOS
	}
	if files, ok := c.files[goos]; ok {
		return files, nil
	}
	files := slices.Clone(c.files[""])
	if goos == "windows" {
		for i, f := range files {
			if rest, ok := strings.CutPrefix(f, "~/"); ok {
				files[i] = `%USERPROFILE%\` + strings.ReplaceAll(rest, "/", `\`)
			}
		}
	}
	return files, nil
}

// ExpandLocation makes a location a path with the variables of env. ok is false when it is no path or a variable is missing.
func ExpandLocation(location string, env func(name string) (string, bool)) (path string, ok bool) {
	if strings.Contains(location, " > ") {
		return "", false
	}
	if rest, found := strings.CutPrefix(location, "~/"); found {
		home, set := env("HOME")
		return strings.TrimRight(home, "/") + "/" + rest, set && home != ""
	}
	if name, rest, found := strings.Cut(strings.TrimPrefix(location, "%"), "%"); found && strings.HasPrefix(location, "%") {
		value, set := env(name)
		return value + rest, set && value != ""
	}
	return location, true
}

func keyFromEnv(o *RenderOptions) string {
	if o.Mode != ModeHTTP {
		return ""
	}
	return fmt.Sprintf("Set %s to a key (tollgate key create) where the client is started.", o.KeyVariable)
}

func keyLiteral(o *RenderOptions) string {
	if o.Mode != ModeHTTP {
		return ""
	}
	return "Put a key (tollgate key create) in place of " + keyPlaceholder + "; this client knows no variables here."
}
