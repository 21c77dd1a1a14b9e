// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// childMode is the environment variable that turns the test binary into a child of the kind it names.
const childMode = "TOLLGATE_TEST_CHILD"

// childSettings is the environment of a child of the given kind. The race detector would delay its exit by a second.
func childSettings(mode string) map[string]string {
	return map[string]string{childMode: mode, "GORACE": "atexit_sleep_ms=0"}
}

// runChild is a server, most of them hostile, on the standard streams. The result is the exit status.
func runChild(mode string) int {
	in := bufio.NewReaderSize(os.Stdin, 64<<10)
	switch mode {
	case "exit":
		fmt.Fprintln(os.Stderr, "loading\nfatal: no token configured")
		return 3
	case "silent": // reads everything and says nothing
		_, _ = io.Copy(io.Discard, in)
	case "deaf": // says hello and never reads
		fmt.Println(`{"jsonrpc":"2.0","method":"test/hello"}`)
		forever()
	case "mute": // reads one request, closes its output and lives on
		_, _ = in.ReadSlice('\n')
		_ = os.Stdout.Close()
		forever()
	case "stubborn": // only SIGKILL ends it
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		fmt.Printf(`{"jsonrpc":"2.0","method":"test/hello","params":{"pid":%d}}`+"\n", os.Getpid())
		forever()
	case "family": // has a stubborn child of its own, in the same group and on the same output
		if err := spawnStubborn(); err != nil {
			return 1
		}
		serveScript(in)
	case "gateway": // supervises a stubborn child and passes on what it says
		return supervise()
	case "farewell": // has a lot to say at the end of its input
		_, _ = io.Copy(io.Discard, in)
		fmt.Print(strings.Repeat("bye\n", 1<<18))
		fmt.Fprintln(os.Stderr, "state saved")
	case "flood":
		for {
			if _, err := fmt.Println("tick"); err != nil {
				return 1
			}
		}
	case "hold": // says when it has read the hundredth request, and answers none
		return hold(in)
	case "banner":
		fmt.Print("npm WARN deprecated\r\n\n{\"level\":\"info\",\"id\":1}\n[1,2]\n\xff\xfe\n")
		return serveScript(in)
	case "script":
		return serveScript(in)
	default:
		fmt.Fprintf(os.Stderr, "unknown mode %q\n", mode)
		return 2
	}
	return 0
}

func supervise() int {
	child, err := startProcess(&Config{Command: os.Args[0], Env: childSettings("stubborn")}, os.Environ(), defaultGrace())
	if err != nil {
		return 1
	}
	_, _ = io.Copy(os.Stdout, child)
	return 0
}

func hold(in *bufio.Reader) int {
	for range 100 {
		if _, err := in.ReadSlice('\n'); err != nil {
			return 1
		}
	}
	fmt.Fprintln(os.Stderr, "holding")
	fmt.Println(`{"jsonrpc":"2.0","method":"test/held"}`)
	forever()
	return 0
}

// script is what a request asks the child to do with itself.
type script struct {
	Write  []string `json:"write"`  // raw lines; $ID stands for the id of the request
	Raw    string   `json:"raw"`    // written without a line break, then nothing more is said
	Exit   int      `json:"exit"`   // exit status, 0 = stay
	Long   int      `json:"long"`   // length of a line to write, in bytes
	Prefix string   `json:"prefix"` // how the long line begins
	Suffix string   `json:"suffix"` // how it ends
	Env    bool     `json:"env"`    // answer with the environment
	Args   bool     `json:"args"`   // answer with the arguments
	Dir    bool     `json:"dir"`    // answer with the working directory
}

// serveScript obeys requests until its input ends. One without instructions is answered with its own params.
func serveScript(in *bufio.Reader) int {
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return 0
		}
		var msg struct {
			ID     json.RawMessage `json:"id"`
			Params json.RawMessage `json:"params"`
		}
		if err := json.Unmarshal(line, &msg); err != nil {
			fmt.Fprintf(os.Stderr, "bad line %q\n", line)
			return 4
		}
		if msg.ID == nil {
			continue
		}
		if code := obey(string(msg.ID), msg.Params); code != 0 {
			return code
		}
	}
}

func obey(id string, params json.RawMessage) int {
	var s script
	_ = json.Unmarshal(params, &s)
	for _, line := range s.Write {
		fmt.Println(strings.ReplaceAll(line, "$ID", id))
	}
	switch {
	case s.Raw != "":
		fmt.Print(strings.ReplaceAll(s.Raw, "$ID", id))
	case s.Long > 0:
		writeLong(strings.ReplaceAll(s.Prefix, "$ID", id), strings.ReplaceAll(s.Suffix, "$ID", id), s.Long)
	case s.Env:
		answer(id, os.Environ())
	case s.Args:
		answer(id, os.Args[1:])
	case s.Dir:
		dir, _ := os.Getwd()
		answer(id, dir)
	case s.Write == nil && s.Exit == 0:
		answer(id, params)
	}
	if s.Exit != 0 {
		fmt.Fprintln(os.Stderr, "giving up")
	}
	return s.Exit
}

func answer(id string, result any) {
	b, _ := json.Marshal(map[string]any{"got": result})
	fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n", id, b)
}

func writeLong(prefix, suffix string, n int) {
	w := bufio.NewWriterSize(os.Stdout, 1<<20)
	_, _ = w.WriteString(prefix)
	block := bytes.Repeat([]byte("x"), 1<<20)
	for n > 0 {
		k := min(n, len(block))
		if _, err := w.Write(block[:k]); err != nil {
			return
		}
		n -= k
	}
	_, _ = w.WriteString(suffix + "\n")
	_ = w.Flush()
}

// spawnStubborn starts a grandchild that announces its own process id on the shared output.
func spawnStubborn() error {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"=stubborn")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Start()
}

// forever is longer than any test waits, and short enough that children lost by a broken build go away.
func forever() { <-time.After(time.Minute) }
