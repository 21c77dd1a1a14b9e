// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"tollgate/upstream"
	"tollgate/upstream/upstreamtest"
)

// childMode in the environment makes the test binary a stdio upstream instead.
const childMode = "TOLLGATE_TEST_CHILD"

// stdio is this process's standard streams as one connection.
type stdio struct {
	io.Reader
	io.Writer
}

func (stdio) Close() error { os.Exit(0); return nil }

// childConfig is an upstream that is this test binary in some mode.
func childConfig(name, mode string) upstream.Config {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return upstream.Config{
		Name: name, Command: exe, Env: map[string]string{childMode: mode},
		Timeout: 20 * time.Second, StartTimeout: 2 * time.Second, ProbeTimeout: 500 * time.Millisecond,
	}
}

// child is a stdio upstream that behaves as its mode says.
func child(mode string) {
	if mode == carrier {
		carry()
		return
	}
	s := &upstreamtest.Server{Results: map[string]string{
		"tools/list": `{"tools":[{"name":"` + mode + `","inputSchema":{"type":"object"}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`,
		"tools/call": `{"content":[{"type":"text","text":"pid ` + fmt.Sprint(os.Getpid()) + `"}],"resultType":"complete"}`,
	}}
	switch mode {
	case "exit":
		fmt.Fprintln(os.Stderr, "missing license key")
		os.Exit(3)
	case "silent":
		io.Copy(io.Discard, os.Stdin)
		return
	case "junk":
		fmt.Println("Welcome to the server!\n{not json")
	case "schemas":
		s.Results["tools/list"] = `{"tools":[{"name":"good","inputSchema":{"type":"object"}},{"name":"bad","inputSchema":{"type":["object"]}},{"name":"none"},{"inputSchema":{"type":"object"}},5],"resultType":"complete","ttlMs":0,"cacheScope":"private"}`
	case "cursors":
		n := 0
		s.Handle = func(r *upstreamtest.Request) bool {
			if r.Method != "tools/list" {
				return false
			}
			n++
			r.Result(fmt.Sprintf(`{"tools":[{"name":"t%d","inputSchema":{"type":"object"}}],"nextCursor":"c%d","resultType":"complete","ttlMs":0,"cacheScope":"private"}`, n, n))
			return true
		}
	case "hang", "die", "huge":
		s.Handle = func(r *upstreamtest.Request) bool {
			if r.Method != "tools/call" {
				return false
			}
			switch {
			case strings.Contains(string(r.Params), `"answer":true`):
				return false
			case mode == "die":
				os.Exit(1)
			case mode == "huge":
				r.Stream(func(w io.Writer) {
					fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"`, r.ID)
					chunk := strings.Repeat("x", 1<<20)
					for range 300 {
						fmt.Fprint(w, chunk)
					}
					fmt.Fprintln(w, `"}],"resultType":"complete"}}`)
				})
			case os.Getenv("TOLLGATE_TEST_SEEN") != "":
				f, err := os.OpenFile(os.Getenv("TOLLGATE_TEST_SEEN"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
				if err == nil {
					fmt.Fprint(f, ".")
					f.Close()
				}
			}
			return true
		}
	}
	s.Serve(stdio{os.Stdin, os.Stdout})
}
