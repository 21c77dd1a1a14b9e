// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"fmt"
	"io"
	"time"
)

// Upstream is an imported MCP server in the terms of tollgate.yaml. URL, Args, Env and Headers are in the syntax of the
// file: they may hold references, and a literal "${" is escaped.
type Upstream struct {
	Name         string // valid and unique within the result
	Source       string // name in the imported file
	Command      string
	Args         []string
	Env          map[string]string
	Dir          string
	URL          string
	Transport    string // "" unless it differs from what command or url imply; "sse"
	Headers      map[string]string
	Tools        []string
	Timeout      time.Duration // 0 = not given
	StartTimeout time.Duration // 0 = not given
	Disabled     bool
}

// NoteKind says how a [Note] is meant.
type NoteKind string

const (
	NoteRemark  NoteKind = "note"    // worth knowing
	NoteRisk    NoteKind = "risk"    // look at this before the server is started
	NoteTodo    NoteKind = "todo"    // the upstream does not work until this is done
	NoteSkipped NoteKind = "skipped" // the entry was not imported
)

// Note is a remark about one imported entry, or about the file when Upstream is empty.
type Note struct {
	Kind     NoteKind `json:"kind"`
	Upstream string   `json:"upstream,omitempty"` // name in the result; for NoteSkipped the name in the imported file
	Text     string   `json:"text"`
	Hint     string   `json:"hint,omitempty"`
}

// Input is a value that a client asks its user for. Until it is answered, the upstream refers to Reference.
type Input struct {
	ID           string
	Description  string
	Default      string
	Confidential bool
	Reference    string // for example "${keyring:tollgate/api_key}"
}

// Secret is a credential that was written out in the imported file. It prints as "***".
type Secret struct {
	Upstream string
	Field    string // for example "env.GITHUB_TOKEN"
	Path     string // slash-separated file name relative to tollgate.yaml
	value    string
}

// Value is the credential. Do not print or log it.
func (s Secret) Value() string { return s.value }

// Reference is the text that stands for the secret in tollgate.yaml.
func (s Secret) Reference() string { return "${file:" + s.Path + "}" }

// String is "***".
func (s Secret) String() string { return "***" }

// Format implements [fmt.Formatter], so that %#v does not show the value either.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// Result is what [Import] found. Nothing of it has been written anywhere.
type Result struct {
	Format    Format
	Upstreams []Upstream
	Secrets   []Secret
	Inputs    []Input
	Notes     []Note
}
