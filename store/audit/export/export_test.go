// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/store/audit"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the golden files")
	flag.Parse()
	os.Exit(m.Run())
}

// TestEveryKindInEveryFormat compares with testdata/golden.*; -update writes them.
func TestEveryKindInEveryFormat(t *testing.T) {
	all := stored(t, everyKind()...)
	for _, name := range Formats() {
		t.Run(name, func(t *testing.T) {
			got := exported(t, testOptions(Format(name)), all)
			golden := filepath.Join("testdata", "golden."+name)
			if flag.Lookup("update").Value.String() == "true" {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
				t.Fatalf("not the golden file (-want +got):\n%s", diff)
			}
			lines := len(all)
			if name == "csv" {
				lines++
			}
			if n := bytes.Count(got, []byte("\n")); n != lines {
				t.Fatalf("%d lines for %d records", n, len(all))
			}
		})
	}
}

// TestJSONLIsExact: what stands behind "record": is the text that the log proves, and needs no reading.
func TestJSONLIsExact(t *testing.T) {
	all := append(stored(t, everyKind()...), audit.Stored{Seq: 99, Text: []byte(`{"v":77,"kind":"from the future","x":"<&> \u2028  é"}`)})
	lines := bytes.SplitAfter(exported(t, testOptions(JSONL), all), []byte("\n"))
	for i, r := range all {
		begin := fmt.Appendf(nil, `{"seq":%d,"leaf_hash":"%x","record":`, r.Seq, (&entry{text: r.Text}).leafHash())
		text, ok := bytes.CutPrefix(lines[i], begin)
		if !ok || string(text) != string(r.Text)+"}\n" {
			t.Fatalf("record %d is\n%s", r.Seq, lines[i])
		}
	}
}

func TestErrors(t *testing.T) {
	if _, err := New(io.Discard, &Options{Format: "xml"}); err == nil || !strings.Contains(err.Error(), `"xml": use jsonl, csv, ocsf, cef`) {
		t.Fatalf("unknown format: %v", err)
	}
	for format, text := range map[Format]string{CSV: `{"v":2,"kind":"x"}`, OCSF: `{`, CEF: `[]`, JSONL: "{\n}"} {
		w, err := New(io.Discard, &Options{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(audit.Stored{Seq: 17, Text: []byte(text)}); err == nil || !strings.HasPrefix(err.Error(), "record 17: ") {
			t.Fatalf("%s of %q: %v", format, text, err)
		}
	}
	full := errors.New("no room")
	w, err := New(failing{full}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(stored(t, everyKind()...)[0]); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); !errors.Is(err, full) {
		t.Fatalf("the error of the disk is lost: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestEmpty: an export of nothing is a table without rows.
func TestEmpty(t *testing.T) {
	if got := string(exported(t, testOptions(CSV), nil)); got != strings.Join(Columns(), ",")+"\r\n" {
		t.Fatalf("csv: %q", got)
	}
	if got := exported(t, testOptions(OCSF), nil); len(got) != 0 {
		t.Fatalf("ocsf: %q", got)
	}
}

func BenchmarkWrite(b *testing.B) {
	all := stored(b, everyKind()...)
	for _, name := range Formats() {
		b.Run(name, func(b *testing.B) {
			w, err := New(io.Discard, testOptions(Format(name)))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := w.Write(all[i%len(all)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
