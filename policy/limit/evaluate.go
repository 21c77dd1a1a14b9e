// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tollgate/policy"
	"tollgate/upstream/wire"
)

// Codes of a [Refusal].
const (
	CodeRequire  = "limit_require"             // the call does not satisfy require
	CodeError    = "limit_error"               // an expression could not be evaluated for the call
	CodeCost     = "limit_cost"                // the cost is negative, not finite or too large
	CodeTooDear  = "limit_too_complex"         // an expression ran into its cost limit or deadline
	CodeTooLarge = "limit_arguments_too_large" // the arguments are too large for an expression to read
)

// Call is what limits are applied to.
type Call struct {
	Input *policy.Input
	// InputSchema is the tool's own: it says which numbers are whole ones. nil =
	// by how they are written.
	InputSchema []byte
}

// Refusal says why a call is not made.
type Refusal struct {
	Limit   string // name
	Code    string // one of the Code constants
	Message string // for the caller; says nothing that the caller may not know
	Detail  string // for operators
}

// Admission is what the limits of a call ask for.
type Admission struct {
	Claims         []Claim       // in the order of the limits, rate before concurrency
	Timeout        time.Duration // the smallest; 0 = none
	MaxResultBytes int64         // the smallest; 0 = none
	Cost           int64         // nano-USD, the sum of the ceilings

	priced   []priced
	document *document // kept for settling
}

// priced is the ceiling of one limit.
type priced struct {
	limit   *Limit
	ceiling int64
}

// Evaluate applies the limits to a call. The first that refuses, or that cannot
// be evaluated, decides. Nothing is counted here: see [Admission.Claims]. It never
// panics and is safe for concurrent use.
func Evaluate(ctx context.Context, limits []*Limit, c *Call) (*Admission, *Refusal) {
	a := &Admission{}
	if len(limits) == 0 {
		return a, nil
	}
	d, err := newDocument(c)
	if err != nil {
		return nil, &Refusal{limits[0].name, CodeError, limits[0].unchecked(), err.Error()}
	}
	for _, l := range limits {
		if refusal := l.apply(ctx, d, a); refusal != nil {
			return nil, refusal
		}
	}
	a.document = d
	return a, nil
}

func newDocument(c *Call) (*document, error) {
	if c == nil || c.Input == nil || c.Input.Principal == nil || c.Input.Object == nil {
		return nil, errors.New("the call has no principal or object")
	}
	return &document{input: c.Input, schema: c.InputSchema}, nil
}

func (l *Limit) apply(ctx context.Context, d *document, a *Admission) *Refusal {
	if l.match != nil {
		holds, err := l.match.holds(ctx, d)
		if err != nil {
			return l.refuse(l.match, d, err)
		}
		if !holds {
			return nil
		}
	}
	if l.require != nil {
		holds, err := l.require.holds(ctx, d)
		if err != nil {
			return l.refuse(l.require, d, err)
		}
		if !holds {
			return &Refusal{l.name, CodeRequire, l.message(), "require is false: " + oneLine(l.require.text)}
		}
	}
	if refusal := l.claim(ctx, d, a); refusal != nil {
		return refusal
	}
	if refusal := l.price(ctx, d, a); refusal != nil {
		return refusal
	}
	a.Timeout = smallest(a.Timeout, l.rule.Timeout)
	a.MaxResultBytes = smallest(a.MaxResultBytes, l.rule.MaxResultBytes)
	return nil
}

// smallest of two bounds, of which 0 is none.
func smallest[T ~int64](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func (l *Limit) claim(ctx context.Context, d *document, a *Admission) *Refusal {
	if l.rate.calls == 0 && l.rule.Concurrency == 0 {
		return nil
	}
	key, failed, err := l.key(ctx, d)
	if err != nil {
		return l.refuse(failed, d, err)
	}
	if l.rate.calls > 0 {
		a.Claims = append(a.Claims, Claim{
			Limit: l.name, ID: l.id + "/rate", Key: "rate " + key, Rate: l.rate.calls, Window: l.rate.window, Durable: l.rule.Durable,
		})
	}
	if l.rule.Concurrency > 0 {
		a.Claims = append(a.Claims, Claim{Limit: l.name, ID: l.id + "/concurrency", Key: "concurrency " + key, Concurrency: int64(l.rule.Concurrency)})
	}
	return nil
}

func (l *Limit) price(ctx context.Context, d *document, a *Admission) *Refusal {
	if l.rule.Cost == "" {
		return nil
	}
	ceiling := l.fixed
	if l.cost != nil {
		v, err := l.cost.eval(ctx, d)
		if err != nil {
			return l.refuse(l.cost, d, err)
		}
		if ceiling, err = dollars(v); err != nil {
			return l.overpriced(err)
		}
	}
	sum, _, err := addCost(a.Cost, ceiling, true)
	if err != nil {
		return l.overpriced(err)
	}
	a.Cost = sum
	a.priced = append(a.priced, priced{l, ceiling})
	return nil
}

func (l *Limit) overpriced(err error) *Refusal {
	return &Refusal{l.name, CodeCost, fmt.Sprintf("limit %q gives no usable cost for this call", l.name), "cost: " + err.Error()}
}

// message is what a caller is told whose call does not satisfy require.
func (l *Limit) message() string {
	if l.rule.Message != "" {
		return l.rule.Message
	}
	return fmt.Sprintf("limit %q requires %s", l.name, oneLine(l.require.text))
}

func (l *Limit) unchecked() string {
	return fmt.Sprintf("limit %q could not be checked for this call", l.name)
}

// refuse words an evaluation that failed. The caller learns names of arguments
// and nothing else of what the expression saw.
func (l *Limit) refuse(p *program, d *document, err error) *Refusal {
	r := &Refusal{l.name, CodeError, l.unchecked(), fmt.Sprintf("%s: %s: %v", p.field, oneLine(p.text), err)}
	switch {
	case errors.Is(err, errTooCostly):
		r.Code = CodeTooDear
		r.Message = fmt.Sprintf("limit %q is too costly to check for arguments of this size", l.name)
		return r
	case errors.Is(err, errLargeArguments):
		r.Code = CodeTooLarge
		r.Message = fmt.Sprintf("limit %q reads the arguments, which are larger than %d KiB", l.name, policy.MaxArguments>>10)
		return r
	}
	for _, name := range p.reads.names() {
		if _, there := wire.Lookup(d.input.Arguments, name); !there && strings.HasSuffix(err.Error(), "no such key: "+name) {
			r.Message = fmt.Sprintf("limit %q needs argument %q", l.name, name)
		}
	}
	return r
}
