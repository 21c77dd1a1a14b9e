// SPDX-License-Identifier: Apache-2.0

package export

import (
	"strings"

	"tollgate/store/audit"
)

// grade is how much somebody should care, as severity_id of OCSF has it.
type grade int

const (
	informational grade = 1
	low           grade = 2
	medium        grade = 3
)

func (g grade) caption() string {
	return map[grade]string{informational: "Informational", low: "Low", medium: "Medium"}[g]
}

// The ends of calls that formats tell apart, see package aggregator.
const (
	endAnswered = "answered"
	endLost     = "lost"
)

// failed tells whether an end is that of a call that went wrong.
func failed(end string) bool { return strings.HasSuffix(end, "_failed") || end == endLost }

// grade of a record: what a caller may not do is low, what broke is medium, and so is acting for somebody else in vain.
func (e *entry) grade() grade {
	r := e.rec
	switch r.Kind {
	case audit.Refusal, audit.Outcome:
		switch {
		case failed(r.End):
			return medium
		case r.Kind == audit.Refusal || r.End == "cancelled" || r.End == "expired" || r.Overrun > 0:
			return low
		}
	case audit.Admin:
		if e.denied() {
			return medium
		}
		return low
	case audit.Lease:
		if r.Lease != nil && r.Lease.Action == audit.LeaseCharge {
			return low
		}
	case audit.Start:
		if r.Unclean {
			return medium
		}
	}
	return informational
}

// denied tells whether something was asked for and not allowed.
func (e *entry) denied() bool {
	switch e.rec.Kind {
	case audit.Refusal:
		return !failed(e.rec.End)
	case audit.Admin:
		return strings.HasPrefix(e.rec.Action, "act_as.")
	}
	return false
}

// The status_id of OCSF.
const (
	statusUnknown = 0
	statusSuccess = 1
	statusFailure = 2
	statusOther   = 99
)

// status is how it went. What is not over yet, or is no success or failure, says so in its own word.
func (e *entry) status() (id int, caption string) {
	r := e.rec
	switch {
	case r.Kind == audit.Refusal || e.denied():
		return statusFailure, "Failure"
	case r.Kind == audit.Outcome && r.End == endLost:
		return statusUnknown, "Unknown"
	case r.Kind == audit.Outcome && failed(r.End):
		return statusFailure, "Failure"
	case r.Kind == audit.Intent, r.Kind == audit.Shadow, r.Kind == audit.Outcome && r.End != endAnswered:
		return statusOther, e.result()
	}
	return statusSuccess, "Success"
}
