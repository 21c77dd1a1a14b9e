// SPDX-License-Identifier: Apache-2.0

package export

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"strings"

	"tollgate/store/audit"
	"tollgate/store/ledger"
)

// entry is a record on its way into a format.
type entry struct {
	seq  uint64
	text []byte
	rec  *audit.Record
	of   audit.Labels // nothing for records that are about no call
	in   input
}

// input is what formats show of the decision input document.
type input struct {
	Arguments json.RawMessage `json:"arguments"`
	SourceIP  string          `json:"source_ip"`
	Client    struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"client"`
}

func (e *entry) read() (err error) {
	if e.rec, err = audit.Decode(e.text); err != nil {
		return err
	}
	if e.rec.Of != nil {
		e.of = *e.rec.Of
	}
	// A document of another form is still in the record; there is nothing to show of it in a column.
	if len(e.rec.Input) > 0 && json.Unmarshal(e.rec.Input, &e.in) != nil {
		e.in = input{}
	}
	return nil
}

// leafHash is the hash of the record in the tree of the log (RFC 6962).
func (e *entry) leafHash() (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(e.text)
	h.Sum(sum[:0])
	return sum
}

// aboutCall tells whether the record is about a request of a caller.
func (e *entry) aboutCall() bool {
	switch e.rec.Kind {
	case audit.Intent, audit.Outcome, audit.Refusal, audit.Replay, audit.Shadow:
		return true
	}
	return false
}

// who did it; "" = the gateway itself.
func (e *entry) who() string { return cmp.Or(e.of.User, e.rec.Actor) }

// what was done: a displayed name, a URI, an action.
func (e *entry) what() string {
	if e.rec.Kind == audit.Admin {
		return cmp.Or(e.rec.Action, "admin")
	}
	if e.rec.Lease != nil {
		return "lease." + e.rec.Lease.Action
	}
	return cmp.Or(e.of.Name, e.of.Tool, e.rec.Method, string(e.rec.Kind))
}

// result says in one word how it went: an end, a code, what a candidate policy would do.
func (e *entry) result() string {
	r := e.rec
	switch r.Kind {
	case audit.Intent:
		return "admitted"
	case audit.Replay:
		return "replayed"
	case audit.Shadow:
		return cmp.Or(r.Action, "differs")
	}
	return cmp.Or(r.Code, r.End)
}

// summary is one sentence for people.
func (e *entry) summary() string {
	r := e.rec
	switch {
	case e.aboutCall():
		text := e.what() + " for " + cmp.Or(e.who(), "nobody known") + ": " + cmp.Or(e.result(), string(r.Kind))
		if said := cmp.Or(r.Sentence, r.Error, r.Detail); said != "" {
			text += ": " + said
		}
		return text
	case r.Kind == audit.Admin:
		return strings.TrimSpace(e.what()+" "+r.Target) + " by " + cmp.Or(r.Actor, "the gateway")
	case r.Lease != nil:
		of := r.Lease.Of
		return e.what() + ": " + ledger.FormatUSD(r.Lease.Amount) + " of budget " + of.Budget + " " + cmp.Or(of.Account, "(its only account)")
	case r.Kind == audit.Start && r.Unclean:
		return "started after an end that was not in order"
	case r.Kind == audit.Start:
		return "started"
	case r.Kind == audit.Stop:
		return "stopped"
	}
	return "record of kind " + string(r.Kind)
}

// usd is an amount as a plain decimal number, such as 0.01.
func usd(n int64) string { return strings.Replace(ledger.FormatUSD(n), "$", "", 1) }
