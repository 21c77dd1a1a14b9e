// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"tollgate/aggregator"
	"tollgate/policy"
)

// Change is how candidate rules differ from those that were in force, for one call.
type Change string

// The changes.
const (
	Same        Change = "same"
	Refused     Change = "newly_refused"
	Allowed     Change = "newly_allowed"
	Undecidable Change = "undecidable"
)

// Answer is what candidate rules say of a case.
type Answer struct {
	Change Change
	// Code, Rule and Reason say who or what refuses: of the candidate when it refuses the call, of the record when the
	// candidate does not. Place is <file>:<line> of a Rego rule, when it is known.
	Code, Rule, Place, Reason string
	// Missing are the places of arguments that the answer depends on and that the record does not have; "" is all of them.
	Missing []string
	// Schema says that it depends on the input schema that the tool had, which is not known.
	Schema bool
	// Partly says that arguments were held against the constraints but not against the tool's own schema.
	Partly bool
}

// Judge holds decisions of the past against candidate rules: the one definition of what differs. Safe for concurrent use.
type Judge struct {
	weigher *aggregator.Weigher
	told    sync.Map // what was hidden from whom -> because
	kept    atomic.Int64
}

// maxTold bounds what is remembered of them.
const maxTold = 1 << 12

// NewJudge returns a judge for candidate rules.
func NewJudge(o *aggregator.WeigherOptions) (*Judge, error) {
	w, err := aggregator.NewWeigher(o)
	if err != nil {
		return nil, err
	}
	return &Judge{weigher: w}, nil
}

// Revision is that of the candidate.
func (j *Judge) Revision() string { return j.weigher.Rules().Decider.Revision() }

// Compare says how the candidate would have decided a case differently. The error is that of ctx.
func (j *Judge) Compare(ctx context.Context, c *Case) (*Answer, error) {
	w, err := j.weigher.Weigh(ctx, &c.Past)
	if err != nil {
		return nil, err
	}
	a := &Answer{Change: Same, Partly: w.Partly}
	v := &c.Verdict
	switch {
	case w.Refusal != nil && v.Allowed:
		a.Change, a.Code, a.Reason = Refused, w.Refusal.Code, w.Refusal.Sentence
		return a, j.explain(ctx, c, w.Refusal, a)
	case w.Refusal != nil:
	case len(w.Missing) > 0 || w.Schema:
		a.Change, a.Missing, a.Schema = Undecidable, w.Missing, w.Schema
	case v.Allowed:
	case v.ownSchema && w.Partly:
		a.Change, a.Missing, a.Schema = Undecidable, c.Past.Missing, len(c.Past.Missing) == 0
	default:
		a.Change, a.Code, a.Rule, a.Reason = Allowed, v.Code, v.Rule, v.Sentence
	}
	return a, nil
}

// because is who refused, as a person reads it.
type because struct{ rule, place, reason string }

// explain adds the rule that refuses, and where it stands.
func (j *Judge) explain(ctx context.Context, c *Case, r *aggregator.Refusal, a *Answer) error {
	explainer, ok := j.weigher.Rules().Decider.(aggregator.Explainer)
	p, o := c.Past.Input.Principal, c.Past.Input.Object
	switch {
	case ok && r.Code == aggregator.CodeHidden && r.Detail == "":
		key := j.weigher.Rules().Decider.Class(p) + "\x00" + o.Kind + "\x00" + o.Upstream + "\x00" + o.OriginalName + "\x00" + o.URI
		return j.remember(a, key, func() (because, error) {
			x, err := explainer.Explain(ctx, p, *o)
			return hiddenBy(&x), err
		})
	case r.Code == aggregator.CodeHidden:
		a.Rule, a.Reason = "access", r.Detail
	case ok && r.Code == policy.CodeDenied && !slices.Contains(c.Past.Missing, ""):
		x, err := explainer.ExplainCall(ctx, c.Past.Input) // never remembered: rules that say the same are told apart by the call alone
		a.because(deniedBy(&x, r))
		return err
	case r.Code == aggregator.CodeScope:
		a.Rule = "scopes " + strings.Join(r.Scopes, " ")
	default:
		a.Rule = r.Rule
		if a.Reason == "" {
			a.Reason = r.Detail
		}
	}
	return ctx.Err()
}

// remember fills in a from what find finds, once for each key while there is room.
func (j *Judge) remember(a *Answer, key string, find func() (because, error)) error {
	known, ok := j.told.Load(key)
	if !ok {
		found, err := find()
		if err != nil {
			return err
		}
		if known = found; j.kept.Add(1) <= maxTold {
			j.told.Store(key, found)
		}
	}
	a.because(known.(because))
	return nil
}

func (a *Answer) because(b because) { a.Rule, a.Place, a.Reason = b.rule, b.place, b.reason }

// hiddenBy names what hides an object.
func hiddenBy(x *policy.Explanation) because {
	b := because{rule: x.Rule, reason: x.Reason}
	if x.Pattern != "" {
		b.rule = fmt.Sprintf("%s %q of role %s", x.Rule, x.Pattern, x.Role)
	}
	if x.File != "" {
		b.place = fmt.Sprintf("%s:%d", x.File, x.Line)
	}
	return b
}

// deniedBy names the first rule that refuses a call.
func deniedBy(x *policy.CallExplanation, r *aggregator.Refusal) because {
	b := because{rule: r.Rule, reason: r.Sentence}
	if len(x.Denials) > 0 {
		d := &x.Denials[0]
		b.rule, b.place = d.Rule, fmt.Sprintf("%s:%d", d.File, d.Line)
	}
	return b
}

// Roles are those of the caller, in one order.
func (c *Case) Roles() []string {
	roles := slices.Clone(c.Past.Input.Principal.Roles)
	slices.Sort(roles)
	return slices.Compact(roles)
}
