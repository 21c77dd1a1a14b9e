// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tiktoken-go/tokenizer"
)

// part is why something is in the context of a model.
type part int

const (
	prompt      part = iota // what the task is
	definitions             // tools as they are listed, and what searching them and reading their types says
	calls                   // what the model wrote
	results                 // what tools answered
	parts
)

// What caching makes of the price of input tokens: read again from the cache, and new.
const (
	cachedPrice = 0.1
	freshPrice  = 1.25
)

// measure is what one task took in one arm. All but Turns are tokens.
type measure struct {
	Turns    int        `json:"turns"`
	Input    int        `json:"input"` // read, over all turns
	Output   int        `json:"output"`
	Peak     int        `json:"peak"`      // largest context, with what was written last
	CachedEq float64    `json:"cached_eq"` // Input at the prices of a prompt cache
	Parts    [parts]int `json:"parts"`     // of Input: prompt, definitions, calls, results
}

// add sums up tasks of one arm.
func (m *measure) add(x *measure) {
	m.Turns += x.Turns
	m.Input += x.Input
	m.Output += x.Output
	m.Peak = max(m.Peak, x.Peak)
	m.CachedEq += x.CachedEq
	for i, n := range x.Parts {
		m.Parts[i] += n
	}
}

// counter counts tokens. Lists of all tools are long and come again, so it remembers.
type counter struct {
	codec tokenizer.Codec
	known map[string]int
}

func newCounter() (*counter, error) {
	codec, err := tokenizer.Get(tokenizer.O200kBase)
	if err != nil {
		return nil, fmt.Errorf("o200k_base: %w", err)
	}
	return &counter{codec, map[string]int{}}, nil
}

func (c *counter) count(text string) (int, error) {
	if n, ok := c.known[text]; ok {
		return n, nil
	}
	n, err := c.codec.Count(text)
	c.known[text] = n
	return n, err
}

// transcript is the conversation of one task. A turn reads everything that is there before it.
type transcript struct {
	counter *counter
	measure measure

	context [parts]int // of now
	before  int        // what the last turn read
	lines   []line
	wall    time.Duration // in which tools ran
	err     error         // the first one
}

// line is what was read or written.
type line struct {
	why    part
	tokens int
	text   string
}

// reads puts text into the context.
func (t *transcript) reads(why part, text string) {
	n := t.count(text)
	t.context[why] += n
	t.lines = append(t.lines, line{why, n, text})
}

// writes is a turn: the model reads its context and writes text.
func (t *transcript) writes(text string) {
	size, m := 0, &t.measure
	for i, n := range t.context {
		m.Parts[i] += n
		size += n
	}
	m.Turns++
	m.Input += size
	m.CachedEq += cachedPrice*float64(t.before) + freshPrice*float64(size-t.before)
	t.before = size
	n := t.count(text)
	m.Output += n
	m.Peak = max(m.Peak, size+n)
	t.context[calls] += n
	t.lines = append(t.lines, line{calls, n, text})
}

func (t *transcript) count(text string) int {
	n, err := t.counter.count(text)
	if err != nil && t.err == nil {
		t.err = err
	}
	return n
}

// show prints the conversation.
func (t *transcript) show(out io.Writer, task *task) {
	fmt.Fprintf(out, "=== %s %s\n", task.name, task.title)
	for _, l := range t.lines {
		fmt.Fprintf(out, "--- %s, %d tokens\n%s\n", l.why, l.tokens, strings.TrimSuffix(l.text, "\n"))
	}
}

func (p part) String() string { return [...]string{"prompt", "definitions", "model", "results"}[p] }
