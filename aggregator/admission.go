// SPDX-License-Identifier: Apache-2.0

package aggregator

import (
	"fmt"
	"sync"

	"tollgate/aggregator/auth"
)

// admission bounds the calls under way: of everybody together, and of each credential, so that one caller with slow calls
// leaves room for the others.
type admission struct {
	most, each int

	mu       sync.Mutex // guards what follows
	all      int
	byCaller map[string]int
}

// newAdmission lets one credential use half of most.
func newAdmission(most int) *admission {
	return &admission{most: most, each: (most + 1) / 2, byCaller: map[string]int{}}
}

// enter admits one call of caller; leave must be called at its end. A nil leave comes with the reason.
func (a *admission) enter(caller *auth.Principal) (leave func(), reason string) {
	who := caller.Method + "\x00" + caller.KeyID + "\x00" + caller.Subject
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.all >= a.most:
		return nil, fmt.Sprintf("the gateway is at its limit of %d calls in flight; try again shortly", a.most)
	case a.byCaller[who] >= a.each:
		return nil, fmt.Sprintf("this caller is at its limit of %d calls in flight; wait for some of them to end", a.each)
	}
	a.all++
	a.byCaller[who]++
	return func() { a.leave(who) }, ""
}

func (a *admission) leave(who string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all--
	if a.byCaller[who]--; a.byCaller[who] == 0 {
		delete(a.byCaller, who)
	}
}
