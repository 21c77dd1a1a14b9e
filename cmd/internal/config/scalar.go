// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
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
	durationPattern = `^(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+$`
	sizePattern     = `^[0-9]+ ?(?:B|KB|MB|GB|KiB|MiB|GiB)?$`
)

// parseDuration accepts what the schema's pattern accepts; the caller checks the range.
func parseDuration(s string) (time.Duration, bool) {
	if !matches(durationPattern, s) {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	if err != nil { // the form is right, so the number is too large
		return math.MaxInt64, true
	}
	return d, true
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
