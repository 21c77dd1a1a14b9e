// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"tollgate/conformance/harness"
)

// TestReadme does what README.md says, from top to bottom, in an empty home directory.
//
// A console block holds commands, each behind "$ ", and below a command what it prints: "..." stands for anything, on a line
// of its own for any lines, and "[n]" at the end is the exit status when it is not 0. Amounts of space do not count. A block
// with a name behind its language ("json hello.json") is the content of that file.
//
// What differs from a reader's machine: `go run ./cmd/tollgate` is the program as built for this test, and of other go
// commands only those in done are known, which are not run. The program and the home directory are shown as if they were
// below /home/me. `serve` runs in the background on a free port, shown as 127.0.0.1:8080, until the comment Ctrl-C or the
// end. npx starts the filesystem server of this file, or with the npm packages the real one.
func TestReadme(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell and signals")
	}
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 250 {
		t.Errorf("README.md has %d lines: move what not everybody needs to the packages, 250 are enough", n)
	}
	readSources(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("stand-in", func(t *testing.T) {
		runReadme(t, string(text), standIn+`=1 exec "`+exe+`" -test.run '^TestFilesServer$'`)
	})
	t.Run("npm", func(t *testing.T) {
		server := harness.Package(t, "@modelcontextprotocol", "server-filesystem", "dist", "index.js")
		runReadme(t, string(text), `shift 2; exec "`+harness.Node(t)+`" "`+server+`" "$@"`)
	})
}

// readSources reads the command's sources, which the program is built from but no test can import: go test repeats a cached
// result only while every file that the tests have read is the same.
func readSources(t *testing.T) {
	t.Helper()
	cmd := os.DirFS(filepath.Join("..", "cmd"))
	err := fs.WalkDir(cmd, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			_, err = fs.ReadFile(cmd, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// part is a block or the comment that ends the server.
var part = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$|^<!-- (Ctrl-C) -->$")

func runReadme(t *testing.T, text, npx string) {
	r := newReader(t, npx)
	commands := 0
	for _, m := range part.FindAllStringSubmatch(text, -1) {
		switch language, file, body := m[1], m[2], m[3]; {
		case m[4] != "":
			r.serve.stop(t)
		case file != "":
			if err := os.WriteFile(filepath.Join(r.home, file), []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		case language == "console":
			for _, step := range strings.Split("\n"+body, "\n$ ")[1:] {
				command, want, _ := strings.Cut(step, "\n")
				r.do(command, want)
				commands++
			}
		}
	}
	r.serve.stop(t)
	if commands < 10 {
		t.Errorf("found %d commands only", commands)
	}
}

// reader is somebody who types what the README says.
type reader struct {
	t     *testing.T
	home  string
	bin   string // folder of the program
	shell io.Writer
	said  *bufio.Reader
	serve *background
}

func newReader(t *testing.T, npx string) *reader {
	r := &reader{t: t, home: t.TempDir(), bin: filepath.Dir(bin.Tollgate(t))}
	tools := t.TempDir()
	if err := os.WriteFile(filepath.Join(tools, "npx"), []byte("#!/bin/sh\n"+npx+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	sh := exec.Command("sh")
	sh.Dir = r.home
	sh.Env = []string{"HOME=" + r.home, "PATH=" + tools + ":" + r.bin + ":" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	r.serve = &background{name: filepath.Join(r.bin, "tollgate"), dir: sh.Dir, env: sh.Env}
	in, err := sh.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := sh.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	sh.Stderr = sh.Stdout
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = sh.Wait() // the status of the last command, which has been looked at
		r.serve.stop(t)
	})
	r.shell, r.said = in, bufio.NewReader(out)
	return r
}

// done are commands of the README that are not run: this is the second, and the harness has done the first.
const done = "go install ./cmd/tollgate, go test ./..."

const shownAddress = "127.0.0.1:8080"

func (r *reader) do(command, want string) {
	r.t.Helper()
	typed := command
	if strings.HasPrefix(command, "go ") {
		if strings.Contains(done, command) {
			return
		}
		command = strings.Replace(command, "go run ./cmd/tollgate", "tollgate", 1)
	}
	if r.serve.address != "" {
		command = strings.ReplaceAll(command, shownAddress, r.serve.address)
	}
	var got string
	switch {
	case strings.HasPrefix(command, "go "):
		r.t.Fatalf("$ %s: the test knows no such go command", typed)
	case command == "tollgate serve":
		r.serve.stop(r.t)
		got = r.serve.start(r.t)
	default:
		got = r.run(command)
	}
	if r.serve.address != "" {
		got = strings.ReplaceAll(got, r.serve.address, shownAddress)
	}
	got = strings.NewReplacer(r.bin, "/home/me/go/bin", r.home, "/home/me").Replace(got)
	if !matchOutput(want, got) {
		r.t.Fatalf("$ %s\nprints\n%s\nREADME.md says\n%s", typed, got, want)
	}
}

// run types a command into the shell and returns what it prints, with its exit status in brackets unless that is 0.
func (r *reader) run(command string) string {
	r.t.Helper()
	const mark = "--- done "
	fmt.Fprintf(r.shell, "{ %s\n} </dev/null\nprintf '\\n%s%%d\\n' $?\n", command, mark)
	var got strings.Builder
	for {
		line, err := r.said.ReadString('\n')
		if err != nil {
			r.t.Fatalf("$ %s\nthe shell ended: %v\n%s", command, err, &got)
		}
		status, ended := strings.CutPrefix(line, mark)
		if !ended {
			got.WriteString(line)
			continue
		}
		if status = strings.TrimSpace(status); status != "0" {
			got.WriteString("[" + status + "]\n")
		}
		return got.String()
	}
}

// matchOutput compares what is promised with what was printed. Empty lines and amounts of space do not count.
func matchOutput(want, got string) bool {
	var re strings.Builder
	re.WriteString(`^`)
	for line := range strings.Lines(want) {
		switch line = strings.Join(strings.Fields(line), " "); line {
		case "":
		case "...":
			re.WriteString(`(?:.*\n)*`)
		default:
			re.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), `\.\.\.`, `.*`) + `\n`)
		}
	}
	re.WriteString(`$`)
	var plain strings.Builder
	for line := range strings.Lines(got) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			plain.WriteString(line + "\n")
		}
	}
	return regexp.MustCompile(re.String()).MatchString(plain.String())
}

func TestMatchOutput(t *testing.T) {
	for _, tt := range []struct {
		want, got string
		ok        bool
	}{
		{"a  b\n", "a b\n", true}, {"a\n\nb\n", "a\nb\n", true}, {"a\n", "a\nb\n", false}, {"a\n", "", false}, {"", "", true}, {"", "a\n", false},
		{"a ... d\n", "a b c d\n", true}, {"a ... d\n", "a b\nc d\n", false}, {"a\n...\nd\n", "a\nb\nc\nd\n", true}, {"a\n...\nd\n", "a\nd\n", true},
		{"a\n...\n", "a\n", true}, {"a.c\n", "abc\n", false}, {"x\n[1]\n", "x\n", false},
	} {
		if matchOutput(tt.want, tt.got) != tt.ok {
			t.Errorf("matchOutput(%q, %q) = %v", tt.want, tt.got, !tt.ok)
		}
	}
}
