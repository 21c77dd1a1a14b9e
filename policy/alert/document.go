// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"time"

	"cel.dev/cel-go/cel"
)

// dollar is one USD in nano-USD.
const dollar = 1_000_000_000

// Document is what one evaluation sees. It is not changed while it is used.
type Document struct {
	Budget   *Budget   // of a rule about budgets
	Upstream *Upstream // of a rule about upstreams
	Calls    Calls
	Ledger   Ledger
	Now      time.Time
}

// Budget is one account of a budget. Amounts are nano-USD.
type Budget struct {
	Name, Account            string
	Limit, Settled, Reserved int64
	PeriodEnd                time.Time // zero for a rolling window
	Warn                     []float64 // shares of Limit at which an alert is due
}

// Used is the share of the limit that is spent or reserved. Without a limit nothing is 0 and anything is 1.
func (b *Budget) Used() float64 {
	used := float64(b.Settled) + float64(b.Reserved)
	switch {
	case b.Limit > 0:
		return used / float64(b.Limit)
	case used > 0:
		return 1
	}
	return 0
}

// Warned is the highest of Warn that was reached; 0 when none was.
func (b *Budget) Warned() float64 {
	highest, used := 0.0, b.Used()
	for _, w := range b.Warn {
		if used >= w && w > highest {
			highest = w
		}
	}
	return highest
}

// Remaining is what calls may still reserve, in nano-USD.
func (b *Budget) Remaining() int64 { return max(0, b.Limit-b.Settled-b.Reserved) }

// Upstream is the state of one upstream.
type Upstream struct {
	Name, State string
	FailingFor  time.Duration // 0 unless the state is failed
	Restarts    int
	Tools       int
}

// Calls counts the calls of the last minutes by how they ended.
type Calls struct{ Total, Answered, Failed, Refused int64 }

// ErrorRate is the share of failed calls among those that reached an upstream; 0 when there were none.
func (c Calls) ErrorRate() float64 { return share(c.Failed, c.Answered+c.Failed) }

// RefusalRate is the share of refused calls among all; 0 when there were none.
func (c Calls) RefusalRate() float64 { return share(c.Refused, c.Total) }

func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Ledger is the state of the ledger.
type Ledger struct {
	Available bool
	Queued    int64
	Overruns  int64 // in the last minutes
	LastError string
}

// kind says how a variable is typed and written.
type kind int

const (
	text kind = iota
	number
	money // in USD
	ratio
	truth
	moment
)

func (k kind) typ() *cel.Type {
	switch k {
	case number:
		return cel.IntType
	case money, ratio:
		return cel.DoubleType
	case truth:
		return cel.BoolType
	case moment:
		return cel.TimestampType
	}
	return cel.StringType
}

// variables are what an expression and a summary may read. A variable of several words is one variable with a dot in its
// name, so that only what exists can be read.
func variables() map[string]kind {
	return map[string]kind{
		"budget.name": text, "budget.account": text, "budget.limit": money, "budget.settled": money, "budget.reserved": money,
		"budget.remaining": money, "budget.used_ratio": ratio, "budget.warn_ratio": ratio, "budget.period_end": moment,
		"calls.total": number, "calls.answered": number, "calls.failed": number, "calls.refused": number,
		"calls.error_rate": ratio, "calls.refusal_rate": ratio,
		"upstream.name": text, "upstream.state": text, "upstream.failing_for_s": number, "upstream.restarts": number,
		"upstream.tools":   number,
		"ledger.available": truth, "ledger.queued": number, "ledger.overruns": number, "ledger.last_error": text,
		"now": moment,
	}
}

// states are those of an upstream.
func states() []string { return []string{"connecting", "ready", "degraded", "failed", "disabled"} }

// value answers a variable as string, int64, float64, bool or time.Time.
func (d *Document) value(name string) (any, bool) {
	switch name {
	case "now":
		return d.Now.UTC(), true
	case "calls.total":
		return d.Calls.Total, true
	case "calls.answered":
		return d.Calls.Answered, true
	case "calls.failed":
		return d.Calls.Failed, true
	case "calls.refused":
		return d.Calls.Refused, true
	case "calls.error_rate":
		return d.Calls.ErrorRate(), true
	case "calls.refusal_rate":
		return d.Calls.RefusalRate(), true
	case "ledger.available":
		return d.Ledger.Available, true
	case "ledger.queued":
		return d.Ledger.Queued, true
	case "ledger.overruns":
		return d.Ledger.Overruns, true
	case "ledger.last_error":
		return d.Ledger.LastError, true
	}
	if v, ok := d.Budget.value(name); ok {
		return v, true
	}
	return d.Upstream.value(name)
}

func (b *Budget) value(name string) (any, bool) {
	if b == nil {
		return nil, false
	}
	switch name {
	case "budget.name":
		return b.Name, true
	case "budget.account":
		return b.Account, true
	case "budget.period_end":
		return b.PeriodEnd.UTC(), true
	case "budget.used_ratio":
		return b.Used(), true
	case "budget.warn_ratio":
		return b.Warned(), true
	}
	if n, ok := b.amount(name); ok {
		return float64(n) / dollar, true
	}
	return nil, false
}

// amount answers a variable that is money, in nano-USD.
func (b *Budget) amount(name string) (int64, bool) {
	switch name {
	case "budget.limit":
		return b.Limit, true
	case "budget.settled":
		return b.Settled, true
	case "budget.reserved":
		return b.Reserved, true
	case "budget.remaining":
		return b.Remaining(), true
	}
	return 0, false
}

func (u *Upstream) value(name string) (any, bool) {
	if u == nil {
		return nil, false
	}
	switch name {
	case "upstream.name":
		return u.Name, true
	case "upstream.state":
		return u.State, true
	case "upstream.failing_for_s":
		return int64(u.FailingFor / time.Second), true
	case "upstream.restarts":
		return int64(u.Restarts), true
	case "upstream.tools":
		return int64(u.Tools), true
	}
	return nil, false
}

// ResolveName implements [cel.Activation].
func (d *Document) ResolveName(name string) (any, bool) { return d.value(name) }

// Parent implements [cel.Activation].
func (d *Document) Parent() cel.Activation { return nil }
