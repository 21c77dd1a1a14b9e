// SPDX-License-Identifier: Apache-2.0

package author

import (
	"cmp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
)

// Coverage says which lines were evaluated, of those that could be.
type Coverage struct {
	Percent float64        `json:"percent"`
	Files   []FileCoverage `json:"files"` // by name, without tests
}

// FileCoverage is the coverage of one file.
type FileCoverage struct {
	File       string  `json:"file"`
	Percent    float64 `json:"percent"`
	Covered    int     `json:"covered"` // lines
	Lines      int     `json:"lines"`   // that could be evaluated
	NotCovered []Range `json:"not_covered,omitempty"`
}

// Range is some lines of a file, both ends included.
type Range struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// Of is the coverage of some of the files: an author looks after their own, not
// after those that ship.
func (c *Coverage) Of(files map[string]string) *Coverage {
	var own []FileCoverage
	for _, f := range c.Files {
		if _, ok := files[f.File]; ok {
			own = append(own, f)
		}
	}
	return total(own)
}

func total(files []FileCoverage) *Coverage {
	covered, lines := 0, 0
	for _, f := range files {
		covered, lines = covered+f.Covered, lines+f.Lines
	}
	return &Coverage{percent(covered, lines), files}
}

// coverageOf reports on the modules that are no tests; one of which nothing was
// evaluated has 0 percent.
func coverageOf(c *cover.Cover, modules map[string]*ast.Module) *Coverage {
	var files []FileCoverage
	for file, r := range c.Report(modules).Files {
		if modules[file] == nil || strings.HasSuffix(file, testSuffix) {
			continue
		}
		lines := r.CoveredLines + r.NotCoveredLines
		one := FileCoverage{File: file, Percent: percent(r.CoveredLines, lines), Covered: r.CoveredLines, Lines: lines}
		for _, gap := range r.NotCovered {
			one.NotCovered = append(one.NotCovered, Range{gap.Start.Row, gap.End.Row})
		}
		one.NotCovered = joined(one.NotCovered)
		files = append(files, one)
	}
	slices.SortFunc(files, func(a, b FileCoverage) int { return strings.Compare(a.File, b.File) })
	return total(files)
}

// percent of nothing is all of it.
func percent(part, whole int) float64 {
	if whole == 0 {
		return 100
	}
	return 100 * float64(part) / float64(whole)
}

// joined sorts ranges and makes one of those that touch.
func joined(ranges []Range) []Range {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End)) })
	var out []Range
	for _, r := range ranges {
		if n := len(out); n > 0 && r.Start <= out[n-1].End+1 {
			out[n-1].End = max(out[n-1].End, r.End)
			continue
		}
		out = append(out, r)
	}
	return out
}
