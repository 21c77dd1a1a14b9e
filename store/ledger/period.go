// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"errors"
	"fmt"
	"time"
)

// The units of a calendar period.
const (
	UnitDay   = "day"
	UnitWeek  = "week"
	UnitMonth = "month"
)

const (
	minWindow = time.Second
	maxWindow = 3660 * 24 * time.Hour // ten years
)

// Validate returns why p is no period, nil when it is one.
func (p *Period) Validate() error {
	switch p.Unit {
	case UnitDay, UnitWeek, UnitMonth:
		if p.Window != 0 {
			return fmt.Errorf("a %s of the calendar has no window, this one has %s", p.Unit, p.Window)
		}
		return nil
	case "":
		if p.Window < minWindow || p.Window > maxWindow {
			return fmt.Errorf("a rolling window of %s: want between %s and %s", p.Window, minWindow, maxWindow)
		}
		if p.Zone != nil {
			return errors.New("a rolling window has no zone: it is as long everywhere")
		}
		return nil
	}
	return fmt.Errorf("unknown period %q: want day, week or month, or a rolling window", p.Unit)
}

// At returns the period in which t lies: it begins at begin, and at end the next one does. Both are in UTC, so that equal
// times are equal values. A day begins with the first instant whose civil date is that day or a later one: after midnight
// where a clock that is put forward skips it. Of a rolling period, begin is zero and end is when what is spent at t counts
// no more.
func (p *Period) At(t time.Time) (begin, end time.Time) {
	if p.Unit == "" {
		return time.Time{}, t.Add(p.Window).UTC()
	}
	zone := p.zone()
	first := dayAt(t, zone)
	next := first + 1
	switch p.Unit {
	case UnitWeek:
		first -= day((first.weekday() + 6) % 7) // days since Monday
		next = first + 7
	case UnitMonth:
		year, month, _ := first.date()
		first, next = dayOf(year, month, 1), dayOf(year, month+1, 1)
	}
	return first.begin(zone), next.begin(zone)
}

func (p *Period) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// day is a civil date: days since 1970-01-01, in no zone.
type day int32

const secondsPerDay = 24 * 60 * 60

func dayOf(year int, month time.Month, d int) day {
	return day(floorDiv(time.Date(year, month, d, 0, 0, 0, 0, time.UTC).Unix(), secondsPerDay))
}

// dayAt is the day of which [day.begin] says that t lies in it. That is the civil date of t, except where a clock that is
// put back shows the end of a day a second time after the next one has begun: a day that is over stays over.
func dayAt(t time.Time, zone *time.Location) day {
	d := dayOf(t.In(zone).Date())
	for !t.Before((d + 1).begin(zone)) {
		d++
	}
	return d
}

func (d day) midnight() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

func (d day) date() (year int, month time.Month, dayOfMonth int) { return d.midnight().Date() }

func (d day) weekday() time.Weekday { return d.midnight().Weekday() }

// String is the date as 2006-01-02.
func (d day) String() string { return d.midnight().Format(time.DateOnly) }

// begin is the first instant at which clocks in zone show d or a later date. [time.Date] does not say which instant it
// gives for a midnight that does not exist or exists twice, so this walks the times between changes of the clock.
func (d day) begin(zone *time.Location) time.Time {
	local := d.midnight() // what clocks show, as if it were UTC
	at := local.Add(-2 * secondsPerDay * time.Second).In(zone)
	for {
		_, offset := at.Zone()
		from, until := at.ZoneBounds()
		// On the last day of leap years beyond its tables, ZoneBounds ends an interval before the time it was asked about.
		if !until.IsZero() && !until.After(at) {
			until = at.Add(time.Hour)
		}
		begin := local.Add(-time.Duration(offset) * time.Second)
		if begin.Before(from) {
			begin = from
		}
		if until.IsZero() || begin.Before(until) {
			return begin.UTC()
		}
		at = until
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
