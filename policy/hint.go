// SPDX-License-Identifier: Apache-2.0

package policy

import "slices"

// Closest returns the candidate a mistyped word most likely meant, or "" when
// none is near: at most two edits, and fewer than half of the word's letters.
// It is safe for concurrent use.
func Closest(word string, candidates []string) string {
	best, limit := "", min(2, (len(word)-1)/2)+1
	for _, c := range candidates {
		if d := distance(word, c); d > 0 && d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours (optimal string alignment) between two words, in bytes.
func distance(a, b string) int {
	before, last, row := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, slices.Clone(last)
	}
	return last[len(b)]
}
