// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// least is the part of the input tokens of the fairest baseline that programs must save.
const least = 0.90

// table prints what was measured, and what it means.
func table(out io.Writer, b *bench, rows []*row) error {
	fmt.Fprintf(out, "Tokens (o200k_base) that a model reads and writes, with %d tools of %d servers behind one gateway.\n", len(b.sessions["all"].tools), b.servers)
	fmt.Fprintln(out, "Every call was made. All arms gave the same answers and left the same files and graph behind.")
	columns := []string{"turns", "input", "output", "peak", "cached-eq", "input to curated"}
	for _, a := range arms() {
		fmt.Fprintf(out, "  %-28s %s\n", a.name, a.what)
	}
	for i, task := range tasks() {
		fmt.Fprintf(out, "\n%s  %s\n", task.name, task.title)
		grid(out, columns, rows, func(r *row) []string { return numbers(r.Tasks[i], find(rows, fairest).Tasks[i]) })
	}
	fmt.Fprintln(out, "\nAll five")
	grid(out, append(columns, "wall"), rows, func(r *row) []string {
		return append(numbers(r.sum(), find(rows, fairest).sum()), fmt.Sprint(r.wall.Round(10*time.Millisecond)))
	})
	fmt.Fprintln(out, "\nWhat the input of all five is")
	grid(out, []string{"prompts", "definitions", "model's own calls", "results"}, rows, func(r *row) []string {
		var cells []string
		for _, n := range r.sum().Parts {
			cells = append(cells, thousands(n))
		}
		return cells
	})
	return conclude(out, rows)
}

// grid prints a line per arm.
func grid(out io.Writer, head []string, rows []*row, cells func(*row) []string) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	width := 0
	for _, r := range rows {
		width = max(width, len(r.Arm))
	}
	line := func(name string, cells []string) {
		fmt.Fprintf(w, "  %-*s\t%s\t\n", width, name, strings.Join(cells, "\t"))
	}
	line("", head)
	for _, r := range rows {
		line(r.Arm, cells(r))
	}
	_ = w.Flush() // what out cannot take is seen at its next use
}

func numbers(m, base *measure) []string {
	return []string{
		thousands(m.Turns), thousands(m.Input), thousands(m.Output), thousands(m.Peak), thousands(int(m.CachedEq)), change(m.Input, base.Input),
	}
}

// thousands is n as 1,234,567.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// change is how much more or less a is than b.
func change(a, b int) string { return fmt.Sprintf("%+.1f %%", 100*(float64(a)/float64(b)-1)) }

func find(rows []*row, name string) *row {
	return rows[slices.IndexFunc(rows, func(r *row) bool { return r.Arm == name })]
}

// conclude says what the numbers mean, and how far they can be trusted. It is an error when programs save too little.
func conclude(out io.Writer, rows []*row) error {
	last := len(tasks()) - 1
	base, code := find(rows, fairest), find(rows, headline)
	b, c, found, adverse, small := base.sum(), code.sum(), find(rows, searched).sum(), base.Tasks[last], code.Tasks[last]
	fmt.Fprintf(out, `
%q against %q, the fairest baseline:
  input %s instead of %s (%s), cached-eq %s; without T1, the largest task, input %s.
  Against %q, input %s.
  Two savings: definitions %s instead of %s, intermediate results %s instead of %s.
  T5 is the adverse task, one small call: %d turns instead of %d, output %d instead of %d, input %s instead of %s. That it saves
  anything is due to the %s tokens of the one server that the call needs; beside a smaller catalog it is dearer.
`, headline, fairest, thousands(c.Input), thousands(b.Input), change(c.Input, b.Input), change(int(c.CachedEq), int(b.CachedEq)),
		change(c.Input-code.Tasks[0].Input, b.Input-base.Tasks[0].Input), searched, change(c.Input, found.Input),
		thousands(c.Parts[definitions]), thousands(b.Parts[definitions]), thousands(c.Parts[results]), thousands(b.Parts[results]),
		small.Turns, adverse.Turns, small.Output, adverse.Output, thousands(small.Input), thousands(adverse.Input),
		thousands(adverse.Parts[definitions]/adverse.Turns))
	fmt.Fprintf(out, `
cached-eq: what a turn reads again costs %.1f, what is new %.2f. peak: the largest context, with what was written last.
definitions: name, description and inputSchema as the gateway lists them, and what searching and reading types says.
results: the text of results. wall: time in which tools ran, the first compilation of the sandbox included.
Idealised: one query finds what is needed, the first program is right (but for %q), the model counts and
copies without mistakes in every arm, writes no reasoning tokens, and content is text. No model runs: success is not measured.
`, cachedPrice, freshPrice, repaired)
	if saved := 1 - float64(c.Input)/float64(b.Input); saved < least {
		return fmt.Errorf("programs save %.1f %% of the input tokens, less than %.0f %%", 100*saved, 100*least)
	}
	return nil
}
