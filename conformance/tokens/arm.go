// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// system is what every arm is told first.
const system = "You are an assistant with tools. Do what the user asks, then answer in one or two sentences."

// arm is a way to do tasks.
type arm struct {
	name string
	what string
	run  func(ctx context.Context, r *run) error
}

// The arms that conclusions are about: what is compared, with what, and what mistakes make of it.
const (
	fairest  = "curated, parallel"
	headline = "code: search, read, execute"
	repaired = "code, one program fails"
	searched = "search: find, describe, call"
)

func arms() []arm {
	direct := func(toolset func(*task) string, parallel bool) func(context.Context, *run) error {
		return func(ctx context.Context, r *run) error { return r.direct(ctx, toolset(r.task), parallel) }
	}
	code := func(c coded) func(context.Context, *run) error {
		return func(ctx context.Context, r *run) error { return r.code(ctx, c) }
	}
	all := func(*task) string { return "all" }
	curated := func(t *task) string { return t.toolset }
	return []arm{
		{"all, sequential", "all tools are listed, one call per turn", direct(all, false)},
		{"all, parallel", "all tools are listed, calls at once where possible", direct(all, true)},
		{fairest, "only the servers of the task are listed", direct(curated, true)},
		{searched, "tools are found, described and called, at once where possible", func(ctx context.Context, r *run) error { return r.search(ctx) }},
		{headline, "tools are found, their types read, a program run", code(coded{toolset: "all-code", read: true})},
		{"code: search types, execute", "types come with the search", code(coded{toolset: "all-code"})},
		{repaired, "as \"" + headline + "\", but the first program has a mistake", code(coded{toolset: "all-code", read: true, mistake: true})},
		{"code, curated", "only the servers of the task; few types come with the tool that runs programs", func(ctx context.Context, r *run) error {
			return r.code(ctx, coded{toolset: r.task.toolset + "-code"})
		}},
	}
}

// run is one task in one arm.
type run struct {
	bench *bench
	task  *task
	t     *transcript
	said  string // the answer
}

// begin puts what a model reads first into the context, and gives the session of the toolset.
func (r *run) begin(toolset string) (*session, error) {
	s := r.bench.sessions[toolset]
	text, err := s.definitions()
	if err != nil {
		return nil, err
	}
	r.t.reads(prompt, system)
	r.t.reads(definitions, text)
	r.t.reads(prompt, r.task.ask)
	return s, nil
}

// end is the last turn: the answer.
func (r *run) end(result string) error {
	said, err := r.task.say(result)
	if err != nil {
		return err
	}
	r.said = said
	r.t.writes(said)
	return r.t.err
}

// asked is a call as a model writes it.
type asked struct {
	Name      string `json:"name"`
	Arguments any    `json:"arguments"`
}

// turn is one in which the model makes calls, at once, and reads what they say as why.
func (r *run) turn(ctx context.Context, s *session, why part, batch ...asked) ([]string, error) {
	var written []string
	for _, a := range batch {
		text, err := compact(a)
		if err != nil {
			return nil, err
		}
		written = append(written, text)
	}
	r.t.writes(strings.Join(written, "\n"))
	texts, errs := make([]string, len(batch)), make([]error, len(batch))
	began := time.Now()
	var work sync.WaitGroup
	for i, a := range batch {
		work.Go(func() {
			text, failed, err := s.call(ctx, a.Name, a.Arguments)
			if failed && err == nil {
				err = &toolError{a.Name, text}
			}
			texts[i], errs[i] = text, err
		})
	}
	work.Wait()
	r.t.wall += time.Since(began)
	for _, text := range texts {
		r.t.reads(why, text)
	}
	return texts, errors.Join(errs...)
}

// toolError is a result that says that the call failed.
type toolError struct{ tool, text string }

func (e *toolError) Error() string { return e.tool + " failed: " + e.text }

// direct calls tools by their names.
func (r *run) direct(ctx context.Context, toolset string, parallel bool) error {
	s, err := r.begin(toolset)
	if err != nil {
		return err
	}
	return r.byCalls(parallel, func(batch []call) ([]string, error) {
		var all []asked
		for _, c := range batch {
			all = append(all, asked{c.server + "__" + c.tool, c.arguments})
		}
		return r.turn(ctx, s, results, all...)
	})
}

