// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"time"
)

// ExceededError says that a budget has no room for a call. Nothing was reserved, in no account.
type ExceededError struct {
	Balance
	Cost int64 // that the call might have had
}

// Error implements error.
func (e *ExceededError) Error() string {
	return fmt.Sprintf("budget %q: %d of %d nano-USD are used, the call needs up to %d", e.Name, e.Settled+e.Reserved+e.Leased, e.Limit, e.Cost)
}

// UnavailableError says that the ledger cannot record calls now, so none is admitted.
type UnavailableError struct {
	Busy  bool // the queue is full: try again at once
	Retry time.Duration
	Err   error
}

// Error implements error.
func (e *UnavailableError) Error() string {
	if e.Busy {
		return "the ledger is busy: " + e.Err.Error()
	}
	return "the ledger cannot record calls: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }
