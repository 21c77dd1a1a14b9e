// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// paths are where the programs of others are.
type paths struct {
	tollgate string // "" builds it
	node     string
	servers  string // folder with server-filesystem and server-memory
}

// bench is a gateway with all servers behind it, and a client of every toolset.
type bench struct {
	fixtures *fixtures
	hub      *hub
	sessions map[string]*session
	counter  *counter
	servers  int

	gate     *gate
	upstream *servers
	keep     func(*task, arm, *transcript) // is shown every conversation
}

// open starts everything in a folder.
func open(ctx context.Context, dir string, p paths) (b *bench, err error) {
	b = &bench{fixtures: newFixtures(dir), hub: newHub(), sessions: map[string]*session{}, keep: func(*task, arm, *transcript) {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.counter, err = newCounter(); err != nil {
		return b, err
	}
	if err = b.fixtures.reset(); err != nil {
		return b, err
	}
	if p.tollgate == "" {
		if p.tollgate, err = build(ctx, dir); err != nil {
			return b, err
		}
	}
	names, err := catalogNames()
	if err != nil {
		return b, err
	}
	b.servers = len(names)
	handlers := map[string]handler{}
	for _, name := range names {
		handlers[name] = listOnly
	}
	handlers["github"] = b.hub.answer
	delete(handlers, "filesystem")
	delete(handlers, "memory")
	if b.upstream, err = serve(handlers); err != nil {
		return b, err
	}
	config, err := b.config(names, p)
	if err != nil {
		return b, err
	}
	if b.gate, err = start(ctx, p.tollgate, dir, config); err != nil {
		return b, err
	}
	return b, b.connect(ctx, names)
}

// connect makes a session of every toolset. Once that of all tools has those of all servers, the others have theirs.
func (b *bench) connect(ctx context.Context, names []string) error {
	for _, x := range []struct {
		toolset string
		servers []string
	}{{"all", names}, {"files", nil}, {"repository", nil}, {"graph", nil}, {"search", nil}, {"all-code", nil}, {"files-code", nil}, {"repository-code", nil}, {"graph-code", nil}} {
		s, err := b.gate.connect(ctx, x.toolset, x.servers)
		if err != nil {
			return err
		}
		b.sessions[x.toolset] = s
	}
	return nil
}

// config is the tollgate.yaml with all servers.
func (b *bench) config(names []string, p paths) (string, error) {
	var upstreams []map[string]any
	for _, name := range names {
		u := map[string]any{"name": name}
		command := func(arguments ...string) {
			u["command"] = p.node
			u["args"] = append([]string{filepath.Join(p.servers, "server-"+name, "dist", "index.js")}, arguments...)
			u["env"] = map[string]string{"TZ": "UTC", "MEMORY_FILE_PATH": b.fixtures.graph}
		}
		switch name {
		case "filesystem":
			command(b.fixtures.dir)
		case "memory":
			command()
		default:
			u["url"] = b.upstream.url + "/" + name
		}
		upstreams = append(upstreams, u)
	}
	toolsets := map[string]any{}
	for name, tools := range map[string][]string{
		"all": {"*"}, "files": {"filesystem__*"}, "repository": {"github__*"}, "graph": {"filesystem__*", "memory__*"},
	} {
		toolsets[name] = map[string]any{"tools": tools}
		toolsets[name+"-code"] = map[string]any{"tools": tools, "mode": "code"}
	}
	toolsets["search"] = map[string]any{"tools": []string{"*"}, "mode": "search"}
	raw, err := json.MarshalIndent(map[string]any{ // JSON is YAML
		"version": 1, "upstreams": upstreams, "toolsets": toolsets, "log": map[string]any{"level": "warn"},
		"roles": map[string]any{"all": map[string]any{"allow": []string{"*"}}},
	}, "", " ")
	return string(raw), err
}

func (b *bench) close() error {
	var errs []error
	for _, s := range b.sessions {
		_ = s.close() // the gateway is stopped next
	}
	if b.gate != nil {
		errs = append(errs, b.gate.stop())
	}
	if b.upstream != nil {
		errs = append(errs, b.upstream.close())
	}
	return errors.Join(errs...)
}

// row is what one arm took for every task.
type row struct {
	Arm   string        `json:"arm"`
	Tasks []*measure    `json:"tasks"`
	wall  time.Duration // in which tools ran
}

// sum is over all tasks.
func (r *row) sum() *measure {
	m := &measure{}
	for _, x := range r.Tasks {
		m.add(x)
	}
	return m
}

// rows does every task in every arm. An answer that is not that of the fixtures is an error.
func (b *bench) rows(ctx context.Context) ([]*row, error) {
	var out []*row
	for _, a := range arms() {
		line := &row{Arm: a.name}
		for _, task := range tasks() {
			t, err := b.one(ctx, a, task)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", task.name, a.name, err)
			}
			line.Tasks = append(line.Tasks, &t.measure)
			line.wall += t.wall
		}
		out = append(out, line)
	}
	return out, nil
}

// one does a task in an arm.
func (b *bench) one(ctx context.Context, a arm, task *task) (*transcript, error) {
	if err := b.fixtures.reset(); err != nil {
		return nil, err
	}
	r := &run{bench: b, task: task, t: &transcript{counter: b.counter}}
	if err := a.run(ctx, r); err != nil {
		return nil, err
	}
	want, err := task.say(task.want(b.fixtures, b.hub))
	if err != nil {
		return nil, err
	}
	if r.said != want {
		return nil, fmt.Errorf("the answer is %q and not %q", r.said, want)
	}
	b.keep(task, a, r.t)
	return r.t, task.check(b.fixtures)
}

// folder is a temporary one, by its name without symbolic links: the filesystem server compares those.
func folder() (string, error) {
	dir, err := os.MkdirTemp("", "tollgate-tokens-")
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}
