// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/aggregator/redact"
	"tollgate/policy"
	"tollgate/policy/narrow"
	"tollgate/store/audit"
)

// Past is a call that was decided on before, as its record has it.
type Past struct {
	Input  *policy.Input
	Method string
	// Missing are JSON pointers to the values of arguments that Input does not hold; "" = there are some, and it holds none.
	Missing []string
}

// Weighing is what rules say of a [Past] call.
type Weighing struct {
	Refusal *Refusal // nil: the call goes on to the limits, if nothing is in Missing or Schema
	// Missing are those of [Past.Missing] that the answer depends on, when it is not certain.
	Missing []string
	// Schema says that the answer depends on the input schema of the tool, which is not known.
	Schema bool
	// Partly says that arguments were not held against the tool's own schema, as the gate does beside constraints, for want
	// of the schema or of arguments.
	Partly bool
}

// Weigher applies rules to calls that were decided on before, by the same steps as the gate: who sees what, conditions,
// scopes, call rules, constraints. It counts nothing, asks nobody, and leaves out limits. Safe for concurrent use.
type Weigher struct {
	rev       *revision
	schema    func(o *policy.Object) (schema []byte, known bool)
	recorded  bool
	standings sync.Map     // standingKey -> *standing
	kept      atomic.Int64 // standings made so far
}

// maxStandings bounds what a Weigher keeps.
const maxStandings = 1 << 14

// WeigherOptions configure [NewWeigher].
type WeigherOptions struct {
	// Decider is required; besides it, Limits and Includes have a say in how arguments are spelled, Recording in Recorded.
	Rules Rules
	// Schema is the input schema of the tool that an object was at the time. A nil Schema knows none.
	Schema func(o *policy.Object) (schema []byte, known bool)
	// Recorded says that refusals are written down: values of arguments that records do not keep, by Rules.Recording and by
	// Schema, are taken out of their sentences.
	Recorded bool
}

// NewWeigher returns a weigher for rules.
func NewWeigher(o *WeigherOptions) (*Weigher, error) {
	if o == nil || o.Rules.Decider == nil {
		return nil, errors.New("aggregator: rules without a decider")
	}
	rev := newRevision(catalog.Build(nil, nil), o.Rules, nil, slog.New(slog.DiscardHandler))
	w := &Weigher{rev: rev, schema: o.Schema, recorded: o.Recorded}
	if w.schema == nil {
		w.schema = func(*policy.Object) ([]byte, bool) { return nil, false }
	}
	return w, nil
}

// Rules are those of the weigher.
func (x *Weigher) Rules() *Rules { return &x.rev.rules }

// standing is what holds for the calls of one object by principals of one class and the same roles.
type standing struct {
	visible bool
	detail  string // why it could not be decided
	terms   *terms
	known   bool     // the schema in terms is that of the tool
	checks  sync.Map // arguments that are not known -> *narrow.Check of the constraints on the others
}

// Weigh says what the rules say of a call. The error is that of ctx.
func (x *Weigher) Weigh(ctx context.Context, p *Past) (*Weighing, error) {
	w := &who{
		caller: &auth.Principal{Method: p.Input.Principal.AuthMethod, Scopes: p.Input.Principal.Scopes}, policy: p.Input.Principal,
		class: x.rev.rules.Decider.Class(p.Input.Principal),
	}
	s, err := x.standing(ctx, w, p.Input.Object)
	if err != nil {
		return nil, err
	}
	refused := func(r *Refusal) *Weighing { return &Weighing{Refusal: r} }
	if !s.visible {
		return refused(&Refusal{Code: CodeHidden, Detail: s.detail}), nil
	}
	t := s.terms
	switch {
	case t.conditions.Refuse != "":
		return refused(&Refusal{Code: t.conditions.Refuse, Detail: t.conditions.Detail}), nil
	case t.failure != nil:
		return refused(&Refusal{Code: policy.CodeWrongType, Detail: t.failure.Error()}), nil
	}
	if r := missingScopes(w, t.conditions.Scopes); r != nil {
		return refused(r), nil
	}
	if p.Method == MethodGetTask || p.Method == MethodUpdateTask || p.Method == MethodCancelTask {
		return &Weighing{}, nil // the call it goes on from was decided on
	}
	out := x.arguments(ctx, p, s)
	if r := out.Refusal; r != nil && x.recorded {
		text := scrubber{p.Input.Arguments, []string{""}}
		if s.known { // else nobody knows what of them is a secret
			text = t.recorded.scrubber(p.Input)
		}
		r.Sentence, r.Detail = text.scrub(r.Sentence), text.scrub(r.Detail)
	}
	return out, ctx.Err()
}

