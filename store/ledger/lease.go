// SPDX-License-Identifier: Apache-2.0

package ledger

import "tollgate/store/audit"

const (
	// leaseCalls is how many calls a lease is for, at least.
	leaseCalls = 50
	// leaseShare is the share of a limit that a lease is, at least: one in so many.
	leaseShare = 100
	// leaseRest is the share of what is left that a lease is at most: one in so many.
	leaseRest = 4
	// leaseLeast is for how many calls a lease must be, or there is none and every call waits.
	leaseLeast = 2
)

// grant is a lease on its way to the disk. Nothing may be drawn from it before it is there: after a crash it would be
// unknown, and what was drawn on it spent a second time.
type grant struct {
	record  *audit.Record
	account *account
	left    int64 // 0 = given back before it arrived
}

// drawable tells whether a call of such a cost can be drawn from leases of all accounts. A lease of the time before a
// raise ended may be more than there is room for. The caller holds mu.
func (e *Engine) drawable(accounts []*account, cost int64, now moment) bool {
	for _, a := range accounts {
		if a.leased < cost {
			return false
		}
		if a.budget.overridden {
			if free, _ := e.free(a, now); free < 0 {
				return false
			}
		}
	}
	return true
}

// topUp leases more for the accounts on which less than half a lease is left, behind what is in the log already. Where
// one of them has too little for that, none gets anything: a call draws on all its leases or on none. The caller
// holds mu.
func (e *Engine) topUp(accounts []*account, cost int64, now moment) error {
	var room [4]int64
	blocks := room[:0]
	for _, a := range accounts {
		block := e.block(a, cost, now)
		if block == 0 && a.leased+a.granting() < cost {
			return nil
		}
		blocks = append(blocks, block)
	}
	for i, a := range accounts {
		if blocks[i] == 0 {
			continue
		}
		g := &grant{account: a, left: blocks[i], record: &audit.Record{
			Kind: audit.Lease, Lease: &audit.LeaseChange{Action: audit.LeaseGrant, Of: a.ref(), Amount: blocks[i]},
		}}
		_, limit := e.free(a, now)
		if _, err := e.append(g.record, true, g); err != nil {
			return err
		}
		a.grant, a.target, a.touched, a.most = g, a.leased+g.left, now.money, limit
	}
	return nil
}

// block is how much to lease for an account now; 0 = nothing.
func (e *Engine) block(a *account, cost int64, now moment) int64 {
	if a.grant != nil || a.leased >= cost && a.leased > a.target/2 {
		return 0
	}
	free, limit := e.free(a, now)
	if free <= 0 {
		return 0
	}
	want, ok := mulChecked(leaseCalls, cost)
	if !ok {
		want = limit
	}
	block := min(max(want, limit/leaseShare), addCapped(free, a.leased)/leaseRest) - a.leased
	if least, ok := mulChecked(leaseLeast, cost); !ok || block < least {
		return 0
	}
	return min(block, free)
}

// arrived makes leases that are on disk drawable. The writer of the log calls it.
func (e *Engine) arrived(grants []*grant) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, g := range grants {
		if g.account.grant == g {
			g.account.leased += g.left
			g.account.grant = nil
		}
	}
}

// giveBack returns all that an account has leased, a lease on its way included: it is taken back behind its grant in the
// log. The caller holds mu.
func (e *Engine) giveBack(a *account) error {
	amount := a.leased + a.granting()
	if amount == 0 {
		return nil
	}
	r := &audit.Record{Kind: audit.Lease, Lease: &audit.LeaseChange{Action: audit.LeaseReturn, Of: a.ref(), Amount: amount}}
	if _, err := e.append(r, true, r); err != nil {
		return err
	}
	a.leased, a.grant = 0, nil
	return nil
}
