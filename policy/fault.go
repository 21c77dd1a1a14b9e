// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Codes of the ways an object ends up without a decision. All of them hide it.
const (
	CodeUndefined  = "policy_undefined"  // the policy has no answer
	CodeEvaluation = "policy_error"      // evaluating it failed
	CodeTimeout    = "policy_timeout"    // it took too long
	CodeWrongType  = "policy_wrong_type" // the answer is no boolean
	CodeObject     = "policy_object"     // the object is malformed
)

// maxExamples bounds what an AccessError says of one code.
const maxExamples = 3

// AccessError says how many objects of a batch were hidden for want of a
// decision. It is for the log: it names objects the principal may not know.
type AccessError struct {
	Failures []Failure // ordered by code
}

// Failure counts the objects that share a code. Examples holds a few of them,
// as "<object id>: <what happened>".
type Failure struct {
	Code     string
	Objects  int
	Examples []string
}

func (e *AccessError) Error() string {
	parts := make([]string, len(e.Failures))
	for i, f := range e.Failures {
		parts[i] = fmt.Sprintf("%s for %d objects (%s)", f.Code, f.Objects, strings.Join(f.Examples, "; "))
	}
	return "access policy gave no decision: " + strings.Join(parts, ", ")
}

// fault is why one evaluation has no answer.
type fault struct{ code, detail string }

// tally collects the faults of one batch.
type tally struct {
	mu       sync.Mutex // guards failures
	failures []Failure
}

func (t *tally) add(f *fault, o *Object) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.failures, func(x Failure) bool { return x.Code == f.code })
	if i < 0 {
		i = len(t.failures)
		t.failures = append(t.failures, Failure{Code: f.code})
	}
	entry := &t.failures[i]
	entry.Objects++
	if len(entry.Examples) < maxExamples {
		entry.Examples = append(entry.Examples, o.id()+": "+f.detail)
	}
}

func (t *tally) err() error {
	if len(t.failures) == 0 {
		return nil
	}
	slices.SortFunc(t.failures, func(a, b Failure) int { return strings.Compare(a.Code, b.Code) })
	return &AccessError{Failures: t.failures}
}
