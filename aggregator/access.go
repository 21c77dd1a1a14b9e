// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/aggregator/catalog"
	"tollgate/policy"
	"tollgate/policy/narrow"
)

// access is what one principal class may see, and on what conditions.
type access struct {
	once    sync.Once
	decided atomic.Bool // whether the rest is there, and all of it was decided
	stale   atomic.Bool // whether something could not be decided
	// retry is when it is worth deciding again, because something could not be decided; zero = it was.
	retry   time.Time
	tries   int // how often it was decided before and could not be
	visible catalog.Visible
	// conditions holds the visible entries of which something is asked.
	conditions map[*catalog.Entry]*policy.Conditions
	narrowed   map[*catalog.Entry]catalog.Narrowed
}

// prior carries decisions over to the next revision of the catalog under the same rules, so that one upstream's
// list_changed does not make every class decide 10 000 unchanged tools again.
type prior struct {
	classes map[string]*access
	index   [catalog.Kinds]map[*catalog.Entry]int // entry -> its bit
}

// inherit keeps old's decisions for entries that are still the same pointer, when the rules are the same.
func (r *revision) inherit(old *revision) {
	if old == nil || old.rules.Decider.Revision() != r.rules.Decider.Revision() {
		return
	}
	p := &prior{classes: map[string]*access{}}
	old.classes.Range(func(k, v any) bool {
		if a := v.(*access); a.decided.Load() {
			p.classes[k.(string)] = a
		}
		return true
	})
	if len(p.classes) == 0 {
		return
	}
	for k := range p.index {
		entries := old.catalog.Entries(catalog.Kind(k))
		p.index[k] = make(map[*catalog.Entry]int, len(entries))
		for i, e := range entries {
			p.index[k][e] = i
		}
	}
	r.prior = p
}

// access decides the whole catalog for one class, once.
func (r *revision) access(w *who) *access {
	v, known := r.classes.LoadOrStore(w.class, &access{})
	if a := v.(*access); known && a.over(w.at) {
		again := &access{tries: a.tries + 1}
		if r.classes.CompareAndSwap(w.class, v, again) {
			r.forgetViews(w.class)
		}
		v, _ = r.classes.LoadOrStore(w.class, again)
	}
	if !known && r.counted.Add(1) > maxClasses {
		dropOne(&r.classes)
	}
	a := v.(*access)
	a.once.Do(func() {
		// Not the caller's context: a client that goes away must not leave a half-decided class to the next one.
		ctx, cancel := context.WithTimeout(context.Background(), accessTimeout)
		defer cancel()
		a.conditions = map[*catalog.Entry]*policy.Conditions{}
		for k := range a.visible {
			a.visible[k] = r.decide(ctx, w, catalog.Kind(k), a)
			r.condition(ctx, w, catalog.Kind(k), a)
		}
		a.narrowed = r.narrow(a.conditions)
		a.stale.Store(!a.retry.IsZero())
		a.decided.Store(a.retry.IsZero())
	})
	return a
}

// over reports whether it is time to decide again what could not be decided.
func (a *access) over(now time.Time) bool { return a.stale.Load() && now.After(a.retry) }

// again notes that something could not be decided at a moment: what fails for good is tried ever more seldom.
func (a *access) again(now time.Time) { a.retry = now.Add(retryAccess << min(a.tries, 6)) }

// asked is what is asked of calls of e. An entry that this class is not shown may come of a view from before it was decided
// again; its calls are refused.
func (a *access) asked(r *revision, e *catalog.Entry) *policy.Conditions {
	if c := a.conditions[e]; c != nil {
		return c
	}
	entries := r.catalog.Entries(e.Kind)
	i := sort.Search(len(entries), func(i int) bool { return entries[i].Key() >= e.Key() })
	if i < len(entries) && entries[i] == e && a.visible[e.Kind].Has(i) {
		return &policy.Conditions{}
	}
	return &policy.Conditions{Refuse: policy.CodeEvaluation, Detail: "whether the caller may see it could not be decided again"}
}

// forgetViews drops what was made of a class that is decided again.
func (r *revision) forgetViews(class string) {
	r.views.Range(func(k, _ any) bool {
		if k.(viewKey).class == class {
			r.views.Delete(k)
		}
		return true
	})
	r.terms.Range(func(k, _ any) bool {
		if k.(termsKey).class == class {
			r.terms.Delete(k)
		}
		return true
	})
}

