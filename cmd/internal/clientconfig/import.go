// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"tollgate/cmd/internal/config"
)

// Format is the format of a file to import. The names of clients are formats too.
type Format string

// The formats. FormatAuto looks at the file; FormatServers is the common {"mcpServers": {...}} of many clients.
const (
	FormatAuto          Format = ""
	FormatServers       Format = "mcpservers"
	FormatClaudeDesktop Format = "claude-desktop"
	FormatClaudeCode    Format = "claude-code"
	FormatCursor        Format = "cursor"
	FormatVSCode        Format = "vscode"
	FormatWindsurf      Format = "windsurf"
	FormatZed           Format = "zed"
	FormatCodex         Format = "codex"
	FormatGemini        Format = "gemini"
	FormatGoose         Format = "goose"
	FormatLMStudio      Format = "lmstudio"
	FormatJetBrains     Format = "jetbrains"
	FormatRegistry      Format = "registry" // server.json, or a reply of the registry's API
	FormatMCPB          Format = "mcpb"     // manifest.json, or the bundle itself
)

// Formats lists every format but FormatAuto.
func Formats() []Format {
	return []Format{FormatClaudeDesktop, FormatClaudeCode, FormatCursor, FormatVSCode, FormatWindsurf, FormatZed, FormatCodex, FormatGemini,
		FormatGoose, FormatLMStudio, FormatJetBrains, FormatServers, FormatRegistry, FormatMCPB}
}

// ImportOptions say how to read a file. The zero value is usable.
type ImportOptions struct {
	Format     Format
	File       string                                        // name of the file, a hint for FormatAuto; may be empty
	OS         string                                        // whose conventions apply, "" = this one
	Env        func(name string) (value string, set bool)    // for variables in command and dir, which hold no references; nil = os.LookupEnv
	Workspace  string                                        // what ${workspaceFolder} stands for; "" = unknown
	BundleDir  string                                        // where an MCPB bundle was unpacked; "" = not yet
	SecretsDir string                                        // relative to tollgate.yaml, "" = "secrets"
	Ask        func(in Input) (answer string, answered bool) // called for each input; nil = nobody is asked
}

// MaxImport is the largest file that Import reads, in bytes.
const MaxImport = 32 << 20

// Import reads the servers of a file. It fails when the file is not of the format, or of none that is known; what is wrong
// with single entries is in the notes.
func Import(data []byte, o *ImportOptions) (*Result, error) {
	if o == nil {
		o = &ImportOptions{}
	}
	if len(data) > MaxImport {
		return nil, fmt.Errorf("%d bytes are more than the limit of %d", len(data), MaxImport)
	}
	im := &importer{o: *o, result: &Result{}, secrets: map[string]string{}}
	im.defaults()
	if o.Format != FormatAuto && !slices.Contains(Formats(), o.Format) {
		return nil, unknownName("format", string(o.Format), Formats())
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if err := im.read(data); err != nil {
		return nil, err
	}
	if len(im.result.Upstreams) == 0 && len(im.result.Notes) == 0 {
		im.note(NoteRemark, "", "the file has no servers", "")
	}
	return im.result, nil
}

// importer collects the result of one Import.
type importer struct {
	o       ImportOptions
	result  *Result
	inputs  map[string]*object // VS Code inputs and MCPB user_config by id
	secrets map[string]string  // path -> value of the secrets so far
	current *Upstream          // entry that is being read; its name is final
}

func (im *importer) defaults() {
	if im.o.OS == "" {
		im.o.OS = runtime.GOOS
	}
	if im.o.Env == nil {
		im.o.Env = os.LookupEnv
	}
	if im.o.SecretsDir == "" {
		im.o.SecretsDir = "secrets"
	}
}

func (im *importer) note(kind NoteKind, upstream, text, hint string) {
	n := Note{Kind: kind, Upstream: upstream, Text: text, Hint: hint}
	if !slices.Contains(im.result.Notes, n) {
		im.result.Notes = append(im.result.Notes, n)
	}
}

// todo notes what is missing for the current entry to work and disables it.
func (im *importer) todo(text, hint string) {
	im.current.Disabled = true
	im.note(NoteTodo, im.current.Name, text, hint)
}

// read dispatches on the format, asked for or recognised.
func (im *importer) read(data []byte) error {
	if bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		manifest, err := readBundle(data)
		if err != nil {
			return err
		}
		data, im.o.Format = manifest, FormatMCPB
	}
	root, format, err := parseAny(data, im.o.Format)
	if err != nil {
		return err
	}
	im.result.Format = format
	switch format {
	case FormatCodex:
		return im.codex(root)
	case FormatGoose:
		return im.goose(root)
	case FormatRegistry:
		return im.registry(root)
	case FormatMCPB:
		return im.mcpb(root)
	default:
		format = refine(format, im.o.File)
		im.result.Format = format
		return im.servers(root, format)
	}
}

