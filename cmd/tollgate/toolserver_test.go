// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"

	"tollgate/upstream/upstreamtest"
	"tollgate/upstream/wire"
)

// toolServer is an MCP server for scripts: it offers the tools of the file in its first argument, a tools/list result, and
// answers every call with the arguments that it got, as structured content and as text.
func toolServer() {
	tools, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	list := wire.Set(wire.Set(wire.Set(tools, "resultType", []byte(`"complete"`)), "ttlMs", []byte("0")), "cacheScope", []byte(`"private"`))
	s := &upstreamtest.Server{Results: map[string]string{"tools/list": string(wire.OneLine(list))}, Capabilities: `{"tools":{}}`}
	s.Handle = func(r *upstreamtest.Request) bool {
		if r.Method != "tools/call" {
			return false
		}
		arguments, _ := wire.Lookup(r.Params, "arguments")
		text := wire.AppendString(nil, string(arguments))
		r.Result(fmt.Sprintf(`{"content":[{"type":"text","text":%s}],"structuredContent":%s,"resultType":"complete"}`, text, arguments))
		return true
	}
	s.Serve(stdio{})
}

// stdio is the standard streams as one connection.
type stdio struct{}

func (stdio) Read(b []byte) (int, error)  { return os.Stdin.Read(b) }
func (stdio) Write(b []byte) (int, error) { return os.Stdout.Write(b) }
func (stdio) Close() error                { return os.Stdin.Close() }

var _ io.ReadWriteCloser = stdio{}