// byCalls does the task by single calls.
func (r *run) byCalls(parallel bool, make func([]call) ([]string, error)) error {
	result, err := r.task.calls(r.bench.fixtures, func(batch ...call) ([]string, error) {
		if parallel {
			return make(batch)
		}
		var texts []string
		for _, c := range batch {
			more, err := make([]call{c})
			if err != nil {
				return nil, err
			}
			texts = append(texts, more...)
		}
		return texts, nil
	})
	if err != nil {
		return err
	}
	text, err := compact(result)
	if err != nil {
		return err
	}
	return r.end(text)
}

// search finds tools, reads their definitions and calls them through the gateway's tool for that.
func (r *run) search(ctx context.Context) error {
	s, err := r.begin("search")
	if err != nil {
		return err
	}
	var names []string
	for _, path := range r.task.tools {
		names = append(names, strings.Replace(path, ".", "__", 1))
	}
	if err := r.find(ctx, s, names, ""); err != nil {
		return err
	}
	if _, err := r.turn(ctx, s, definitions, asked{"read_tools", map[string]any{"names": names}}); err != nil {
		return err
	}
	return r.byCalls(true, func(batch []call) ([]string, error) {
		var all []asked
		for _, c := range batch {
			all = append(all, asked{"call_tool", map[string]any{"name": c.server + "__" + c.tool, "arguments": c.arguments}})
		}
		return r.turn(ctx, s, results, all...)
	})
}

// find is the turn that searches; it must find all of these names.
func (r *run) find(ctx context.Context, s *session, names []string, detail string) error {
	in := map[string]any{"query": r.task.query}
	if r.task.limit > 0 {
		in["limit"] = r.task.limit
	}
	if detail != "" {
		in["detail"] = detail
	}
	texts, err := r.turn(ctx, s, definitions, asked{"search_tools", in})
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.Contains(texts[0], name) {
			return fmt.Errorf("searching %q does not find %s:\n%s", r.task.query, name, texts[0])
		}
	}
	return nil
}

// coded is how a program comes about.
type coded struct {
	toolset string
	read    bool // types are read after the search; else they come with it
	mistake bool // the first program has one
}

// code runs a program. Where the gateway says all types with the tool that runs programs, there is nothing to search.
func (r *run) code(ctx context.Context, c coded) error {
	s, err := r.begin(c.toolset)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(s.tools, func(t *mcp.Tool) bool { return t.Name == "search_tools" }) {
		detail := "types"
		if c.read {
			detail = ""
		}
		if err := r.find(ctx, s, r.task.tools, detail); err != nil {
			return err
		}
		if c.read {
			if _, err := r.turn(ctx, s, definitions, asked{"read_tools", map[string]any{"names": r.task.tools}}); err != nil {
				return err
			}
		}
	}
	if c.mistake {
		if err := r.mistake(ctx, s); err != nil {
			return err
		}
	}
	source, err := program(r.task.script)
	if err != nil {
		return err
	}
	texts, err := r.turn(ctx, s, results, asked{"execute_code", map[string]any{"code": source}})
	if err != nil {
		return err
	}
	return r.end(texts[0])
}

// mistake runs the broken program, which must fail as it should.
func (r *run) mistake(ctx context.Context, s *session) error {
	source, err := program(r.task.script + ".broken")
	if err != nil {
		return err
	}
	_, err = r.turn(ctx, s, results, asked{"execute_code", map[string]any{"code": source}})
	var failed *toolError
	if !errors.As(err, &failed) {
		return fmt.Errorf("the broken program should fail: %w", err)
	}
	var report struct{ Error struct{ Kind string } }
	if err := json.Unmarshal([]byte(failed.text), &report); err != nil || report.Error.Kind != r.task.mistake {
		return fmt.Errorf("the broken program should fail with %s: %w", r.task.mistake, failed)
	}
	return nil
}
