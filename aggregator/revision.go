// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
)

// accessTimeout bounds deciding the whole catalog for one principal class; it is done once per class and revision.
const accessTimeout = 10 * time.Second

// maxViews bounds the views that are kept: each can hold its encoded lists twice.
const maxViews = 256

// revision is one immutable state of the gateway. The maps only remember what was computed from it.
type revision struct {
	id         string
	catalog    *catalog.Snapshot
	rules      Rules
	serverInfo []byte
	log        *slog.Logger

	classes sync.Map     // class -> *access
	views   sync.Map     // viewKey -> *catalog.View
	kept    atomic.Int64 // views made so far

	prior *prior
}

type viewKey struct{ class, toolset string }

// access is what one principal class may see, one bit per catalog entry.
type access struct {
	once sync.Once
	bits atomic.Pointer[catalog.Visible] // nil until decided
}

// prior carries decisions over to the next revision of the catalog under the same rules, so that one upstream's
// list_changed does not make every class decide 10 000 unchanged tools again.
type prior struct {
	classes map[string]catalog.Visible
	index   [catalog.Kinds]map[*catalog.Entry]int // entry -> its bit
}

func newRevision(c *catalog.Snapshot, r Rules, serverInfo []byte, log *slog.Logger) *revision {
	return &revision{id: c.Revision + "/" + r.Decider.Revision(), catalog: c, rules: r, serverInfo: serverInfo, log: log}
}

// inherit keeps old's decisions for entries that are still the same pointer, when the rules are the same.
func (r *revision) inherit(old *revision) {
	if old == nil || old.rules.Decider.Revision() != r.rules.Decider.Revision() {
		return
	}
	p := &prior{classes: map[string]catalog.Visible{}}
	old.classes.Range(func(k, v any) bool {
		if bits := v.(*access).bits.Load(); bits != nil {
			p.classes[k.(string)] = *bits
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

func (r *revision) view(caller *auth.Principal, toolset string) (*catalog.View, error) {
	var set *catalog.Toolset
	if toolset != "" {
		if set = r.rules.Toolsets[toolset]; set == nil {
			return nil, fmt.Errorf("%w %q", ErrUnknownToolset, toolset)
		}
	}
	p := caller.Policy()
	key := viewKey{r.rules.Decider.Class(p), toolset}
	if v, ok := r.views.Load(key); ok {
		return v.(*catalog.View), nil
	}
	if r.kept.Add(1) > maxViews {
		r.views.Range(func(k, _ any) bool { // any one: what is needed again is made again
			r.views.Delete(k)
			return false
		})
	}
	v := r.catalog.NewView(r.access(key.class, p), &catalog.ViewOptions{
		PageSize: r.rules.PageSize, Toolset: set, ServerInfo: r.serverInfo,
	})
	got, _ := r.views.LoadOrStore(key, v)
	return got.(*catalog.View), nil
}

// access decides the whole catalog for one class, once.
func (r *revision) access(class string, p *policy.Principal) catalog.Visible {
	v, _ := r.classes.LoadOrStore(class, &access{})
	a := v.(*access)
	a.once.Do(func() {
		// Not the caller's context: a client that goes away must not leave a half-decided class to the next one.
		ctx, cancel := context.WithTimeout(context.Background(), accessTimeout)
		defer cancel()
		var bits catalog.Visible
		for k := range bits {
			bits[k] = r.decide(ctx, class, p, catalog.Kind(k))
		}
		a.bits.Store(&bits)
	})
	return *a.bits.Load()
}

func (r *revision) decide(ctx context.Context, class string, p *policy.Principal, k catalog.Kind) catalog.Bits {
	entries := r.catalog.Entries(k)
	bits := catalog.NewBits(len(entries))
	var objects []policy.Object
	var at []int
	for i, e := range entries {
		if known, allowed := r.known(class, k, e); known {
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
	answers, err := r.rules.Decider.Access(ctx, p, objects)
	if err != nil {
		r.log.Error("access could not be decided; those objects stay hidden", "class", class, "error", err)
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
	bits, ok := r.prior.classes[class]
	if !ok {
		return false, false
	}
	i, ok := r.prior.index[k][e]
	return ok, ok && bits[k].Has(i)
}

// allowed decides one object that is in no list, such as a resource an upstream named only in a result.
func (r *revision) allowed(ctx context.Context, p *policy.Principal, o policy.Object) bool {
	answers, err := r.rules.Decider.Access(ctx, p, []policy.Object{o})
	if err != nil {
		r.log.Error("access could not be decided; the object stays hidden", "object", o.URI, "error", err)
	}
	return len(answers) == 1 && answers[0]
}