// parseAny parses data as the format, or recognises it by its syntax and its top-level keys.
func parseAny(data []byte, format Format) (*object, Format, error) {
	switch format {
	case FormatCodex:
		root, err := parseTOML(data)
		return root, format, err
	case FormatGoose:
		root, err := parseYAML(data)
		return root, format, err
	case FormatAuto:
	default:
		root, err := parseJSON(data)
		return root, format, err
	}
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 {
		return nil, "", errors.New("the file is empty")
	}
	if trimmed[0] == '{' || trimmed[0] == '/' {
		root, err := parseJSON(data)
		if err != nil {
			return nil, "", err
		}
		format, ok := recognise(root)
		if !ok {
			return nil, "", noServers()
		}
		return root, format, nil
	}
	if root, err := parseTOML(data); err == nil && root.get("mcp_servers") != nil {
		return root, FormatCodex, nil
	}
	if root, err := parseYAML(data); err == nil && root.get("extensions") != nil {
		return root, FormatGoose, nil
	}
	return nil, "", noServers()
}

func noServers() error {
	return errors.New(`no servers found: expected "mcpServers", "servers", "context_servers", "mcp_servers" (TOML), "extensions" (YAML), a server.json or an MCPB manifest`)
}

// recognise tells JSON formats apart by their top-level keys.
func recognise(root *object) (Format, bool) {
	has := func(key string) bool { return root.get(key) != nil }
	switch {
	case (has("manifest_version") || has("dxt_version")) && has("server"):
		return FormatMCPB, true
	case has("mcpServers"):
		return FormatServers, true
	case has("context_servers"):
		return FormatZed, true
	case root.object("servers") != nil || root.object("mcp").object("servers") != nil:
		return FormatVSCode, true
	case root.list("servers") != nil, root.object("server") != nil, has("packages"), has("remotes"):
		return FormatRegistry, true
	case bareServers(root):
		return FormatServers, true
	default:
		return "", false
	}
}

// bareServers recognises the inner part of {"mcpServers": {...}}, which people paste too.
func bareServers(root *object) bool {
	for _, key := range root.keys {
		s := root.object(key)
		if s == nil || s.get("command") == nil && s.get("url") == nil && s.get("serverUrl") == nil && s.get("httpUrl") == nil {
			return false
		}
	}
	return len(root.keys) > 0
}

// refine guesses the client behind a {"mcpServers": {...}} from the name of its file.
func refine(format Format, file string) Format {
	if format != FormatServers {
		return format
	}
	file = strings.ReplaceAll(file, `\`, "/")
	base := file[strings.LastIndexByte(file, '/')+1:]
	switch {
	case base == "claude_desktop_config.json":
		return FormatClaudeDesktop
	case strings.Contains(file, ".gemini/"):
		return FormatGemini
	case strings.Contains(file, ".cursor/"):
		return FormatCursor
	case strings.Contains(file, ".codeium/"):
		return FormatWindsurf
	case base == ".claude.json" || base == ".mcp.json":
		return FormatClaudeCode
	default:
		return FormatServers
	}
}

// unknownName is the error for a name that is not in a list.
func unknownName[T ~string](noun, name string, known []T) error {
	var names []string
	for _, k := range known {
		names = append(names, string(k))
	}
	text := fmt.Sprintf("unknown %s %q; known: %s", noun, name, strings.Join(names, ", "))
	if match, ok := config.Closest(name, names); ok {
		text += fmt.Sprintf(" (did you mean %q?)", match)
	}
	return errors.New(text)
}
