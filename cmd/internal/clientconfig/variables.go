// SPDX-License-Identifier: Apache-2.0

package clientconfig

import (
	"fmt"
	"regexp"
	"strings"

	"tollgate/cmd/internal/config"
)

// piece is a part of a string of a client: literal text, or the body of a reference ("env:NAME").
type piece struct{ text, ref string }

// pieces splits a string of the imported file at its variables. Those that mean nothing outside the client stay literal, and
// the entry is disabled with a note.
func (im *importer) pieces(s string, bareDollar bool) []piece {
	var out []piece
	literal := func(text string) {
		if text == "" {
			return
		}
		if n := len(out); n > 0 && out[n-1].ref == "" {
			out[n-1].text += text
			return
		}
		out = append(out, piece{text: text})
	}
	for s != "" {
		i := strings.IndexByte(s, '$')
		if i < 0 {
			break
		}
		literal(s[:i])
		s = s[i:]
		if bareDollar {
			if name := regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)`).FindStringSubmatch(s); name != nil {
				out = append(out, piece{ref: "env:" + name[1]})
				s = s[len(name[0]):]
				continue
			}
		}
		end := strings.IndexByte(s, '}')
		if !strings.HasPrefix(s, "${") || end < 0 {
			literal(s[:1])
			s = s[1:]
			continue
		}
		for _, p := range im.variable(s[2:end]) {
			if p.ref == "" {
				literal(p.text)
				continue
			}
			out = append(out, p)
		}
		s = s[end+1:]
	}
	literal(s)
	return out
}

// variable translates the inside of ${...}.
func (im *importer) variable(body string) []piece {
	scheme, rest, _ := strings.Cut(body, ":")
	switch {
	case validReference(body) && (scheme == "env" || scheme == "file" || scheme == "keyring"):
		return []piece{{ref: body}}
	case validReference("env:" + body):
		switch body {
		case "userHome":
			return im.home()
		case "workspaceFolder", "workspaceRoot":
			return im.known(body, im.o.Workspace, "the folder that is open in the editor")
		case "workspaceFolderBasename":
			return im.known(body, im.o.Workspace[strings.LastIndexAny(im.o.Workspace, `/\`)+1:], "the folder that is open in the editor")
		case "__dirname":
			return im.known(body, im.o.BundleDir, "the folder of the unpacked bundle")
		case "pathSeparator":
			return []piece{{text: im.separator()}}
		case "HOME":
			return im.home()
		case "DESKTOP", "DOCUMENTS", "DOWNLOADS":
			if im.result.Format == FormatMCPB {
				return append(im.home(), piece{text: im.separator() + body[:1] + strings.ToLower(body[1:])})
			}
		}
		return []piece{{ref: "env:" + body}}
	case scheme == "input":
		return im.input(rest)
	case strings.HasPrefix(body, "user_config."):
		return im.input(strings.TrimPrefix(body, "user_config."))
	case body == "/":
		return []piece{{text: im.separator()}}
	default:
		return im.known(body, "", "something that only the client knows")
	}
}

// validReference reports whether ${body} is a reference of tollgate.yaml.
func validReference(body string) bool { return config.ValidReference("${" + body + "}") }

// known is a variable with a fixed value; without one the entry has to be completed by hand.
func (im *importer) known(body, value, meaning string) []piece {
	if value != "" {
		return []piece{{text: value}}
	}
	shown := "..." // what is no variable at all may be part of a password
	if regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.:/-]*$`).MatchString(body) {
		shown = body
	}
	im.todo(fmt.Sprintf("${%s} stands for %s", shown, meaning), "replace it in tollgate.yaml, then remove \"disabled: true\"")
	return []piece{{text: "${" + body + "}"}}
}

func (im *importer) home() []piece {
	if im.o.OS == "windows" {
		return []piece{{ref: "env:USERPROFILE"}}
	}
	return []piece{{ref: "env:HOME"}}
}

func (im *importer) separator() string {
	if im.o.OS == "windows" {
		return `\`
	}
	return "/"
}

// join writes pieces in the syntax of tollgate.yaml.
func (im *importer) join(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		if p.ref != "" {
			if strings.HasSuffix(b.String(), "$") {
				im.todo(`a "$" right before a variable cannot be written in tollgate.yaml`, "put both into one variable")
			}
			b.WriteString("${" + p.ref + "}")
		} else {
			b.WriteString(config.Escape(p.text))
		}
	}
	return b.String()
}

// isLiteral reports whether no piece is a reference, and returns the text then.
func isLiteral(pieces []piece) (string, bool) {
	text := ""
	for _, p := range pieces {
		if p.ref != "" {
			return "", false
		}
		text += p.text
	}
	return text, true
}

// plain resolves a string for a field without references (command, dir): variables get the value they have at this moment.
func (im *importer) plain(field, s string) string {
	var b strings.Builder
	if rest, ok := strings.CutPrefix(s, "~/"); ok {
		s = "${HOME}/" + rest
	}
	for _, p := range im.pieces(s, false) {
		if p.ref == "" {
			b.WriteString(p.text)
			continue
		}
		scheme, name, _ := strings.Cut(p.ref, ":")
		name, fallback, _ := strings.Cut(name, ":-")
		value, _ := im.o.Env(name)
		if value == "" {
			value = fallback
		}
		if scheme != "env" || value == "" {
			im.todo(fmt.Sprintf("%s refers to ${%s}, which has no value here", field, p.ref), fmt.Sprintf("write the full %s in tollgate.yaml, then remove \"disabled: true\"", field))
			b.WriteString(name)
			continue
		}
		im.note(NoteRemark, im.current.Name, fmt.Sprintf("%s: ${%s} was replaced by its value of today", field, p.ref), "")
		b.WriteString(value)
	}
	return strings.ReplaceAll(b.String(), "${", "{")
}

// input translates a value that the client asks its user for.
func (im *importer) input(id string) []piece {
	spec := im.inputs[id]
	in := Input{ID: id, Description: spec.text("description"), Default: scalarText(spec.get("default")),
		Confidential: spec.isTrue("password") || spec.isTrue("sensitive"),
		Reference:    "${keyring:tollgate/" + ValidName(id) + "}"}
	if in.Description == "" {
		in.Description = spec.text("title")
	}
	if im.o.Ask != nil {
		if answer, ok := im.o.Ask(in); ok && answer != "" {
			if in.Confidential {
				return []piece{{ref: strings.Trim(im.move("input."+id, id, answer), "${}")}}
			}
			return []piece{{text: answer}}
		}
	}
	if in.Default != "" && !in.Confidential {
		return []piece{{text: in.Default}}
	}
	known := false
	for _, other := range im.result.Inputs {
		known = known || other.ID == id
	}
	if !known {
		im.result.Inputs = append(im.result.Inputs, in)
	}
	im.note(NoteTodo, im.current.Name, fmt.Sprintf("the client asks for %q", id), "store it in the keyring as "+strings.Trim(strings.TrimPrefix(in.Reference, "${keyring:"), "}")+", or replace the reference in tollgate.yaml")
	return []piece{{ref: strings.Trim(in.Reference, "${}")}}
}
