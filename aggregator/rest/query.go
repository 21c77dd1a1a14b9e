// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tollgate/store/ledger"
)

// maxQuery bounds one value of a query in bytes.
const maxQuery = 1024

// knownQuery refuses parameters that the path does not have: a misspelt filter would select everything.
func knownQuery(r *http.Request, known []string) *problem {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("the query is malformed: separate parameters with & and escape what is special in URLs")
	}
	for name, all := range values {
		if !slices.Contains(known, name) {
			if len(known) == 0 {
				return badRequest("this path takes no parameters")
			}
			return badRequest(fmt.Sprintf("unknown parameter %q: want one of %s", shorten(strings.ToValidUTF8(name, "?")), strings.Join(known, ", ")))
		}
		if len(all) > 1 {
			return badRequest(fmt.Sprintf("parameter %q is there more than once", name))
		}
		if len(all[0]) > maxQuery || !utf8.ValidString(all[0]) {
			return badRequest(fmt.Sprintf("parameter %q must be UTF-8 of at most %d bytes", name, maxQuery))
		}
	}
	return nil
}

// words are those of a list with commas; none for an empty one.
func words(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// number is a parameter between 1 and most; fallback when it is not there.
func number(q url.Values, name string, fallback, most int) (int, *problem) {
	if q.Get(name) == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < 1 || n > most {
		return 0, badRequest(fmt.Sprintf("parameter %q must be a number from 1 to %d", name, most))
	}
	return n, nil
}

// days are the civil days that a report is about, both included.
type days struct {
	unit     string    // of the calendar period that they are; "" = none
	from, to time.Time // noon, which is on its day in every zone; zero = open
}

// days reads period, or from and to. Without any of them it is the current month.
func (s *Server) days(q url.Values) (*days, *problem) {
	unit, from, to := q.Get("period"), q.Get("from"), q.Get("to")
	if from == "" && to == "" {
		return s.current(unit)
	}
	if unit != "" {
		return nil, badRequest("send period, or from and to")
	}
	d := &days{}
	var p *problem
	if d.from, p = s.date("from", from); p != nil {
		return nil, p
	}
	if d.to, p = s.date("to", to); p != nil {
		return nil, p
	}
	if !d.to.IsZero() && d.to.Before(d.from) {
		return nil, badRequest("parameter \"from\" is after \"to\"")
	}
	return d, nil
}

// current is the period of the calendar that is running.
func (s *Server) current(unit string) (*days, *problem) {
	if unit == "" {
		unit = ledger.UnitMonth
	}
	if !slices.Contains([]string{ledger.UnitDay, ledger.UnitWeek, ledger.UnitMonth}, unit) {
		return nil, badRequest("parameter \"period\" must be day, week or month")
	}
	period := ledger.Period{Unit: unit, Zone: s.opts.Zone}
	begin, end := period.At(s.opts.Now())
	d := &days{unit: unit, from: s.noon(begin, 0), to: s.noon(end, -1)}
	if d.to.Before(d.from) { // a day that ends twice, where clocks are put back at midnight
		d.to = d.from
	}
	return d, nil
}

// noon is that of the civil day of t, or of one so many days later.
func (s *Server) noon(t time.Time, later int) time.Time {
	year, month, day := t.In(s.opts.Zone).Date()
	return time.Date(year, month, day+later, 12, 0, 0, 0, s.opts.Zone)
}

// date reads a civil day; zero when there is none.
func (s *Server) date(name, text string) (time.Time, *problem) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, badRequest(fmt.Sprintf("parameter %q must be a day such as 2026-11-25", name))
	}
	year, month, day := t.Date()
	return time.Date(year, month, day, 12, 0, 0, 0, s.opts.Zone), nil
}

// moment reads a time, or a day: its begin or, with end set, its end.
func (s *Server) moment(name, text string, end bool) (time.Time, *problem) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	noon, p := s.date(name, text)
	if p != nil {
		return time.Time{}, badRequest(fmt.Sprintf("parameter %q must be a day such as 2026-11-25 or a time such as 2026-11-25T13:00:00Z", name))
	}
	period := ledger.Period{Unit: ledger.UnitDay, Zone: s.opts.Zone}
	from, to := period.At(noon)
	if end {
		return to, nil
	}
	return from, nil
}