func (r *revision) decide(ctx context.Context, w *who, k catalog.Kind, a *access) catalog.Bits {
	entries := r.catalog.Entries(k)
	bits := catalog.NewBits(len(entries))
	var objects []policy.Object
	var at []int
	for i, e := range entries {
		if known, allowed := r.known(w.class, k, e); known {
			if allowed {
				bits.Set(i)
			}
			continue
		}
		objects, at = append(objects, e.Object), append(at, i)
	}
	if len(objects) == 0 {
		return bits
	}
	answers, err := r.rules.Decider.Access(ctx, w.policy, objects)
	if err != nil {
		r.log.Error("access could not be decided; those objects stay hidden for now", "class", w.class, "error", err)
		a.again(w.at)
	}
	for j, allowed := range answers {
		if allowed {
			bits.Set(at[j])
		}
	}
	return bits
}

func (r *revision) known(class string, k catalog.Kind, e *catalog.Entry) (known, allowed bool) {
	if r.prior == nil {
		return false, false
	}
	a, ok := r.prior.classes[class]
	if !ok {
		return false, false
	}
	i, ok := r.prior.index[k][e]
	return ok, ok && a.visible[k].Has(i)
}

// condition finds what is asked of the visible entries of one kind.
func (r *revision) condition(ctx context.Context, w *who, k catalog.Kind, a *access) {
	var objects []policy.Object
	var of []*catalog.Entry
	entries := r.catalog.Entries(k)
	for i := range a.visible[k].All() {
		e := entries[i]
		if !r.rules.Decider.Conditional(&e.Object) {
			continue
		}
		if known, _ := r.known(w.class, k, e); known {
			if c := r.prior.classes[w.class].conditions[e]; c != nil {
				a.conditions[e] = c
			}
			continue
		}
		objects, of = append(objects, e.Object), append(of, e)
	}
	for i, c := range r.conditions(ctx, w, objects) {
		if !c.Empty() {
			a.conditions[of[i]] = &c
		}
		if c.Refuse != "" {
			a.again(w.at)
		}
	}
}

// conditions are those of objects. What could not be found out refuses every call.
func (r *revision) conditions(ctx context.Context, w *who, objects []policy.Object) []policy.Conditions {
	if len(objects) == 0 {
		return nil
	}
	found, err := r.rules.Decider.Conditions(ctx, w.policy, objects)
	if err != nil {
		r.log.Error("what is asked of some calls could not be found out; they are refused", "class", w.class, "error", err)
	}
	for len(found) < len(objects) {
		found = append(found, policy.Conditions{Refuse: policy.CodeEvaluation})
	}
	return found
}

// narrow makes the definitions that the class is shown. A tool whose definition cannot be narrowed is shown as it is: the
// check at the call is the authority, see package narrow.
func (r *revision) narrow(conditions map[*catalog.Entry]*policy.Conditions) map[*catalog.Entry]catalog.Narrowed {
	out := map[*catalog.Entry]catalog.Narrowed{}
	for e, c := range maps.All(conditions) {
		if e.Kind != catalog.Tool {
			continue
		}
		if n, ok := r.narrowed(e, c); ok {
			out[e] = n
		}
	}
	return out
}

// narrowed is the definition of a tool under conditions; false when it is the upstream's own. Classes under the same
// conditions share it.
func (r *revision) narrowed(e *catalog.Entry, c *policy.Conditions) (catalog.Narrowed, bool) {
	text, err := json.Marshal(c)
	if err != nil {
		return catalog.Narrowed{}, false // conditions are plain values
	}
	key := sharedKey{e, sha256.Sum256(text)}
	if n, ok := r.shared.Load(key); ok {
		return n.(catalog.Narrowed), true
	}
	definition, hash, err := narrow.Definition(e.Definition, c)
	if err != nil {
		r.log.Warn("a tool is shown with its own schema: it cannot be narrowed", "tool", e.Name, "error", err)
		return catalog.Narrowed{}, false
	}
	if bytes.Equal(definition, e.Definition) {
		return catalog.Narrowed{}, false
	}
	if r.sharing.Add(1) > maxTerms {
		dropOne(&r.shared)
	}
	n, _ := r.shared.LoadOrStore(key, catalog.Narrowed{Definition: definition, Hash: hash})
	return n.(catalog.Narrowed), true
}

// sharedKey names a tool under conditions.
type sharedKey struct {
	entry      *catalog.Entry
	conditions [sha256.Size]byte
}
