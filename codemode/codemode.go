// SPDX-License-Identifier: Apache-2.0

package codemode

import (
	"context"
	"encoding/json"
	"time"
)

// Program is what [Engine.Run] executes.
type Program struct {
	Source  string   // as the model wrote it: TypeScript, fenced or not, a body or an async function
	Servers []string // names of globals, as package declare makes them

	// Call executes a call of the script. It is called concurrently, at most Limits.Concurrent times at once, and must return
	// soon after its context has ended: the execution waits for it.
	Call func(ctx context.Context, c *Call) Answer

	Builtins []Builtin // functions beside servers, whose calls have the server "tools"
	Limits   Limits    // zero fields: those of the engine
	Fixed    *Fixed    // a clock and random numbers that repeat; nil: the real clock, and other numbers each time
}

// Builtin is a function beside servers.
type Builtin struct {
	Name string // tools.<name>, or the name of a global

	// First is the name of the argument that the function may be given without a name: with "query", search("x", {limit: 3})
	// is search({limit: 3, query: "x"}). Empty: only objects are taken.
	First  string
	Global bool // a global of its own instead of a member of tools
}

// Fixed makes executions repeat: the same script with the same answers sees the same times and numbers.
type Fixed struct {
	Time time.Time // where the clock stands; it moves on by what the script sleeps
	Seed uint64
}

// Call is a call that a script made.
type Call struct {
	Seq          int    // from 1, in the order the script made them
	Server, Tool string // as the script wrote them; the server of a builtin is "tools"

	Arguments json.RawMessage // an object, strict JSON
}

// Answer is what a script gets for a call.
type Answer struct {
	Value json.RawMessage // any JSON; integers that a number cannot hold become strings
	Err   *ToolError      // thrown in the script instead

	Park bool   // the call waits for somebody: the script is suspended as soon as nothing else runs
	Text string // of a parked call, for [Made]
}

// ToolError is thrown in a script. Its code is for programs, its message for the model.
type ToolError struct {
	Code      string          `json:"code"`
	Message   string          `json:"message"`
	Retryable bool            `json:"retryable,omitempty"`
	Details   json.RawMessage `json:"details,omitempty"`
}

// Result is how an execution ended: with a value, a failure or a suspension.
type Result struct {
	Value     json.RawMessage // nil with a failure or a suspension
	Empty     bool            // the script returned nothing; Value is null
	Truncated bool            // Value is a cut version, with marks where something is missing

	Logs        []Log
	LogsDropped int // lines that did not fit

	Calls    []Made
	Detached []int // calls that nobody had waited for when the script ended; they were cancelled

	Failure    *Failure
	Suspension *Suspension
	Usage      Usage
}

// Log is a line that the script wrote to the console, or a warning of the engine's.
type Log struct {
	Level string `json:"level"` // debug, info, log, warn or error
	Text  string `json:"text"`
}

// Status of a call.
type Status string

// What can be said about a call that was made.
const (
	OK        Status = "ok"
	Failed    Status = "error"
	Cancelled Status = "cancelled" // whether it had an effect is unknown
	Parked    Status = "parked"
	Unsent    Status = "unsent" // made by the script, but never handed to Call
)

// Made is a call that a script has made.
type Made struct {
	Seq    int    `json:"seq"`
	Server string `json:"server"`
	Tool   string `json:"tool"`
	Status Status `json:"status"`
	Code   string `json:"code,omitempty"` // of the error
	Text   string `json:"text,omitempty"` // of a parked call
}

// Usage is what an execution took, over all its suspensions.
type Usage struct {
	CPU     time.Duration // in the script
	Wall    time.Duration
	Compile time.Duration // TypeScript to JavaScript
	Memory  int64         // bytes of linear memory at the end
}

// Kind says what went wrong with a script.
type Kind string

// The kinds of failures.
const (
	KindSyntax    Kind = "syntax"
	KindException Kind = "exception"
	KindTool      Kind = "tool_error" // a ToolError that the script did not catch
	KindLimit     Kind = "limit"      // Failure.Limit says which
	KindCPU       Kind = "cpu"
	KindTimeout   Kind = "timeout"
	KindMemory    Kind = "memory"
	KindStack     Kind = "stack"
	KindDeadlock  Kind = "deadlock"
	KindResult    Kind = "result" // the value has no JSON
	KindCancelled Kind = "cancelled"
)

// Failure says what is wrong with a script in a way that a model can repair it.
type Failure struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
	Code    string `json:"code,omitempty"`  // of a tool_error
	Limit   string `json:"limit,omitempty"` // of a limit: source, arguments, calls, timers, sleep or result

	Line       int    `json:"line,omitempty"` // in what the model wrote, from 1; 0: unknown
	Column     int    `json:"column,omitempty"`
	SourceLine string `json:"source_line,omitempty"`
	Hint       string `json:"hint,omitempty"`
	Stack      string `json:"stack,omitempty"`
}
