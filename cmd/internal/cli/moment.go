// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// durationForm is a number with a unit, or several of them.
var durationForm = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d|w))+$`)

// longUnits are those that Go does not know.
var longUnits = regexp.MustCompile(`([0-9.]+)([dw])`)

// ParseDuration reads a duration such as 90m, 7d or 1w12h: those of Go without a sign, with days of 24 hours and weeks of
// seven days.
func ParseDuration(text string) (time.Duration, error) {
	if !durationForm.MatchString(text) {
		return 0, fmt.Errorf("%q is no duration: write a number with a unit, such as 30m, 24h, 7d or 2w", text)
	}
	inHours := longUnits.ReplaceAllStringFunc(text, func(part string) string {
		n, err := strconv.ParseFloat(part[:len(part)-1], 64)
		if err != nil { // digits without end
			n = math.MaxInt64
		}
		hours := day.Hours()
		if strings.HasSuffix(part, "w") {
			hours = week.Hours()
		}
		return strconv.FormatFloat(n*hours, 'f', -1, 64) + "h"
	})
	d, err := time.ParseDuration(inHours)
	if err != nil { // the form is right
		return 0, fmt.Errorf("%q is too long: the longest duration is %d days", text, math.MaxInt64/day)
	}
	return d, nil
}

// Moment is a flag for a point in time: so long ago (see [ParseDuration]), a time as in RFC 3339, or the beginning of a day
// (2026-11-25) where the process runs. The zero value is no time.
type Moment struct {
	ago  time.Duration
	at   time.Time
	text string
}

// At is the point in time, seen from now; zero when none was given.
func (m *Moment) At(now time.Time) time.Time {
	if m.text == "" || !m.at.IsZero() {
		return m.at
	}
	return now.Add(-m.ago)
}

// Set implements the value of a flag.
func (m *Moment) Set(text string) error {
	next := Moment{text: text}
	var err error
	if next.at, err = time.Parse(time.RFC3339, text); err != nil {
		next.at, err = time.ParseInLocation(time.DateOnly, text, time.Local)
	}
	if err != nil {
		next.at = time.Time{}
		if next.ago, err = ParseDuration(text); err != nil {
			return fmt.Errorf("%w; or a time such as 2026-11-25 or 2026-11-25T12:00:00Z", err)
		}
	}
	*m = next
	return nil
}

// String implements the value of a flag.
func (m *Moment) String() string { return m.text }

// Type implements the value of a flag.
func (*Moment) Type() string { return "time" }
