// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tollgate/aggregator"
	"tollgate/policy"
	"tollgate/store/audit"
)

// Case is a decision of the past.
type Case struct {
	ID      string
	Time    time.Time
	Of      audit.Labels
	Past    aggregator.Past
	Verdict Verdict
}

// Verdict is what the rules that were in force said of a call.
type Verdict struct {
	Allowed bool // it went on to the limits, as far as is known
	// Other says that the call was stopped, or its user asked, by something else than access, conditions, scopes,
	// constraints and call rules. Code names it.
	Other      bool
	Code, Rule string // of a refusal
	Sentence   string // that the caller was told
	Detail     string // for operators
	ownSchema  bool   // the tool's own schema refused the arguments, or a spelling did
}

// The codes of what replay adds to those of refusals.
const (
	// CodeToolset is that of calls whose object the rules show, and the toolset of the call does not have.
	CodeToolset = "toolset"
	// CodePresentation is that of calls of the gateway's own tools that were not shown, which depends on modes too.
	CodePresentation = "presentation"
)

// outsideToolset is the detail of refusals for objects that the rules show (TestToolset holds it against the gate).
const outsideToolset = "the toolset does not have it"

// EmptyDigest is the digest that records under key have of empty arguments.
func EmptyDigest(key []byte) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("{}"))
	return "hmac-sha256:" + hex.EncodeToString(m.Sum(nil))
}

// Recorded reads the case of an intent or a refusal. Without one nothing was decided, and code says why: that of a refusal,
// or the kind of another record. empty is [EmptyDigest], "" = not known.
func Recorded(r *audit.Record, empty string) (c *Case, code string, err error) {
	if r.Kind != audit.Intent && r.Kind != audit.Refusal {
		return nil, string(r.Kind), nil
	}
	if r.Input == nil {
		return nil, cmp.Or(r.Code, "none"), nil
	}
	in, err := policy.ReadInput(r.Input)
	if err != nil {
		return nil, "", fmt.Errorf("record %s: %w", r.ID, err)
	}
	c = &Case{ID: r.ID, Time: r.Time, Past: aggregator.Past{Input: in, Method: r.Method}, Verdict: verdictOf(r, in)}
	if r.Of != nil {
		c.Of = *r.Of
	}
	switch a := r.Arguments; {
	case a == nil || a.Level == audit.LevelFull:
	case a.Level == audit.LevelRedacted:
		c.Past.Missing = a.Redacted
	case empty != "" && a.Digest == empty:
		in.Arguments = json.RawMessage("{}")
	default:
		c.Past.Missing = []string{""}
	}
	return c, "", nil
}

func verdictOf(r *audit.Record, in *policy.Input) Verdict {
	if r.Kind == audit.Intent {
		return Verdict{Allowed: true}
	}
	v := Decided(false, r.Code, r.Rule)
	v.Sentence, v.Detail = r.Sentence, r.Detail
	if r.Code == aggregator.CodeHidden {
		switch {
		case in.Object.Upstream == aggregator.OwnUpstream:
			v.Allowed, v.Other, v.Code = true, true, CodePresentation
		case r.Detail == outsideToolset:
			v.Allowed, v.Other, v.Code = true, true, CodeToolset
		}
	}
	return v
}

// Decided is the verdict of a decision with this code and rule.
func Decided(allowed bool, code, rule string) Verdict {
	if allowed {
		return Verdict{Allowed: true}
	}
	v := Verdict{Code: code, Rule: rule, ownSchema: code == aggregator.CodeConstraint && rule == ""}
	v.Other = !strings.HasPrefix(code, "policy_") &&
		!slices.Contains([]string{aggregator.CodeHidden, aggregator.CodeScope, aggregator.CodeConstraint, aggregator.CodeReason}, code)
	v.Allowed = v.Other
	return v
}
