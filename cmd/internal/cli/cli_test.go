// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/cmd/internal/config"
)

func streams(in string) (s *Streams, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	return &Streams{In: strings.NewReader(in), Out: out, Err: errs}, out, errs
}

var errLocked = errors.New("locked")

func classifyLocked(err error) (int, string) {
	if errors.Is(err, errLocked) {
		return ExitLocked, "stop the other tollgate"
	}
	return 0, ""
}

func TestReport(t *testing.T) {
	_, invalid := config.Parse("tollgate.yaml", []byte("lisen: x\nlog: {level: loud}\n"), nil)
	tests := []struct {
		name string
		err  error
		code int
		text string
	}{
		{"nil", nil, ExitOK, ""},
		{"plain", errors.New("no such key"), ExitError, "tollgate: no such key\n"},
		{"usage", Usage("unknown client %q", "x"), ExitUsage, "tollgate: unknown client \"x\"\n"},
		{"hint", WithHint(fs.ErrNotExist, "run %s", "tollgate init"), ExitError, "tollgate: file does not exist\nhint: run tollgate init\n"},
		{"code around hint", WithCode(WithHint(errors.New("a"), "b"), ExitPolicy), ExitPolicy, "tollgate: a\nhint: b\n"},
		{"hint around code", fmt.Errorf("x: %w", WithHint(WithCode(errors.New("a"), ExitPolicy), "b")), ExitPolicy, "tollgate: x: a\nhint: b\n"},
		{"classified", fmt.Errorf("open: %w", errLocked), ExitLocked, "tollgate: open: locked\nhint: stop the other tollgate\n"},
		{"interrupted", fmt.Errorf("serve: %w", context.Canceled), ExitInterrupted, ""},
		{"escape sequences", errors.New("upstream \x1b[2J\u202e said\nno"), ExitError, "tollgate: upstream \\x1b[2J\\u202e said\nno\n"},
		{"config", invalid, ExitConfig, invalid.Error() + "\ntollgate: 2 mistakes in tollgate.yaml\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, out, errs := streams("")
			if code := s.Report(tt.err, classifyLocked); code != tt.code {
				t.Errorf("code = %d, want %d", code, tt.code)
			}
			if diff := cmp.Diff(tt.text, errs.String()); diff != "" || out.Len() > 0 {
				t.Errorf("stdout %q, stderr (-want +got):\n%s", out, diff)
			}
		})
	}
}

func TestErrorKeepsIdentity(t *testing.T) {
	err := WithCode(WithHint(fmt.Errorf("open: %w", fs.ErrNotExist), "x"), ExitError)
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != "open: file does not exist" {
		t.Fatalf("err = %v", err)
	}
	if WithHint(nil, "x") != nil || WithCode(nil, 1) != nil {
		t.Fatal("nil became an error")
	}
}

func TestTable(t *testing.T) {
	table := NewTable("NAME", "STATE", "TOOLS")
	table.Row("github", "ready", "12")
	table.Row("日本", "failed")
	table.Row("e\u0301", "", "1")
	table.Row("evil\x1b[31m\n", "ready", "0")
	var out bytes.Buffer
	if _, err := table.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	want := `NAME            STATE   TOOLS
github          ready   12
日本            failed  -
é               -       1
evil\x1b[31m\n  ready   0
`
	if diff := cmp.Diff(want, strings.ReplaceAll(out.String(), "e\u0301", "é")); diff != "" || table.Len() != 4 {
		t.Fatalf("table (-want +got):\n%s", diff)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 日本 😀":     "plain é 日本 😀",
		"a\tb\r\n":         `a\tb\r\n`,
		"\x1b]8;;x\x07":    `\x1b]8;;x\x07`,
		"\u009b2J":         `\x9b2J`,
		"a\u200bb\ufeff":   `a\u200bb\ufeff`,
		"tag\U000e0041":    `tag\U000e0041`,
		"\xff\u2028":       `\xff\u2028`,
		"safe \\n already": `safe \n already`,
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCommandLine(t *testing.T) {
	got := CommandLine("/bin/sh", "-c", "echo $HOME", "", "it's", "a\nb'", "--x=1", "--id=pkg@1.2.3")
	if want := `/bin/sh -c 'echo $HOME' '' 'it'\''s' $'a\nb\'' --x=1 --id=pkg@1.2.3`; got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestConfirm(t *testing.T) {
	for in, want := range map[string]string{"y\n": "true", "YES\n": "true", "n\n": "false", "\n": "false", "": "false", "what\ny\n": "true", "a\nb\nc\n": "neither yes nor no"} {
		s, _, errs := streams(in)
		yes, err := s.confirm("Write 3 upstreams?")
		got := fmt.Sprint(yes)
		if err != nil {
			got = err.Error()
		}
		if got != want || !strings.HasPrefix(errs.String(), "Write 3 upstreams? [y/N] ") {
			t.Errorf("%q: %s, want %s (asked %q)", in, got, want, errs)
		}
	}
}

func TestNobodyToAsk(t *testing.T) {
	s, _, errs := streams("y\n")
	_, err := s.Confirm("Write?", "--yes")
	if s.Report(err) != ExitUsage || !strings.Contains(errs.String(), "hint: pass --yes\n") {
		t.Fatalf("err = %v, printed %q", err, errs)
	}
	if _, err := s.AskSecret("Token", "set TOLLGATE_KEY"); ExitCode(err) != ExitUsage {
		t.Fatalf("AskSecret = %v", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	s.In, s.Err = null, null
	if s.Interactive() {
		t.Fatal("the null device is taken for a terminal")
	}
}

func TestJSON(t *testing.T) {
	s, out, _ := streams("")
	if err := s.JSON(map[string]any{"a": "<b>&", "n": 9007199254740993}); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"a\": \"<b>&\",\n  \"n\": 9007199254740993\n}\n"; out.String() != want {
		t.Fatalf("got %s, want %s", out, want)
	}
}

func TestGetenvAndCount(t *testing.T) {
	s := &Streams{}
	if s.Getenv("X") != "" {
		t.Fatal("an environment out of nowhere")
	}
	s.Env = func(name string) (string, bool) { return name + "!", true }
	if s.Getenv("X") != "X!" || Count(1, "tool") != "1 tool" || Count(2, "tool") != "2 tools" || Count(0, "tool") != "0 tools" {
		t.Fatal("Getenv or Count")
	}
}
