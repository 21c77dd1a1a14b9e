// SPDX-License-Identifier: Apache-2.0

package export

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"tollgate/store/audit"
)

// syslog makes CEF events.
type syslog struct{ Options }

// appendEvent appends the event of a record: one line.
func (s *syslog) appendEvent(dst []byte, e *entry) []byte {
	dst = append(dst, "CEF:0"...)
	for _, field := range []string{productName, productName, cmp.Or(s.Version, "-"), e.signature(), e.heading(), strconv.Itoa(e.grade().cef())} {
		dst = append(dst, '|')
		dst = append(dst, escapeHeader(field)...)
	}
	dst = append(dst, '|')
	x := &extension{dst: dst}
	s.event(x, e)
	e.request(x)
	e.rest(x)
	return append(x.dst, '\n')
}

// cef is the severity from 0 to 10.
func (g grade) cef() int {
	switch g {
	case low:
		return 3
	case medium:
		return 6
	}
	return 1
}

// signature is the type of an event, by which rules of a collector tell them apart.
func (e *entry) signature() string {
	kind := string(e.rec.Kind)
	if e.rec.Lease != nil || e.rec.Kind == audit.Admin {
		return kind + ":" + strings.TrimPrefix(e.what(), "lease.")
	}
	if result := e.result(); result != "" && e.rec.Kind != audit.Intent && e.rec.Kind != audit.Replay {
		return kind + ":" + result
	}
	return kind
}

// heading names the type of an event for people.
func (e *entry) heading() string {
	names := map[audit.Kind]string{
		audit.Intent: "Call admitted", audit.Outcome: "Call ended", audit.Refusal: "Request refused", audit.Admin: "Administration",
		audit.Lease: "Budget lease", audit.Start: "Gateway started", audit.Stop: "Gateway stopped", audit.Shadow: "Candidate policy differs",
		audit.Replay: "Answer given again",
	}
	return cmp.Or(names[e.rec.Kind], "Record of kind "+string(e.rec.Kind))
}

// extension is the part of an event that has names.
type extension struct {
	dst  []byte
	some bool
}

// put adds a value unless it is empty. most is how many characters the key may have by the rules of CEF.
func (x *extension) put(key, value string, most int) {
	if value == "" {
		return
	}
	if x.some {
		x.dst = append(x.dst, ' ')
	}
	x.some = true
	x.dst = append(append(x.dst, key...), '=')
	x.dst = append(x.dst, escapeValue(shorten(value, most))...)
}

func (x *extension) labelled(key, label, value string, most int) {
	if value != "" {
		x.put(key, value, most)
		x.put(key+"Label", label, maxLong)
	}
}

// The lengths of keys.
const (
	maxShort  = 63
	maxAction = 255
	maxLong   = 1023
	maxCustom = 4000
)

// event says when and where.
func (s *syslog) event(x *extension, e *entry) {
	r := e.rec
	leaf := e.leafHash()
	x.put("rt", strconv.FormatInt(r.Time.UnixMilli(), 10), maxShort)
	x.put("cat", string(r.Kind), maxLong)
	x.put("externalId", r.ID, 40)
	x.put("dvchost", r.Node, 100)
	x.put("deviceExternalId", s.Origin, maxAction)
	x.labelled("cn1", "seq", strconv.FormatUint(e.seq, 10), maxShort)
	x.labelled("flexString1", "leaf hash", hex.EncodeToString(leaf[:]), maxLong)
	if !r.Began.IsZero() {
		x.put("start", strconv.FormatInt(r.Began.UnixMilli(), 10), maxShort)
	}
}

