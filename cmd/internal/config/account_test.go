// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/aggregator"
	receivers "tollgate/aggregator/alert"
	"tollgate/policy/alert"
	"tollgate/policy/limit"
)

func location(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestBudgetRules compares all of what package limit gets.
func TestBudgetRules(t *testing.T) {
	c := parsed(t, `
timezone: America/New_York
policy: {everyone: {limits: [{cost: 1}]}}
budgets:
  - {name: a, org: o, team: t, user: u, key: k, for: x/*, per: [user, tool], limit: $12.50, period: month, warn: [0.5, 80%, 12.5%]}
  - {name: b, limit: 100, period: week, zone: Europe/Berlin}
  - {name: c, limit: 0.000000001 USD, period: 1d12h}
`)
	want := []limit.BudgetRule{
		{
			Index: 0, Name: "a", Org: "o", Team: "t", User: "u", Key: "k", For: []string{"x/*"}, Per: []string{"user", "tool"}, Limit: 12_500_000_000,
			Period: limit.BudgetPeriod{Unit: "month", Zone: location(t, "America/New_York")}, Warn: []float64{0.5, 0.8, 0.125},
		},
		{Index: 1, Name: "b", Limit: 100_000_000_000, Period: limit.BudgetPeriod{Unit: "week", Zone: location(t, "Europe/Berlin")}},
		{Index: 2, Name: "c", Limit: 1, Period: limit.BudgetPeriod{Window: 36 * time.Hour}},
	}
	byName := cmp.Comparer(func(a, b *time.Location) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
	if diff := cmp.Diff(want, c.BudgetRules(), byName); diff != "" {
		t.Errorf("BudgetRules (-want +got):\n%s", diff)
	}
	if _, err := limit.CompileBudgets(c.BudgetRules()); err != nil {
		t.Error(err)
	}
	d := c.BudgetDiagnostic(limit.BudgetMistake{Index: 0, Field: "per[1]", Message: "m", Hint: "h"})
	if d.String() != "tollgate.yaml:5:71: budgets[0].per[1]: m" || d.Hint != "h" {
		t.Errorf("a mistake is %s", d.String())
	}
	if d := c.BudgetDiagnostic(limit.BudgetMistake{Index: 2}); d.Line != 7 {
		t.Errorf("a budget is at line %d", d.Line)
	}
	if zone := parsed(t, "version: 1\n").Zone(); zone != time.UTC {
		t.Errorf("the zone is %v without one", zone)
	}
}

func TestRecordingOptions(t *testing.T) {
	c := parsed(t, `
audit:
  durability: durable
  arguments: digest
  read_only: a/get_*
  rules: [{for: a/*, redact: /x}, {durability: async, arguments: full}]
`)
	want := &aggregator.RecordingOptions{Durability: "durable", Arguments: "digest", ReadOnly: []string{"a/get_*"}, Rules: []aggregator.RecordingRule{
		{For: []string{"a/*"}, Redact: []string{"/x"}}, {Durability: "async", Arguments: "full"},
	}}
	if diff := cmp.Diff(want, c.RecordingOptions()); diff != "" {
		t.Errorf("RecordingOptions (-want +got):\n%s", diff)
	}
}

func TestAlertRules(t *testing.T) {
	c := parsed(t, `
alerts:
  rules:
    - {name: a, when: budget.used_ratio > 0.5, for: 5m, cooldown: 2d, severity: error, summary: s}
    - {name: b, when: true}
  sinks: [{name: p, type: pagerduty, routing_key: k}, {name: w, type: webhook, url: "https://x.example.com", secret: s, min_severity: error}]
`)
	want := []alert.Rule{
		{Index: 0, Name: "a", When: "budget.used_ratio > 0.5", For: 5 * time.Minute, Cooldown: 48 * time.Hour, Severity: "error", Summary: "s"},
		{Index: 1, Name: "b", When: "true"},
	}
	if diff := cmp.Diff(want, c.AlertRules()); diff != "" {
		t.Errorf("AlertRules (-want +got):\n%s", diff)
	}
	if d := c.AlertDiagnostic(alert.Mistake{Index: 1, Field: "when", Message: "m"}); d.String() != "tollgate.yaml:5:23: alerts.rules[1].when: m" {
		t.Errorf("a mistake is %s", d.String())
	}
	sinks := []receivers.Sink{
		{Name: "p", Type: "pagerduty", RoutingKey: "k"},
		{Name: "w", Type: "webhook", URL: "https://x.example.com", Secret: "s", MinSeverity: alert.Error},
	}
	if diff := cmp.Diff(sinks, c.AlertSinks()); diff != "" {
		t.Errorf("AlertSinks (-want +got):\n%s", diff)
	}
}

// TestMoneyIsExact: what an amount says is what it is, to the last digit, however it is written.
func TestMoneyIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Int64Range(0, math.MaxInt64).Draw(t, "n")
		text := fmt.Sprintf("%d.%09d", want/1e9, want%1e9)
		if short := strings.TrimRight(strings.TrimRight(text, "0"), "."); short != "" {
			text = rapid.SampledFrom([]string{text, short}).Draw(t, "text")
		}
		text = rapid.SampledFrom([]string{text, "$" + text, text + " USD", "'" + text + "'"}).Draw(t, "form")
		c, err := Parse("tollgate.yaml", []byte("budgets: [{name: a, period: day, limit: "+text+"}]\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if int64(c.Budgets[0].Limit) != want {
			t.Fatalf("%s is %d, want %d", text, c.Budgets[0].Limit, want)
		}
	})
	if text := Money(12_500_000_000).String(); text != "$12.50" {
		t.Errorf("written as %s", text)
	}
}

func TestDurationsInDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1d": 24 * time.Hour, "1.5d": 36 * time.Hour, "1d2h30m": 26*time.Hour + 30*time.Minute, "400d": 9600 * time.Hour,
		"0.5d0.5h": 12*time.Hour + 30*time.Minute, "99999999999999999999d": math.MaxInt64, "200000d": math.MaxInt64,
	} {
		if got, ok := parseDuration(text); got != want || !ok {
			t.Errorf("%s is %v, %t, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"d", "1.d", "1 d", "1w", "-1d", ""} {
		if got, ok := parseDuration(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// TestShadow: the candidate is what the file says of it, and what the policy says where it does not.
func TestShadow(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"tollgate.yaml": "policy:\n  files: live\n  data: live.yaml\n  shadow: {files: [next/*.rego], data: [a.yaml, b.json]}\n",
		"part.yaml":     "policy:\n  files: live\n  data: live.yaml\n  shadow: {files: next}\n",
		"live/a.rego":   "package a", "next/b.rego": "package b", "next/b_test.rego": "package b",
		"live.yaml": "x: 1\n", "a.yaml": "x: 2\n", "b.json": `{"y":3}`,
	})
	load := func(name string) (rego []string, data map[string]any, c *Config) {
		t.Helper()
		c, err := Load(filepath.Join(dir, name), nil)
		if err != nil {
			t.Fatal(err)
		}
		rego, errRego := c.ShadowFiles()
		data, errData := c.ShadowData()
		if err := errors.Join(errRego, errData); err != nil {
			t.Fatal(err)
		}
		return rego, data, c
	}
	rego, data, c := load("tollgate.yaml")
	if !slices.Equal(rego, []string{filepath.Join(dir, "next", "b.rego")}) || fmt.Sprint(data) != "map[x:2 y:3]" {
		t.Errorf("the candidate is %q with %v", rego, data)
	}
	for _, name := range []string{"next", "a.yaml", "b.json"} {
		if !slices.Contains(c.Files(), filepath.Join(dir, name)) {
			t.Errorf("%s is not watched: %q", name, c.Files())
		}
	}
	if rego, data, _ := load("part.yaml"); !slices.Equal(rego, []string{filepath.Join(dir, "next", "b.rego")}) || fmt.Sprint(data) != "map[x:1]" {
		t.Errorf("the candidate without data is %q with %v", rego, data)
	}
	live, err := c.PolicyFiles()
	if err != nil || !slices.Equal(live, []string{filepath.Join(dir, "live", "a.rego")}) {
		t.Errorf("the policy is %q, %v", live, err)
	}
}

func TestLoadChecksShadow(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a.yaml": "x: 1\n", "b.yaml": "x: 2\n", "bad.json": "[]"})
	for _, tt := range []struct{ shadow, want string }{
		{"files: [none.rego]", "4:20 policy.shadow.files[0]"},
		{"data: [none.yaml]", "4:19 policy.shadow.data[0]"},
		{"data: [a.yaml, bad.json]", "4:27 policy.shadow.data[1]"},
		{"data: [a.yaml, b.yaml]", "4:18 policy.shadow.data"},
	} {
		path := filepath.Join(dir, "tollgate.yaml")
		if err := os.WriteFile(path, []byte("policy:\n\n\n  shadow: {"+tt.shadow+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, nil)
		if d := single(t, err); fmt.Sprintf("%d:%d %s", d.Line, d.Col, d.Path) != tt.want || d.Hint == "" {
			t.Errorf("%s: %v", tt.shadow, err)
		}
	}
}
