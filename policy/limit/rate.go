// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tollgate/policy/internal/wording"
)

const (
	maxRate   = 1_000_000_000
	minWindow = time.Second
	maxWindow = 31 * 24 * time.Hour
)

// faultyText says what is wrong with a text that is not CEL, and where.
type faultyText struct {
	offset        int // in bytes; -1 = all of it
	message, hint string
}

// rate is a number of calls in a window. The zero value is no rate.
type rate struct {
	calls  int64
	window time.Duration
}

// String spells the rate as messages do: "100 per minute", "5 per 10 seconds".
func (r rate) String() string {
	return fmt.Sprintf("%d per %s", r.calls, spell(r.window))
}

// parseRate reads "<number>/<window>". The window is a unit, such as minute or
// h, a number with a unit, or a Go duration.
func parseRate(text string) (rate, *faultyText) {
	number, window, ok := strings.Cut(text, "/")
	if !ok {
		return rate{}, &faultyText{-1, fmt.Sprintf("%q is no rate", text), `write a number and a window, such as "100/minute" or "5/10s"`}
	}
	calls, fault := parseCalls(strings.TrimSpace(number))
	if fault != nil {
		return rate{}, fault
	}
	offset := len(number) + 1
	length, ok := parseWindow(strings.TrimSpace(window))
	switch {
	case !ok:
		units := []string{"second", "minute", "hour", "day"}
		hint := wording.DidYouMean(strings.Trim(strings.ToLower(window), "0123456789 "), units)
		if hint == "" {
			hint = "a window is second, minute, hour, day (s, m, h, d), or some of them, such as 10s"
		}
		return rate{}, &faultyText{offset, fmt.Sprintf("%q is no window of time", strings.TrimSpace(window)), hint}
	case length < minWindow:
		return rate{}, &faultyText{offset, "the window is shorter than a second", "use a window of at least 1s"}
	case length > maxWindow:
		return rate{}, &faultyText{offset, "the window is longer than 31 days", "use a budget for months and longer"}
	}
	return rate{calls, length}, nil
}

func parseCalls(number string) (int64, *faultyText) {
	for _, ch := range []byte(number) {
		if ch < '0' || ch > '9' {
			return 0, &faultyText{0, fmt.Sprintf("%q is no number of calls", number), "use digits only"}
		}
	}
	calls, err := strconv.ParseInt(number, 10, 64)
	switch {
	case number == "":
		return 0, &faultyText{0, "the number of calls is missing", `write it before the slash, such as "100/minute"`}
	case err != nil || calls > maxRate:
		return 0, &faultyText{0, fmt.Sprintf("%s is more than %d", number, maxRate), "remove the limit, or lower the number"}
	case calls == 0:
		return 0, &faultyText{0, "a rate of 0 refuses every call", "to refuse calls, use deny"}
	}
	return calls, nil
}

func parseWindow(text string) (time.Duration, bool) {
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	if unit, ok := unitOf(strings.TrimSpace(text[digits:])); ok {
		count := int64(1)
		if digits > 0 {
			var err error
			if count, err = strconv.ParseInt(text[:digits], 10, 64); err != nil {
				return math.MaxInt64, true // reported as too long
			}
		}
		if count > int64(math.MaxInt64/unit) {
			return math.MaxInt64, true
		}
		return time.Duration(count) * unit, true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && text != "0"
}

func unitOf(word string) (time.Duration, bool) {
	switch strings.ToLower(word) {
	case "s", "sec", "second", "seconds":
		return time.Second, true
	case "m", "min", "minute", "minutes":
		return time.Minute, true
	case "h", "hour", "hours":
		return time.Hour, true
	case "d", "day", "days":
		return 24 * time.Hour, true
	case "w", "week", "weeks":
		return 7 * 24 * time.Hour, true
	}
	return 0, false
}

// spell writes a window for a sentence: "minute", "10 seconds", "1h30m0s".
func spell(d time.Duration) string {
	for _, u := range [...]struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if d%u.length != 0 || d == 0 {
			continue
		}
		if n := d / u.length; n > 1 {
			return fmt.Sprintf("%d %ss", n, u.name)
		}
		return u.name
	}
	return d.String()
}
