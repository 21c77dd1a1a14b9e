// SPDX-License-Identifier: Apache-2.0

package policy

// Overlaps reports whether there may be an object that both patterns match.
// Conditions are left aside: an upstream may change what they are about.
func (p *Pattern) Overlaps(q *Pattern) bool {
	a, b := &p.p, &q.p
	return (a.kind == anyKind || b.kind == anyKind || a.kind == b.kind) && globsMeet(a.upstream, b.upstream) && globsMeet(a.name, b.name)
}

// globsMeet reports whether there is a text that both globs match. What is left
// of a meets what is left of b, seen from the end: that takes the product of the
// two lengths.
func globsMeet(a, b string) bool {
	x, y := []rune(a), []rune(b)
	after := make([]bool, len(y)+1) // of the rest of x without its first character
	row := make([]bool, len(y)+1)
	for i := len(x); i >= 0; i-- {
		for j := len(y); j >= 0; j-- {
			starX, starY := i < len(x) && x[i] == '*', j < len(y) && y[j] == '*'
			switch {
			case i == len(x) && j == len(y):
				row[j] = true
			case starX && starY:
				row[j] = after[j] || row[j+1]
			case starX: // stands for nothing, or for the character of the other
				row[j] = after[j] || j < len(y) && row[j+1]
			case starY:
				row[j] = row[j+1] || i < len(x) && after[j]
			case i < len(x) && j < len(y):
				row[j] = (x[i] == y[j] || x[i] == '?' || y[j] == '?') && after[j+1]
			default:
				row[j] = false
			}
		}
		after, row = row, after
	}
	return after[0]
}
