// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"strings"
	"time"
)

// Claim asks for one use of one limit. Exactly one of Rate and Concurrency is above zero.
type Claim struct {
	Limit       string        // name of the limit, for messages only
	ID          string        // identity of the limit: another ID is another counter
	Key         string        // which counter of the limit, such as a subject; "" = the only one
	Rate        int64         // most uses in any Window
	Window      time.Duration // of Rate; a use stops to count exactly one window after it
	Concurrency int64         // most uses at a time
	// Durable says that uses of the rate are to count after a crash too. The limiter leaves that to who keeps a log of
	// them: see [Limiter.Restore].
	Durable bool
}

// most is the limit as a number.
func (c *Claim) most() int64 { return max(c.Rate, c.Concurrency) }

// check refuses what is no limit: it must not be taken for one that allows everything.
func (c *Claim) check() error {
	rate := c.Rate > 0 && c.Window > 0 && c.Concurrency == 0
	concurrency := c.Concurrency > 0 && c.Rate == 0
	if rate || concurrency {
		return nil
	}
	return fmt.Errorf("limit %q: rate %d per %s, concurrency %d: exactly one of the two must be above zero, a rate with its window",
		c.Limit, c.Rate, c.Window, c.Concurrency)
}

// ExceededError says that a claim did not fit into its limit. Nothing was counted, for no claim of the call.
type ExceededError struct {
	Claim Claim
	Used  int64 // uses that count
	// RetryAfter is when the claim alone would be admitted if nobody else came first, exactly; 0 for concurrency: nobody
	// knows. With more claims of the call on the same counter it is when they would be admitted together; the window when
	// they are more than the limit.
	RetryAfter time.Duration
}

// Error names the limit and how much of it is used. It does not name the key, which may be about others.
func (e *ExceededError) Error() string {
	if e.Claim.Concurrency > 0 {
		return fmt.Sprintf("limit reached: %q: %d of %d running", e.Claim.Limit, e.Used, e.Claim.Concurrency)
	}
	return fmt.Sprintf("limit reached: %q: %d of %d per %s used", e.Claim.Limit, e.Used, e.Claim.Rate, short(e.Claim.Window))
}

// Hint says when to try again.
func (e *ExceededError) Hint() string {
	if e.Claim.Concurrency > 0 {
		return "wait until a running call has ended"
	}
	// Rounded up: nobody who keeps to it is refused.
	wait := e.RetryAfter.Truncate(time.Second)
	if wait < e.RetryAfter {
		wait += time.Second
	}
	return "try again in " + short(wait)
}

// short writes a duration without the zeros at its end: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
