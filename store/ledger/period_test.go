// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"pgregory.net/rapid"
)

// zones have midnights that do not exist (Sao_Paulo, Havana, Beirut), days that end twice (St_Johns), a day that was
// skipped (Apia), and offsets of all kinds.
func zones(t testing.TB) []*time.Location {
	t.Helper()
	all := []*time.Location{nil, time.UTC, time.FixedZone("far", 14*3600)}
	for _, name := range []string{
		"America/Sao_Paulo", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia", "America/St_Johns", "America/Havana", "Asia/Beirut",
		"Australia/Lord_Howe", "America/New_York", "Pacific/Kwajalein", "Africa/Casablanca", "Asia/Manila",
	} {
		all = append(all, load(t, name))
	}
	return all
}

func load(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func drawPeriod(t *rapid.T, zones []*time.Location) Period {
	return Period{
		Unit: rapid.SampledFrom([]string{UnitDay, UnitWeek, UnitMonth}).Draw(t, "unit"),
		Zone: rapid.SampledFrom(zones).Draw(t, "zone"),
	}
}

// drawTime draws a time from 1840 to 2160, often one at which a clock of the zone changes, or close to it.
func drawTime(t *rapid.T, zone *time.Location) time.Time {
	at := time.Unix(rapid.Int64Range(-4_100_000_000, 6_000_000_000).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos"))
	if rapid.IntRange(0, 9).Draw(t, "new year") == 0 {
		at = time.Date(at.Year(), time.December, 31, 12, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(-1e14, 1e14).Draw(t, "around")))
	}
	if _, change := at.In(zone).ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(t, "change") {
		at = change.Add(time.Duration(rapid.SampledFrom([]int64{0, 0, 1, 60, 3600, 86400}).Draw(t, "off")) * time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, "by")))
	}
	return at
}

// TestPeriodsArePartition: every instant is in exactly one period, and one begins where the one before ends.
func TestPeriodsArePartition(t *testing.T) {
	all := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPeriod(t, all)
		at := drawTime(t, p.zone())
		begin, end := p.At(at)
		if at.Before(begin) || !at.Before(end) {
			t.Fatalf("%v is not in its own period from %v to %v", at, begin, end)
		}
		if begin.Location() != time.UTC || end.Location() != time.UTC {
			t.Errorf("from %v to %v: not in UTC", begin, end)
		}
		inside := begin.Add(time.Duration(rapid.Int64Range(0, int64(end.Sub(begin))-1).Draw(t, "inside")))
		for _, same := range []time.Time{begin, end.Add(-1), inside} {
			if b, e := p.At(same); b != begin || e != end { // as values: they are keys of maps
				t.Errorf("the period of %v is from %v to %v, that of %v from %v to %v", at, begin, end, same, b, e)
			}
		}
		if b, _ := p.At(end); b != end {
			t.Errorf("the period that begins at %v begins at %v", end, b)
		}
		if _, e := p.At(begin.Add(-1)); e != begin {
			t.Errorf("the period before %v ends at %v", begin, e)
		}
	})
}

// TestPeriodsAreCivil compares the bounds with what clocks and calendars in the zone show.
func TestPeriodsAreCivil(t *testing.T) {
	all := zones(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPeriod(t, all)
		begin, _ := p.At(drawTime(t, p.zone()))
		// What a clock shows, as if it were UTC, so that it can be compared.
		shows := func(at time.Time) time.Time {
			at = at.In(p.zone())
			_, offset := at.Zone()
			return at.Add(time.Duration(offset) * time.Second).UTC()
		}
		first := shows(begin).Truncate(24 * time.Hour)
		for earlier := range 72 {
			if at := begin.Add(-time.Duration(earlier)*time.Hour - 1); !shows(at).Before(first) {
				t.Errorf("the period begins at %v, but a clock shows %v already at %v", begin, shows(at), at)
			}
		}
		// A date that was skipped may be the one that the period is named after.
		named := func(d time.Time) bool {
			return p.Unit == UnitDay || p.Unit == UnitWeek && d.Weekday() == time.Monday || p.Unit == UnitMonth && d.Day() == 1
		}
		skipped := shows(begin.Add(-1)).Truncate(24*time.Hour).AddDate(0, 0, 1)
		if !named(first) && (!skipped.Before(first) || !named(skipped)) {
			t.Errorf("a %s begins on %v", p.Unit, first)
		}
	})
}

