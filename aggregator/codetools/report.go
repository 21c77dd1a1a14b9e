// SPDX-License-Identifier: Apache-2.0

package codetools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"tollgate/codemode"
)

const (
	// maxTail bounds what a failure says of the log, in bytes, maxMade the calls that it lists one by one.
	maxTail = 2 << 10
	maxMade = 50
	// maxPath bounds what is said of a name that a program called, in bytes.
	maxPath = 200
)

// report is the result of a program for the model: what it returned and logged, or how it failed.
func (r *run) report(res *codemode.Result) []byte {
	if res.Failure != nil {
		return result(true, string(r.failed(res)))
	}
	texts := []string{value(res)}
	if logs := logged(res, 0); logs != "" {
		texts = append(texts, "log:\n"+logs)
	}
	if len(res.Detached) > 0 {
		texts = append(texts, fmt.Sprintf("warning: calls %s were not awaited and were cancelled; await every call", numbers(res.Detached)))
	}
	return result(false, texts...)
}

// value is what a program returned: a text as it is, all else as JSON.
func value(res *codemode.Result) string {
	if res.Empty {
		return "(the program returned nothing: return what you need)"
	}
	var s string
	if json.Unmarshal(res.Value, &s) == nil && len(res.Value) > 0 && res.Value[0] == '"' {
		return s
	}
	return string(res.Value)
}

// logged is what the program logged, the last of it when most is above 0.
func logged(res *codemode.Result, most int) string {
	var b strings.Builder
	for _, line := range res.Logs {
		if line.Level != "" && line.Level != "log" {
			b.WriteString(line.Level + ": ")
		}
		b.WriteString(line.Text)
		b.WriteByte('\n')
	}
	if res.LogsDropped > 0 {
		fmt.Fprintf(&b, "(%d more lines were dropped)\n", res.LogsDropped)
	}
	text := strings.TrimSuffix(b.String(), "\n")
	if most > 0 && len(text) > most {
		text = "…" + strings.ToValidUTF8(text[len(text)-most:], "")
	}
	return text
}

// problem is a failure as a model reads it.
type problem struct {
	Kind       string `json:"kind"`
	Message    string `json:"message"`
	Line       int    `json:"line,omitempty"`
	Column     int    `json:"column,omitempty"`
	SourceLine string `json:"source_line,omitempty"`
	Hint       string `json:"hint,omitempty"`
	CallsMade  []made `json:"calls_made"`
	MoreCalls  int    `json:"more_calls,omitempty"`
	LogsTail   string `json:"logs_tail,omitempty"`
}

type made struct {
	Seq    int    `json:"seq"`
	Tool   string `json:"tool"`
	Status string `json:"status"`
	Code   string `json:"code,omitempty"`
}

// failed is a failure with what was done before it, so that nothing is done twice.
func (r *run) failed(res *codemode.Result) []byte {
	f := res.Failure
	p := problem{
		Kind: string(f.Kind), Message: f.Message, Line: f.Line, Column: f.Column, SourceLine: f.SourceLine, Hint: r.hint(f), CallsMade: []made{},
		LogsTail: logged(res, maxTail),
	}
	for _, c := range res.Calls[:min(len(res.Calls), maxMade)] {
		p.CallsMade = append(p.CallsMade, made{c.Seq, clip(c.Server+"."+c.Tool, maxPath), string(c.Status), c.Code})
	}
	p.MoreCalls = len(res.Calls) - len(p.CallsMade)
	if p.Hint == "" && len(res.Calls) > 0 {
		p.Hint = "calls_made have taken effect: do not repeat those that write"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{"error": p}); err != nil {
		return []byte(f.Message)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// hint is what to do about a failure. A global that is not there may be a server of another name.
func (r *run) hint(f *codemode.Failure) string {
	name, ok := strings.CutSuffix(f.Message, " is not defined")
	if !ok {
		return f.Hint
	}
	name = name[strings.LastIndexAny(name, " :'")+1:]
	for _, g := range r.surface.servers {
		if distance(name, g) <= max(1, len(g)/4) {
			return fmt.Sprintf("did you mean %s? %s", g, f.Hint)
		}
	}
	return strings.TrimSpace(fmt.Sprintf("servers: %s. %s", clip(strings.Join(r.surface.servers, ", "), 500), f.Hint))
}

// numbers are those of calls.
func numbers(seqs []int) string {
	var all []string
	for _, n := range seqs[:min(len(seqs), maxMade)] {
		all = append(all, fmt.Sprint(n))
	}
	return strings.Join(all, ", ")
}
