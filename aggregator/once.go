// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"sync"
	"time"
)

// onceOnly remembers what is good once, for at least the time that it is good. Each caller has its own share of the memory:
// one that fills it makes nobody else's states worthless. Safe for concurrent use.
type onceOnly struct {
	life time.Duration // of what is remembered

	mu     sync.Mutex // guards what follows
	turned time.Time  // when newer became older
	newer  map[onceKey]struct{}
	older  map[onceKey]struct{}
	shares map[string]int // entries of each caller
}

type onceKey struct{ caller, id string }

const (
	// maxShare bounds what is remembered of one caller, maxUsed of all; beyond it nothing is good until some of it has
	// expired.
	maxShare = 1 << 12
	maxUsed  = 1 << 18
)

func newOnceOnly(life time.Duration) *onceOnly {
	return &onceOnly{life: life, newer: map[onceKey]struct{}{}, shares: map[string]int{}}
}

// use reports whether the caller uses id for the first time.
func (o *onceOnly) use(caller, id string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn(now)
	k := onceKey{caller, id}
	_, recently := o.newer[k]
	_, before := o.older[k]
	if recently || before || id == "" || o.shares[caller] >= maxShare || len(o.newer)+len(o.older) >= maxUsed {
		return false
	}
	o.newer[k] = struct{}{}
	o.shares[caller]++
	return true
}

// forget takes a use back: what it was for did not happen.
func (o *onceOnly) forget(caller, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := onceKey{caller, id}
	for _, m := range []map[onceKey]struct{}{o.newer, o.older} {
		if _, ok := m[k]; ok {
			delete(m, k)
			o.drop(caller)
		}
	}
}

// turn forgets what has been there for more than a life; o.mu is held.
func (o *onceOnly) turn(now time.Time) {
	since := now.Sub(o.turned)
	if since >= 0 && since < o.life {
		return
	}
	for k := range o.older {
		o.drop(k.caller)
	}
	o.older, o.newer, o.turned = o.newer, map[onceKey]struct{}{}, now
	if since >= 2*o.life {
		for k := range o.older {
			o.drop(k.caller)
		}
		o.older = nil
	}
}

func (o *onceOnly) drop(caller string) {
	if o.shares[caller]--; o.shares[caller] <= 0 {
		delete(o.shares, caller)
	}
}