func TestPeriodExamples(t *testing.T) {
	for _, test := range []struct {
		unit, zone, at, begin, end string
	}{
		{UnitDay, "UTC", "2026-11-25T12:00:00Z", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"},
		{UnitDay, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"}, // 23 hours
		{UnitDay, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"}, // 25 hours
		{UnitDay, "Asia/Kolkata", "2026-11-24T18:30:00Z", "2026-11-24T18:30:00Z", "2026-11-25T18:30:00Z"},
		{UnitDay, "Asia/Kolkata", "2026-11-24T18:29:59Z", "2026-11-23T18:30:00Z", "2026-11-24T18:30:00Z"},
		{UnitDay, "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}, // begins at 01:00
		{UnitDay, "America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z"},
		{UnitDay, "America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"}, // its last hour twice
		{UnitDay, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},      // the 29th, then the 31st
		{UnitDay, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
		{UnitMonth, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-01T10:00:00Z", "2011-12-31T10:00:00Z"},
		{UnitDay, "America/St_Johns", "2006-10-29T03:00:00Z", "2006-10-29T02:30:00Z", "2006-10-30T03:30:00Z"}, // shows the 28th again, which is over
		{UnitWeek, "UTC", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},             // a Sunday
		{UnitWeek, "UTC", "2027-01-01T00:00:00Z", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z"},             // two years
		{UnitWeek, "America/New_York", "2026-11-01T12:00:00Z", "2026-10-26T04:00:00Z", "2026-11-02T05:00:00Z"},
		{UnitMonth, "Europe/Berlin", "2026-10-31T23:30:00Z", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"},
		{UnitMonth, "UTC", "2028-02-29T00:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
		{UnitMonth, "UTC", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		// Go's zones misjudge this day.
		{UnitDay, "Europe/Berlin", "2040-12-31T12:00:00Z", "2040-12-30T23:00:00Z", "2040-12-31T23:00:00Z"},
		{UnitDay, "America/New_York", "2080-12-31T12:00:00Z", "2080-12-31T05:00:00Z", "2081-01-01T05:00:00Z"},
	} {
		p := Period{Unit: test.unit, Zone: load(t, test.zone)}
		if err := p.Validate(); err != nil {
			t.Errorf("Validate(%+v): %v", p, err)
		}
		at, err := time.Parse(time.RFC3339, test.at)
		if err != nil {
			t.Fatal(err)
		}
		begin, end := p.At(at)
		if b, e := begin.Format(time.RFC3339), end.Format(time.RFC3339); b != test.begin || e != test.end {
			t.Errorf("the %s of %s in %s is from %s to %s, want %s to %s", test.unit, test.at, test.zone, b, e, test.begin, test.end)
		}
	}
	rolling := Period{Window: time.Hour}
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, load(t, "Europe/Berlin"))
	if begin, end := rolling.At(at); !begin.IsZero() || end != at.UTC().Add(time.Hour) {
		t.Errorf("rolling: from %v to %v", begin, end)
	}
}

func TestPeriodValidate(t *testing.T) {
	for _, good := range []Period{{Window: time.Second}, {Window: 24 * time.Hour}, {Unit: UnitDay}, {Unit: UnitMonth, Zone: time.UTC}} {
		if err := good.Validate(); err != nil {
			t.Errorf("Validate(%+v): %v", good, err)
		}
	}
	for _, bad := range []Period{
		{}, {Window: -time.Hour}, {Window: time.Millisecond}, {Window: 1 << 62}, {Window: time.Hour, Zone: time.UTC}, {Unit: "year"}, {Unit: UnitDay, Window: time.Hour},
	} {
		if err := bad.Validate(); err == nil {
			t.Errorf("Validate(%+v) finds nothing", bad)
		}
	}
}

func BenchmarkPeriodAt(b *testing.B) {
	p := Period{Unit: UnitMonth, Zone: load(b, "Europe/Berlin")}
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		p.At(at)
	}
}