// request says who asked for what, and what came of it.
func (e *entry) request(x *extension) {
	r := e.rec
	x.put("suser", e.who(), maxLong)
	if ip, err := netip.ParseAddr(e.in.SourceIP); err == nil && ip.Unmap().Is4() {
		x.put("src", ip.Unmap().String(), maxShort)
	} else {
		x.labelled("c6a2", "Source IPv6 Address", e.in.SourceIP, maxShort)
	}
	x.put("requestClientApplication", e.in.Client.Name, maxLong)
	x.put("app", e.of.Origin, 31)
	x.put("requestMethod", r.Method, maxLong)
	x.put("request", cmp.Or(e.of.Name, e.of.Tool), maxLong)
	x.put("act", e.act(), maxShort)
	_, status := e.status()
	x.put("outcome", status, maxShort)
	x.put("reason", cmp.Or(r.Code, r.End), maxLong)
	x.put("msg", e.summary(), maxLong)
	if r.Bytes != 0 {
		x.put("out", strconv.FormatInt(r.Bytes, 10), maxShort)
	}
	if e.aboutCall() {
		x.labelled("cs1", "tool", e.of.Tool, maxCustom)
	} else {
		x.labelled("cs1", "target", r.Target, maxCustom)
	}
	x.labelled("cs2", "upstream", e.of.Upstream, maxCustom)
	x.labelled("cs3", "team", e.of.Team, maxCustom)
	x.labelled("cs4", "org", e.of.Org, maxCustom)
	x.labelled("cs5", "key", e.of.Key, maxCustom)
	x.labelled("cs6", "revision", r.Revision, maxCustom)
}

// act is what the gateway did.
func (e *entry) act() string {
	switch {
	case e.rec.Kind == audit.Refusal:
		return "denied"
	case e.rec.Kind == audit.Shadow:
		return "observed"
	case e.aboutCall():
		return "allowed"
	}
	return e.what()
}

// rest has keys of our own, as CEF lets vendors have.
func (e *entry) rest(x *extension) {
	r := e.rec
	if r.Micros != 0 {
		x.labelled("cn2", "microseconds", strconv.FormatInt(r.Micros, 10), maxShort)
	}
	if r.Cost != 0 {
		x.labelled("flexString2", "cost USD", usd(r.Cost), maxLong)
	}
	if r.Overrun != 0 {
		x.put("TollgateOverrunUSD", usd(r.Overrun), maxShort)
	}
	if r.Reserve != nil && r.Reserve.Cost != 0 {
		x.put("TollgateReservedUSD", usd(r.Reserve.Cost), maxShort)
	}
	if l := r.Lease; l != nil {
		x.put("TollgateLeaseUSD", usd(l.Amount), maxShort)
		x.put("TollgateBudget", l.Of.Budget, maxLong)
		x.put("TollgateAccount", l.Of.Account, maxLong)
	}
	x.put("TollgateClass", string(r.Class), maxShort)
	x.put("TollgateRule", r.Rule, maxLong)
	x.put("TollgateDetail", r.Detail, maxLong)
	x.put("TollgateError", r.Error, maxLong)
	x.put("TollgateReason", r.Reason, maxLong)
	x.put("TollgateContinues", r.Continues, maxLong)
	if r.Script != nil {
		x.put("TollgateScript", r.Script.Execution, maxLong)
	}
	x.put("TollgateDetails", string(r.Details), maxCustom)
	if r.Orphans != 0 {
		x.put("TollgateOrphans", strconv.Itoa(r.Orphans), maxShort)
	}
	x.put("TollgateOpen", yes(r.Open), maxShort)
	x.put("TollgateUnclean", yes(r.Unclean), maxShort)
}

// shorten cuts off what is longer than a key may have, which one sees by its end.
func shorten(s string, most int) string {
	if len(s) <= most || utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// escapeHeader escapes what separates fields of the header. A header has no line breaks: they become spaces.
func escapeHeader(s string) string {
	if !strings.ContainsAny(s, "\\|\r\n") {
		return controls(s)
	}
	return controls(strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\r\n", " ", "\n", " ", "\r", " ").Replace(s))
}

// escapeValue escapes what ends a value. A pipe stands for itself.
func escapeValue(s string) string {
	if !strings.ContainsAny(s, "\\=\r\n") {
		return controls(s)
	}
	return controls(strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`).Replace(s))
}

// controls makes characters visible that would end the line for some collector, or write over it on a terminal.
func controls(s string) string {
	hidden := func(r rune) bool { return r < ' ' || r >= 0x7F && r < 0xA0 || r == 0x2028 || r == 0x2029 }
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, `\\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
