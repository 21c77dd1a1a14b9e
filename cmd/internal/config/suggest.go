// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strconv"
	"strings"
)

// Closest returns the candidate that word is most likely a misspelling of: at most two edits away (one for words of up to
// three letters), letter case aside. ok is false when there is none.
func Closest(word string, candidates []string) (match string, ok bool) {
	limit := 2
	if len(word) <= 3 {
		limit = 1
	}
	if len(word) > 64 {
		return "", false
	}
	best := limit + 1
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c), best); d < best {
			best, match = d, c
		}
	}
	return match, best <= limit
}

// distance is the optimal string alignment distance (insert, delete, replace, swap neighbours), or limit when it is at
// least that.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) >= limit || len(y)-len(x) >= limit {
		return limit
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return min(rows[len(x)][len(y)], limit)
}

// didYouMean is the hint for an unknown name: the likely one, else all of them when they are few.
func didYouMean(word string, known []string, noun string) string {
	if match, ok := Closest(word, known); ok {
		return "did you mean " + strconv.Quote(match) + "?"
	}
	if len(known) == 0 {
		return "there is no " + noun
	}
	known = slices.Sorted(slices.Values(known))
	if len(known) > 30 {
		known = append(known[:30:30], "...")
	}
	return "known: " + strings.Join(known, ", ")
}

// oneOf lists allowed words: "a", "b" or "c".
func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}