// scrubber takes out of sentences what the record of a call does not keep of its arguments.
func (r *Recorded) scrubber(in *policy.Input) scrubber {
	all := scrubber{in.Arguments, []string{""}}
	switch {
	case in.Truncated || len(in.Arguments) > policy.MaxArguments:
		return all
	case r.Level == audit.LevelFull:
		return scrubber{}
	case r.Level == audit.LevelRedacted:
		if _, taken, ok := r.rule.Document(in.Arguments); ok {
			return scrubber{in.Arguments, taken}
		}
	}
	return all
}

// arguments applies what looks at the arguments. A refusal that is certain decides, wherever else something is missing.
func (x *Weigher) arguments(ctx context.Context, p *Past, s *standing) *Weighing {
	t, out := s.terms, &Weighing{}
	whole := len(p.Missing) == 0
	out.Partly = (t.check != nil || t.names != nil) && (!whole || !s.known)
	if t.names != nil {
		if written, _ := t.names.clash(p.Input.Arguments); written != "" {
			if s.known {
				out.Refusal = &Refusal{Code: CodeConstraint, Sentence: "an argument differs in case only from one that is known"}
				return out
			}
			out.Schema = true // it may be the tool's own name
		}
	}
	d, depends := x.decide(ctx, p)
	v := &verdict{Asked: Asked{Input: p.Input}, obligations: &t.conditions.Obligations}
	if len(depends) == 0 {
		if out.Refusal = judged(v, t, &d); out.Refusal != nil {
			return out.certain()
		}
	}
	if takesArguments(p.Method) {
		broken, missing := s.check(p)
		depends = append(depends, missing...)
		switch to := (&target{}); {
		case broken != nil:
			out.Refusal = &Refusal{Code: CodeConstraint, Rule: broken.Rule, Sentence: broken.Message}
			return out.certain()
		case v.obligations.Reason && touched("reason", p.Missing) != nil:
			depends = append(depends, touched("reason", p.Missing)...)
		default:
			if out.Refusal = reasoned(v, t, to); out.Refusal != nil {
				return out.certain()
			}
		}
	}
	slices.Sort(depends)
	out.Missing = slices.Compact(depends)
	return out
}

// certain is an answer that what is not known does not change.
func (w *Weighing) certain() *Weighing {
	w.Missing, w.Schema = nil, false
	return w
}

// decide asks the call rules. One that took too long is asked again: the process may only have been held up.
func (x *Weigher) decide(ctx context.Context, p *Past) (d policy.Decision, depends []string) {
	partial, ok := x.rev.rules.Decider.(interface {
		DecideWithout(ctx context.Context, in *policy.Input, missing []string) (policy.Decision, []string)
	})
	for range maxTries {
		switch {
		case len(p.Missing) == 0 || !x.rev.rules.Decider.Dynamic():
			d, depends = x.rev.rules.Decider.Decide(ctx, p.Input), nil
		case ok:
			d, depends = partial.DecideWithout(ctx, p.Input, p.Missing)
		default:
			return policy.Decision{}, p.Missing
		}
		if d.Code != policy.CodeTimeout || ctx.Err() != nil {
			break
		}
	}
	return d, depends
}

// maxTries bounds how often something is decided that took too long.
const maxTries = 3

