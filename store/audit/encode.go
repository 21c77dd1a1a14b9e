// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// recordVersion is the version of records that this program writes.
const recordVersion = 1

// errVersion says that a newer program wrote a record.
var errVersion = errors.New("a newer tollgate wrote it")

// Append appends the text of the record: one line of JSON without the line break, the members in the order of the struct and
// those that are empty left out. Documents in it stay as they are, but for white space. The error is about a document that is
// no JSON, or a time that has no text; b is as it was then.
func (r *Record) Append(b []byte) ([]byte, error) {
	out := bytes.NewBuffer(b)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false) // nobody shows it as HTML, and what a caller sent is kept byte for byte
	if err := e.Encode(r); err != nil {
		return b, fmt.Errorf("audit record: %w", err)
	}
	return out.Bytes()[:out.Len()-1], nil
}

// Decode reads the text of a record. Members that it does not know are left out: a later program of the same version may
// have added them. Its text stays what the log proves.
func Decode(text []byte) (*Record, error) {
	r := &Record{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("audit record: %w", err)
	}
	switch {
	case r.Version > recordVersion:
		return nil, fmt.Errorf("audit record of version %d: %w", r.Version, errVersion)
	case r.Version < 1 || r.Kind == "":
		return nil, errors.New("audit record: it has no version or no kind")
	}
	return r, nil
}
