// SPDX-License-Identifier: Apache-2.0

package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// programs are what a model writes, right and with one mistake.
//
//go:embed testdata/scripts/*.ts
var programs embed.FS

// program is a file of programs.
func program(name string) (string, error) {
	b, err := programs.ReadFile(path.Join("testdata/scripts", name+".ts"))
	return string(b), err
}

// call is one call of a tool of an upstream.
type call struct {
	server, tool string
	arguments    map[string]any
}

// doer makes calls that do not need each other's results, and returns their texts.
type doer func(batch ...call) ([]string, error)

// task is something that a user wants, and how a model does it in every arm.
type task struct {
	name, title string
	ask         string   // what the user says
	toolset     string   // with the servers that it needs
	query       string   // that finds the tools
	limit       int      // of tools found; 0 is what the gateway takes
	tools       []string // that it needs, as programs call them
	script      string   // name of its program
	mistake     string   // kind of the failure of the broken program

	calls func(f *fixtures, do doer) (any, error) // by single calls
	say   func(result string) (string, error)     // the answer to the user, of the result as JSON
	want  func(f *fixtures, h *hub) string        // result, of the fixtures
	check func(f *fixtures) error                 // what it must leave behind
}

// What tasks write.
const (
	outErrors = "errors.csv"
	outIndex  = "index.md"
)

func tasks() []*task {
	return []*task{logsTask(), commitsTask(), peopleTask(), docsTask(), sizeTask()}
}

// sentence makes an answer of a result with a format.
func sentence[T any](say func(T) string) func(string) (string, error) {
	return func(result string) (string, error) {
		var v T
		if err := json.Unmarshal([]byte(result), &v); err != nil {
			return "", fmt.Errorf("this is not the result: %.200s", result)
		}
		return say(v), nil
	}
}

// same reports an error unless the file has this text.
func (f *fixtures) same(name, want string) error {
	got, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		return err
	}
	if string(got) != want {
		return fmt.Errorf("%s is\n%s\nand not\n%s", name, got, want)
	}
	return nil
}

// one is the only text of a batch of one.
func one(do doer, c call) (string, error) {
	texts, err := do(c)
	if err != nil {
		return "", err
	}
	return texts[0], nil
}

// listed are the names of the files of a directory, as the filesystem server lists them.
func listed(do doer, dir string) ([]string, error) {
	text, err := one(do, call{"filesystem", "list_directory", map[string]any{"path": dir}})
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range lines(text) {
		var name string
		if _, err := fmt.Sscanf(line, "[FILE] %s", &name); err != nil {
			return nil, fmt.Errorf("list_directory says %q: %w", line, err)
		}
		names = append(names, name)
	}
	return names, nil
}
