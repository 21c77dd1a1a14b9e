// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Codes of the ways an object or a call ends up without a yes. All of them
// hide the object or refuse the call.
const (
	CodeDenied     = "policy_denied"     // a rule says no to the call
	CodeUndefined  = "policy_undefined"  // the policy has no answer
	CodeEvaluation = "policy_error"      // evaluating it failed
	CodeTimeout    = "policy_timeout"    // it took too long
	CodeWrongType  = "policy_wrong_type" // the answer is not what it must be
	CodeObject     = "policy_object"     // the object is malformed
	CodeArguments  = "policy_arguments"  // the arguments are no JSON object
	// CodeArgumentsTooLarge says that rules read the arguments, which are larger
	// than [MaxArguments].
	CodeArgumentsTooLarge = "policy_arguments_too_large"
)

// maxExamples bounds what an AccessError says of one code.
const maxExamples = 3

// AccessError says how many objects of a batch have no answer: they are hidden,
// or their calls refused. It is for the log: it names objects the principal may
// not know.
type AccessError struct {
	About    string    // what was evaluated: access or conditions
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
	return e.About + " policy gave no decision: " + strings.Join(parts, ", ")
}

// fault is why one evaluation has no answer.
type fault struct {
	code, detail string
	bad          *badElement // or nil
}

// badElement is an element of a set of tollgate.call that makes no sense.
type badElement struct {
	set  string
	term *ast.Term
}

// wrongType is the fault of an answer that cannot be read.
func wrongType(set string, err error) *fault {
	f := &fault{code: CodeWrongType, detail: err.Error()}
	var e *elementError
	if errors.As(err, &e) {
		f.bad = &badElement{set, e.term}
	}
	return f
}

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

func (t *tally) err(about string) error {
	if len(t.failures) == 0 {
		return nil
	}
	slices.SortFunc(t.failures, func(a, b Failure) int { return strings.Compare(a.Code, b.Code) })
	return &AccessError{About: about, Failures: t.failures}
}
