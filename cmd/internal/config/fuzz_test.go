// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse holds that no file makes Parse panic, that every refusal is [Diagnostics] with positions inside the file, and that
// values of references and confidential literals are not shown.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		_, text, _ := strings.Cut(string(data), "-- tollgate.yaml --\n")
		text, _, _ = strings.Cut(text, "-- want --\n")
		f.Add([]byte(text))
	}
	f.Add(InitTemplate())
	f.Add([]byte("a: \xff"))
	f.Add([]byte("a: b\rc: d"))
	f.Add([]byte("a: \u2028b"))
	f.Add([]byte("\ufeffversion: 1"))
	f.Add([]byte("{}}"))
	o := &Options{
		Env:      func(name string) (string, bool) { return "resolved-canary", len(name)%2 == 0 },
		ReadFile: func(string) ([]byte, error) { return []byte("resolved-canary\n"), nil },
		Keyring:  func(string, string) (string, error) { return "resolved-canary", nil },
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("tollgate.yaml", data, o)
		if err == nil {
			if strings.Contains(fmt.Sprintf("%v %+v %#v", c, *c, c.Upstreams), "resolved-canary") {
				t.Fatal("a resolved value is printed")
			}
			return
		}
		ds, ok := errors.AsType[Diagnostics](err)
		if !ok || len(ds) == 0 || len(ds) > maxDiagnostics {
			t.Fatalf("error is %T with %d entries", err, len(ds))
		}
		if strings.Contains(err.Error(), "resolved-canary") {
			t.Fatalf("a resolved value is shown:\n%v", err)
		}
		lines := strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
		for _, d := range ds {
			whole := d.Line == 0 && d.Col == 0 && len(data) > maxFile
			if whole {
				continue
			}
			if d.Line < 1 || d.Line > len(lines) || d.Col < 1 || d.Col > utf8.RuneCountInString(lines[d.Line-1])+1 || d.Message == "" {
				t.Fatalf("position %d:%d is outside the file: %s", d.Line, d.Col, d.Text())
			}
		}
	})
}
