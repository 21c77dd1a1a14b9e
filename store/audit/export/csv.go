// SPDX-License-Identifier: Apache-2.0

package export

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"tollgate/store/audit"
)

// column is one of the table. A number is written as it is: a spreadsheet must be able to add it up.
type column struct {
	name   string
	number bool
	cell   func(e *entry) string
}

// Columns are the names of the columns of [CSV], in order. New ones are added at the end.
func Columns() []string {
	var names []string
	for _, c := range columns() {
		names = append(names, c.name)
	}
	return names
}

func columns() []column {
	all := append(whoColumns(), howColumns()...)
	return append(all, restColumns()...)
}

func text(name string, cell func(e *entry) string) column { return column{name, false, cell} }

func number(name string, value func(e *entry) int64) column {
	return column{name, true, func(e *entry) string {
		if n := value(e); n != 0 {
			return strconv.FormatInt(n, 10)
		}
		return ""
	}}
}

func amount(name string, value func(e *entry) int64) column {
	return column{name, true, func(e *entry) string {
		if n := value(e); n != 0 {
			return usd(n)
		}
		return ""
	}}
}

// whoColumns say when, who and what.
func whoColumns() []column {
	return []column{
		{"seq", true, func(e *entry) string { return strconv.FormatUint(e.seq, 10) }},
		text("time", func(e *entry) string { return moment(e.rec.Time) }),
		text("kind", func(e *entry) string { return string(e.rec.Kind) }),
		text("id", func(e *entry) string { return e.rec.ID }),
		text("node", func(e *entry) string { return e.rec.Node }),
		text("class", func(e *entry) string { return string(e.rec.Class) }),
		text("org", func(e *entry) string { return e.of.Org }),
		text("team", func(e *entry) string { return e.of.Team }),
		text("user", func(e *entry) string { return e.of.User }),
		text("key", func(e *entry) string { return e.of.Key }),
		text("origin", func(e *entry) string { return e.of.Origin }),
		text("source_ip", func(e *entry) string { return e.in.SourceIP }),
		text("client", func(e *entry) string { return strings.TrimSpace(e.in.Client.Name + " " + e.in.Client.Version) }),
		text("method", func(e *entry) string { return e.rec.Method }),
		text("upstream", func(e *entry) string { return e.of.Upstream }),
		text("object_kind", func(e *entry) string { return e.of.Kind }),
		text("tool", func(e *entry) string { return e.of.Tool }),
		text("name", func(e *entry) string { return e.of.Name }),
		text("reason", func(e *entry) string { return e.rec.Reason }),
	}
}

// howColumns say how it ended and what it cost.
func howColumns() []column {
	return []column{
		text("end", func(e *entry) string { return e.rec.End }),
		text("open", func(e *entry) string { return yes(e.rec.Open) }),
		text("code", func(e *entry) string { return e.rec.Code }),
		text("rule", func(e *entry) string { return e.rec.Rule }),
		text("sentence", func(e *entry) string { return e.rec.Sentence }),
		text("detail", func(e *entry) string { return e.rec.Detail }),
		text("error", func(e *entry) string { return e.rec.Error }),
		amount("cost_usd", func(e *entry) int64 { return e.rec.Cost }),
		amount("overrun_usd", func(e *entry) int64 { return e.rec.Overrun }),
		amount("reserved_usd", func(e *entry) int64 {
			if e.rec.Reserve == nil {
				return 0
			}
			return e.rec.Reserve.Cost
		}),
		number("microseconds", func(e *entry) int64 { return e.rec.Micros }),
		number("result_bytes", func(e *entry) int64 { return e.rec.Bytes }),
		text("result_sha256", func(e *entry) string { return e.rec.Result }),
		number("retry_ms", func(e *entry) int64 { return e.rec.Retry }),
		text("began", func(e *entry) string { return moment(e.rec.Began) }),
		text("continues", func(e *entry) string { return e.rec.Continues }),
		text("idempotency", func(e *entry) string { return e.rec.Idempotency }),
		text("revision", func(e *entry) string { return e.rec.Revision }),
	}
}

// restColumns are of records that are about no call, and what leads back to the log.
func restColumns() []column {
	lease := func(f func(l *audit.LeaseChange) string) func(e *entry) string {
		return func(e *entry) string {
			if e.rec.Lease == nil {
				return ""
			}
			return f(e.rec.Lease)
		}
	}
	return []column{
		text("action", func(e *entry) string { return e.rec.Action }),
		text("actor", func(e *entry) string { return e.rec.Actor }),
		text("target", func(e *entry) string { return e.rec.Target }),
		text("details", func(e *entry) string { return string(e.rec.Details) }),
		text("lease_action", lease(func(l *audit.LeaseChange) string { return l.Action })),
		text("lease_budget", lease(func(l *audit.LeaseChange) string { return l.Of.Budget })),
		text("lease_account", lease(func(l *audit.LeaseChange) string { return l.Of.Account })),
		{"lease_usd", true, lease(func(l *audit.LeaseChange) string { return usd(l.Amount) })},
		text("unclean", func(e *entry) string { return yes(e.rec.Unclean) }),
		number("orphans", func(e *entry) int64 { return int64(e.rec.Orphans) }),
		text("arguments_kept", func(e *entry) string {
			if e.rec.Arguments == nil {
				return ""
			}
			return e.rec.Arguments.Level
		}),
		text("arguments_digest", func(e *entry) string {
			if e.rec.Arguments == nil {
				return ""
			}
			return e.rec.Arguments.Digest
		}),
		text("arguments", func(e *entry) string { return string(e.in.Arguments) }),
		text("script", func(e *entry) string {
			if e.rec.Script == nil {
				return ""
			}
			return e.rec.Script.Execution
		}),
		text("leaf_hash", func(e *entry) string { leaf := e.leafHash(); return hex.EncodeToString(leaf[:]) }),
	}
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func yes(set bool) string {
	if set {
		return "true"
	}
	return ""
}

func appendHeader(dst []byte) []byte {
	for i, name := range Columns() {
		dst = appendCell(dst, i, name)
	}
	return append(dst, "\r\n"...)
}

// table makes rows.
type table struct{ columns []column }

func (t table) appendRow(dst []byte, e *entry) []byte {
	for i, c := range t.columns {
		cell := c.cell(e)
		if !c.number {
			cell = disarm(cell)
		}
		dst = appendCell(dst, i, cell)
	}
	return append(dst, "\r\n"...)
}

// appendCell follows RFC 4180. Package encoding/csv is not used because with CRLF it changes line breaks inside of cells.
func appendCell(dst []byte, i int, cell string) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	if !strings.ContainsAny(cell, "\",\r\n") && strings.TrimSpace(cell) == cell {
		return append(dst, cell...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(cell, `"`, `""`)...)
	return append(dst, '"')
}

// disarm puts an apostrophe before what a spreadsheet would take for a formula, the wide forms of some keyboards included,
// and before an apostrophe, so that taking one away always gives the value back.
func disarm(cell string) string {
	for _, begin := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(cell, begin) {
			return "'" + cell
		}
	}
	return cell
}
