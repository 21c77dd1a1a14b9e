// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"slices"
	"strings"

	"tollgate/aggregator/redact"
	"tollgate/policy"
	"tollgate/store/audit"
	"tollgate/upstream/wire"
)

// DurabilityAuto is strict for what may change something and async for what only reads, see [RecordingOptions].
const DurabilityAuto = "auto"

// RecordingOptions say how calls are recorded. nil and the zero value record everything strictly, with all arguments.
type RecordingOptions struct {
	// Durability is auto, or a class of package audit; "" = auto: strict, but async for reads of resources, prompts and
	// completions, and for tools that ReadOnly names.
	Durability string
	Arguments  string // full or digest; "" = full
	// ReadOnly are patterns of tools that are trusted when they say readOnlyHint. A crash in the middle of such a call
	// charges nothing.
	ReadOnly []string
	Rules    []RecordingRule
}

// RecordingRule is an exception for some objects. The first rule that is about an object and says something counts, for
// durability and for arguments apart.
type RecordingRule struct {
	For        []string // patterns; none = everything
	Durability string
	Arguments  string   // full, redacted or digest
	Redact     []string // JSON pointers into the arguments, see package redact; makes Arguments redacted
}

// RecordingError is a mistake in [RecordingOptions].
type RecordingError struct {
	Rule  int    // index in Rules; -1 = the options themselves
	Field string // durability, arguments, read_only, for or redact
	Index int    // in the list of Field; -1 = Field is no list
	// Message says what is wrong, Hint how to write it; it may be "".
	Message, Hint string
}

// Error implements error.
func (e *RecordingError) Error() string {
	at := e.Field
	if e.Rule >= 0 {
		at = fmt.Sprintf("rules[%d].%s", e.Rule, e.Field)
	}
	if e.Index >= 0 {
		at += fmt.Sprintf("[%d]", e.Index)
	}
	return at + ": " + e.Message
}

// RecordingErrors are all mistakes in [RecordingOptions].
type RecordingErrors []*RecordingError

// Error implements error.
func (e RecordingErrors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Recording says for each object how its calls are recorded. It never changes and is safe for concurrent use; a nil
// Recording is that of no options.
type Recording struct {
	durability, level string
	readOnly          []*policy.Pattern
	rules             []recordingRule
}

type recordingRule struct {
	patterns          []*policy.Pattern
	durability, level string
	pointers          []string
}

// NewRecording compiles o. The error is a [RecordingErrors].
func NewRecording(o *RecordingOptions) (*Recording, error) {
	if o == nil {
		o = &RecordingOptions{}
	}
	var c recordingCheck
	c.rule = -1
	r := &Recording{
		durability: c.word("durability", o.Durability, DurabilityAuto, string(audit.Strict), string(audit.Durable), string(audit.Async)),
		level:      c.word("arguments", o.Arguments, audit.LevelFull, audit.LevelDigest),
		readOnly:   c.patterns("read_only", o.ReadOnly),
	}
	for i := range o.Rules {
		c.rule = i
		r.rules = append(r.rules, c.compile(&o.Rules[i]))
	}
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	return r, nil
}

// Recorded says how the calls of one object are recorded.
type Recorded struct {
	Class audit.Class
	Level string // of the arguments: one of those of package audit
	// Release says that the object is trusted to change nothing: what a call of it held is given back when it is not known
	// what became of it.
	Release bool

	auto     bool // Class was not chosen by name
	pointers []string
	rule     *redact.Rule // of Level redacted
}

// For says how calls of o are recorded.
func (r *Recording) For(o *policy.Object) *Recorded {
	out := &Recorded{Level: audit.LevelFull, Release: r.trusted(o)}
	durability := DurabilityAuto
	if r != nil {
		durability, out.Level = r.durability, r.level
		fits := func(rule recordingRule) bool { return len(rule.patterns) == 0 || matchAny(rule.patterns, o) }
		if i := slices.IndexFunc(r.rules, func(x recordingRule) bool { return x.durability != "" && fits(x) }); i >= 0 {
			durability = r.rules[i].durability
		}
		if i := slices.IndexFunc(r.rules, func(x recordingRule) bool { return x.level != "" && fits(x) }); i >= 0 {
			out.Level, out.pointers = r.rules[i].level, r.rules[i].pointers
		}
	}
	out.Class, out.auto = audit.Class(durability), durability == DurabilityAuto
	switch {
	case out.auto && out.Release:
		out.Class = audit.Async
	case out.auto:
		out.Class = audit.Strict
	}
	out.compile()
	return out
}

// trusted reports whether calls of o are trusted to change nothing. What a tool says of itself counts only where the
// operator said so.
func (r *Recording) trusted(o *policy.Object) bool {
	if o.Kind != "tool" {
		return true
	}
	says := func(hint string) bool {
		raw, _ := wire.Lookup(o.Annotations, hint)
		return string(raw) == "true"
	}
	return r != nil && says("readOnlyHint") && !says("destructiveHint") && matchAny(r.readOnly, o)
}

func matchAny(patterns []*policy.Pattern, o *policy.Object) bool {
	return slices.ContainsFunc(patterns, func(p *policy.Pattern) bool { return p.Match(o) })
}

// compile makes the rule that takes the pointers away. One that cannot be made leaves the digest only.
func (r *Recorded) compile() {
	if r.Level != audit.LevelRedacted {
		return
	}
	var err error
	if r.rule, err = redact.Compile(&policy.Obligations{Redact: r.pointers}); err != nil {
		r.Level = audit.LevelDigest // the pointers have been checked
	}
}

// without is r that does not keep the values at more pointers either.
func (r *Recorded) without(pointers []string) *Recorded {
	if len(pointers) == 0 || r.Level == audit.LevelDigest {
		return r
	}
	out := *r
	out.Level, out.pointers = audit.LevelRedacted, slices.Concat(r.pointers, pointers)
	out.compile()
	return &out
}

// class is how durable the records of a call of method are: asking after a task changes nothing. It is async where nobody
// knows what was meant.
func (r *Recorded) class(method string) audit.Class {
	if r == nil || r.auto && method == MethodGetTask {
		return audit.Async
	}
	return r.Class
}

func (r *Recorded) releases() bool { return r != nil && r.Release }

// queued is r for what must not wait for the disk.
func (r *Recorded) queued() *Recorded {
	out := *r
	out.Class, out.auto = audit.Async, false
	return &out
}