// judged is what a decision on a call means for it.
func judged(v *verdict, t *terms, d *policy.Decision) *Refusal {
	if !d.Allow {
		sentence := strings.Join(d.Reasons, "; ")
		if sentence == "" {
			sentence = "the policy does not allow this call"
		}
		return &Refusal{Code: d.Code, Rule: "deny", Sentence: sentence, Detail: d.Detail}
	}
	if d.Obligations == nil {
		return nil
	}
	all := sum(&t.conditions.Obligations, d.Obligations)
	v.obligations = &all
	var err error
	if v.redact, err = redact.Compile(v.obligations); err != nil {
		return &Refusal{Code: policy.CodeWrongType, Sentence: "the policy could not decide on this call", Detail: err.Error()}
	}
	return nil
}

// check holds the arguments against the constraints: with the tool's own schema when all arguments are there. missing are
// the values that constraints are about and that are not there.
func (s *standing) check(p *Past) (broken *narrow.Violation, missing []string) {
	if s.terms.check == nil {
		return nil, nil
	}
	if len(p.Missing) == 0 {
		return s.terms.check.Arguments(p.Input.Arguments), nil
	}
	known, names := policy.Conditions{}, ""
	for _, c := range s.terms.conditions.Constraints {
		if hidden := touched(c.Argument, p.Missing); hidden != nil {
			missing, names = append(missing, hidden...), names+c.Argument+"\x00"
			continue
		}
		known.Constraints = append(known.Constraints, c)
	}
	known.Obligations.Reason = s.terms.conditions.Obligations.Reason
	if hidden := touched(narrow.ReasonArgument, p.Missing); known.Obligations.Reason && hidden != nil {
		known.Obligations.Reason, missing, names = false, append(missing, hidden...), names+"\x01"
	}
	made, ok := s.checks.Load(names)
	if !ok {
		check, err := narrow.NewCheck(nil, &known)
		if err != nil { // the whole check could be made
			return &narrow.Violation{Message: err.Error()}, nil
		}
		made, _ = s.checks.LoadOrStore(names, check)
	}
	return made.(*narrow.Check).Arguments(p.Input.Arguments), missing
}

// touched are the missing places in an argument, or around it; nil when it is all there.
func touched(argument string, missing []string) (out []string) {
	at := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(argument)
	for _, pointer := range missing {
		if pointer == "" || pointer == at || strings.HasPrefix(pointer, at+"/") {
			out = append(out, pointer)
		}
	}
	return out
}

// standing finds or makes what holds for calls of o by w.
func (x *Weigher) standing(ctx context.Context, w *who, o *policy.Object) (*standing, error) {
	key := standingKey(w, o)
	if s, ok := x.standings.Load(key); ok {
		return s.(*standing), nil
	}
	s := &standing{}
	for try := 1; ; try++ {
		err := x.stand(ctx, w, o, s)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil || try == maxTries {
			break
		}
	}
	if x.kept.Add(1) > maxStandings {
		dropOne(&x.standings)
	}
	made, _ := x.standings.LoadOrStore(key, s)
	return made.(*standing), nil
}

func (x *Weigher) stand(ctx context.Context, w *who, o *policy.Object, s *standing) error {
	objects := []policy.Object{*o}
	visible, err := x.rev.rules.Decider.Access(ctx, w.policy, objects)
	*s = standing{visible: len(visible) == 1 && visible[0]}
	if err != nil {
		s.detail = err.Error()
		return err
	}
	if !s.visible {
		return nil
	}
	conditions := x.rev.conditions(ctx, w, objects)[0]
	var schema []byte
	if s.known = true; o.Kind == "tool" {
		schema, s.known = x.schema(o)
	}
	s.terms = x.rev.newTerms(w, o, schema, &conditions)
	if conditions.Refuse == policy.CodeTimeout {
		return errors.New(conditions.Detail)
	}
	return nil
}

// standingKey spells out all that a standing depends on, each part with its length before it.
func standingKey(w *who, o *policy.Object) string {
	b := make([]byte, 0, 256)
	add := func(part string) { b = append(binary.AppendUvarint(b, uint64(len(part))), part...) }
	for _, part := range [...]string{
		w.class, w.rolesKey(), o.Kind, o.Upstream, o.OriginalName, o.URI, o.Name, o.DefinitionHash, string(o.Annotations), strings.Join(o.Tags, "\x00"),
	} {
		add(part)
	}
	return string(b)
}
