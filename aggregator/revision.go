// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/aggregator/auth"
	"tollgate/aggregator/catalog"
	"tollgate/policy"
)

// accessTimeout bounds deciding the whole catalog for one principal class; it is done once per class and revision.
const accessTimeout = 10 * time.Second

const (
	// maxViews bounds the views that are kept: each can hold its encoded lists twice.
	maxViews = 256
	// maxTerms bounds the terms that are kept; what is needed again is made again.
	maxTerms = 1 << 16
	// maxClasses bounds the classes whose decisions are kept.
	maxClasses = 1 << 10
	// retryAccess is how long what could not be decided stays hidden or refused before it is decided again.
	retryAccess = 15 * time.Second
)

// revision is one immutable state of the gateway. The maps only remember what was computed from it.
type revision struct {
	id         string
	catalog    *catalog.Snapshot
	rules      Rules
	serverInfo []byte
	log        *slog.Logger

	classes sync.Map     // class -> *access
	counted atomic.Int64 // classes made so far
	shared  sync.Map     // sharedKey -> catalog.Narrowed
	sharing atomic.Int64 // entries of shared made so far
	views   sync.Map     // viewKey -> *seen
	kept    atomic.Int64 // views made so far
	terms   sync.Map     // termsKey -> *terms
	agreed  atomic.Int64 // terms made so far

	prior *prior
	// argumentNames are those that call rules read, found out once.
	argumentNames func() []string
}

// who is a caller as one revision sees it at one moment.
type who struct {
	caller *auth.Principal
	policy *policy.Principal
	class  string
	at     time.Time
}

func (r *revision) who(caller *auth.Principal, now time.Time) *who {
	p := r.rules.Bindings.Resolve(caller, now)
	return &who{caller, p, r.rules.Decider.Class(p), now}
}

type viewKey struct{ class, toolset, mode string }

// seen is a view and the decisions it was made of.
type seen struct {
	view   *catalog.View
	access *access
}

func newRevision(c *catalog.Snapshot, r Rules, serverInfo []byte, log *slog.Logger) *revision {
	id := c.Revision + "/" + r.Decider.Revision()
	if r.Limits != nil {
		id += "/" + r.Limits.Revision()
	}
	if r.Budgets != nil {
		id += "/" + r.Budgets.Revision()
	}
	rev := &revision{id: id, catalog: c, rules: r, serverInfo: serverInfo, log: log}
	rev.argumentNames = sync.OnceValue(func() []string {
		reader, ok := r.Decider.(interface{ ArgumentNames() []string })
		if !ok || !r.Decider.Dynamic() {
			return nil
		}
		return reader.ArgumentNames()
	})
	return rev
}

// view is what w sees in a toolset.
func (r *revision) view(w *who, toolset string) (*catalog.View, error) {
	return r.viewIn(w, toolset, r.mode(w, toolset))
}

// viewIn is view in a mode of [Own].
func (r *revision) viewIn(w *who, toolset, mode string) (*catalog.View, error) {
	var set *catalog.Toolset
	if toolset != "" {
		if set = r.rules.Toolsets[toolset]; set == nil {
			return nil, fmt.Errorf("%w %q", ErrUnknownToolset, toolset)
		}
	}
	key := viewKey{w.class, toolset, mode}
	if v, ok := r.views.Load(key); ok && !v.(*seen).access.over(w.at) {
		return v.(*seen).view, nil
	}
	a := r.access(w)
	v := r.present(a, key, &catalog.ViewOptions{
		PageSize: r.rules.PageSize, Toolset: set, ServerInfo: r.serverInfo, Narrowed: a.narrowed,
	})
	if r.kept.Add(1) > maxViews {
		dropOne(&r.views)
	}
	got, _ := r.views.LoadOrStore(key, &seen{v, a})
	return got.(*seen).view, nil
}

// dropOne forgets any one entry: what is needed again is made again.
func dropOne(m *sync.Map) {
	m.Range(func(k, _ any) bool {
		m.Delete(k)
		return false
	})
}

// allowed decides one object that is in no list, such as a resource an upstream named only in a result.
func (r *revision) allowed(ctx context.Context, w *who, o policy.Object) bool {
	answers, err := r.rules.Decider.Access(ctx, w.policy, []policy.Object{o})
	if err != nil {
		r.log.Error("access could not be decided; the object stays hidden", "object", o.URI, "error", err)
	}
	return len(answers) == 1 && answers[0]
}

// roles are those of w with what they include.
func (r *revision) roles(w *who) []string {
	var all []string
	for _, role := range w.policy.Roles {
		all = append(append(all, role), r.rules.Includes[role]...)
	}
	return all
}

// rolesKey names the roles of w for keeping what depends on them.
func (w *who) rolesKey() string { return strings.Join(w.policy.Roles, "\x00") }
