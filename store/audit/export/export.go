// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"tollgate/store/audit"
)

// Format is a text form of records.
type Format string

// The formats.
const (
	JSONL Format = "jsonl" // each record as it stands in the log, with its place
	CSV   Format = "csv"   // a table, see [Columns]
	OCSF  Format = "ocsf"  // Open Cybersecurity Schema Framework 1.9, one JSON event a line
	CEF   Format = "cef"   // ArcSight Common Event Format 0, one event a line
)

// Formats are the names of all formats.
func Formats() []string { return []string{string(JSONL), string(CSV), string(OCSF), string(CEF)} }

// Options configure [New]. nil means all defaults.
type Options struct {
	Format  Format // "" = JSONL
	Origin  string // of the log, as its checkpoints name it
	Key     string // that verifies checkpoints of the log
	Version string // of the program
}

// Writer writes records in one format. Not safe for concurrent use.
type Writer struct {
	out  *bufio.Writer
	opts Options
	put  func(dst []byte, e *entry) []byte
	line []byte // memory for Write
}

// New returns a writer to w. A format that begins with a header has written it into its buffer, also when no record follows.
func New(w io.Writer, o *Options) (*Writer, error) {
	if o == nil {
		o = &Options{}
	}
	x := &Writer{out: bufio.NewWriterSize(w, 64<<10), opts: *o}
	switch o.Format {
	case JSONL, "":
		x.put = appendLine
	case CSV:
		x.put = table{columns()}.appendRow
		x.line = appendHeader(x.line)
	case OCSF:
		x.put = (&mapper{x.opts}).appendEvent
	case CEF:
		x.put = (&syslog{x.opts}).appendEvent
	default:
		return nil, fmt.Errorf("unknown format %q: use %s", o.Format, strings.Join(Formats(), ", "))
	}
	_, err := x.out.Write(x.line)
	return x, err
}

// Write writes one record. One that this program cannot read is an error, but for [JSONL], which needs no reading.
func (x *Writer) Write(r audit.Stored) error {
	e := &entry{seq: r.Seq, text: r.Text}
	if x.opts.Format == JSONL || x.opts.Format == "" {
		if bytes.ContainsAny(r.Text, "\r\n") {
			return fmt.Errorf("record %d: it is not one line", r.Seq)
		}
	} else if err := e.read(); err != nil {
		return fmt.Errorf("record %d: %w", r.Seq, err)
	}
	x.line = x.put(x.line[:0], e)
	_, err := x.out.Write(x.line)
	return err
}

// Flush writes what is buffered. Call it after the last record.
func (x *Writer) Flush() error { return x.out.Flush() }

// appendLine writes the text of a record byte for byte, last in its line: from behind "record": to the closing brace.
func appendLine(dst []byte, e *entry) []byte {
	leaf := e.leafHash()
	dst = fmt.Appendf(dst, `{"seq":%d,"leaf_hash":"%x","record":`, e.seq, leaf)
	dst = append(dst, e.text...)
	return append(dst, "}\n"...)
}
