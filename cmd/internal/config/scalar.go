// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes. In the file it is a number or a number with a unit: 4096, 64KiB, 16MiB, 1GiB, and the decimal
// KB, MB, GB.
type Size int64

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	units := []struct {
		shift uint
		name  string
	}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}}
	for _, u := range units {
		if s != 0 && s%(1<<u.shift) == 0 {
			return strconv.FormatInt(int64(s)>>u.shift, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

const (
	durationPattern = `^(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h|d))+$`
	sizePattern     = `^[0-9]+ ?(?:B|KB|MB|GB|KiB|MiB|GiB)?$`
	timePattern     = `^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2}))?$`
	prefixPattern   = `^[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*(?:/[0-9]{1,3})?$`

	durationHint = `write a number with a unit, for example "30s", "5m" or "1h30m"`

	timeHint   = `write it like "2026-12-31T18:00:00Z" or "2026-12-31"`
	prefixHint = `write an address or a range of them, for example "10.0.0.7" or "10.0.0.0/24"`
)

// parseTime reads RFC 3339. A date alone is the end of that day in UTC.
func parseTime(s string) (time.Time, bool) {
	if !matches(timePattern, s) {
		return time.Time{}, false
	}
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day.AddDate(0, 0, 1), true
	}
	t, err := time.Parse(time.RFC3339, s)
	return t, err == nil
}

// parsePrefix reads an address, with or without the length of its network part. Addresses of IPv4 inside IPv6 are taken as
// what they stand for.
func parsePrefix(s string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(s)
	if addr, errAddr := netip.ParseAddr(s); errAddr == nil {
		p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if err != nil || p.Addr().Zone() != "" {
		return netip.Prefix{}, false
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

// parseDuration accepts what the schema's pattern accepts; the caller checks the range. A day is 24 hours.
func parseDuration(s string) (time.Duration, bool) {
	if !matches(durationPattern, s) {
		return 0, false
	}
	s = regexp.MustCompile(`[0-9.]+d`).ReplaceAllStringFunc(s, inHours)
	d, err := time.ParseDuration(s)
	if err != nil { // the form is right, so the number is too large
		return math.MaxInt64, true
	}
	return d, true
}

// inHours writes a number of days as one of hours, which Go knows.
func inHours(days string) string {
	n, err := strconv.ParseFloat(strings.TrimSuffix(days, "d"), 64)
	if err != nil { // too large for a duration too
		n = math.MaxInt64
	}
	return strconv.FormatFloat(n*24, 'f', -1, 64) + "h"
}

func parseSize(s string) (Size, bool) {
	if !matches(sizePattern, s) {
		return 0, false
	}
	digits := strings.TrimRight(s, " BKMGi")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	unit := map[string]int64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[strings.TrimSpace(s[len(digits):])]
	if n > math.MaxInt64/unit {
		return math.MaxInt64, true
	}
	return Size(n * unit), true
}

// parseCount reads a whole number. Only plain decimal digits count: YAML's 0x10, 0o17 and 1_000 are more surprise than help
// here, and other YAML readers differ about them.
func parseCount(s string) (int64, bool) {
	if !matches(`^-?(?:0|[1-9][0-9]*)$`, s) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n = math.MaxInt64
		if s[0] == '-' {
			n = math.MinInt64
		}
	}
	return n, true
}

// matches compiles on each use: a file has few values, and no package state is needed.
func matches(pattern, s string) bool { return regexp.MustCompile(pattern).MatchString(s) }

// Expr is an expression in CEL. In the file it may also be written as a number or as true or false.
type Expr string
