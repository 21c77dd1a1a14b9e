// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90m": 90 * time.Minute, "7d": 7 * day, "2w": 14 * day, "1w2d3h": 9*day + 3*time.Hour, "1.5d": 36 * time.Hour, "0s": 0, "250ms": 250 * time.Millisecond,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "7", "d", "-7d", "7 d", "7days", "1y", "7D", "1e3d", ".5d", "99999999999w", strings.Repeat("9", 400) + "d"} {
		if got, err := ParseDuration(text); err == nil || !strings.Contains(err.Error(), "d") {
			t.Errorf("%.20q: %v, %v, want an error", text, got, err)
		}
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"7d": now.AddDate(0, 0, -7), "2026-11-20T01:02:03+01:00": time.Date(2026, 11, 20, 0, 2, 3, 0, time.UTC),
		"2026-11-20": time.Date(2026, 11, 20, 0, 0, 0, 0, time.Local), "0s": now,
	} {
		var m Moment
		if err := m.Set(text); err != nil || !m.At(now).Equal(want) || m.String() != text {
			t.Errorf("%s: %v, %v, want %v", text, m.At(now), err, want)
		}
	}
	var none Moment
	if got := none.At(now); !got.IsZero() {
		t.Errorf("no time is %v", got)
	}
	if err := none.Set("yesterday"); err == nil || !strings.Contains(err.Error(), "2026-11-25") {
		t.Errorf("yesterday: %v, want an error that says what is meant", err)
	}
}

func FuzzParseDuration(f *testing.F) {
	f.Add("1w2d")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDuration(text); err == nil && d < 0 {
			t.Errorf("%q is %v", text, d)
		}
	})
}
