// SPDX-License-Identifier: Apache-2.0

package redact

import (
	"bytes"
	"strconv"
	"strings"
)

// Document applies the pointers to one document, such as the arguments of a call that are written down. It answers the
// document without what they name, and where each value was that it took away or withheld; document itself and nil when
// that is nothing. A value in a document that a string holds is told by the pointer of the string. ok is false when document
// is no JSON that can be read without doubt: nothing of it may be kept.
func (r *Rule) Document(document []byte) (edited []byte, pointers []string, ok bool) {
	if r == nil {
		return document, nil, true
	}
	e, ok := r.open(document)
	if !ok {
		return nil, nil, false
	}
	e.data(skipSpace(e.src, 0))
	if e.out == nil {
		return document, nil, true
	}
	edited = e.edited()
	d := difference{old: document, new: edited}
	d.value(skipSpace(document, 0), skipSpace(edited, 0))
	return edited, d.pointers, true
}

// difference walks over two texts of one document at once, of which one had values replaced.
type difference struct {
	old, new []byte
	path     []string // escaped names and indices of the levels that are open
	pointers []string
}

// value compares the values at i and j and answers the offsets after them.
func (d *difference) value(i, j int) (afterOld, afterNew int) {
	if c := d.old[i]; c == d.new[j] && (c == '{' || c == '[') {
		return d.inside(i, j, c == '{')
	}
	iEnd, jEnd := valueEnd(d.old, i), valueEnd(d.new, j)
	if !bytes.Equal(d.old[i:iEnd], d.new[j:jEnd]) {
		var p strings.Builder
		for _, segment := range d.path {
			p.WriteString("/" + segment)
		}
		d.pointers = append(d.pointers, p.String())
	}
	return iEnd, jEnd
}

// inside compares the members or elements of what begins at i and j, which are as many and in the same order.
func (d *difference) inside(i, j int, named bool) (afterOld, afterNew int) {
	i, j = skipSpace(d.old, i+1), skipSpace(d.new, j+1)
	for n := 0; d.old[i] != '}' && d.old[i] != ']'; n++ {
		segment := strconv.Itoa(n)
		if named {
			end := stringEnd(d.old, i)
			segment = strings.NewReplacer("~", "~0", "/", "~1").Replace(name(d.old[i+1 : end-1]))
			i, j = afterColon(d.old, end), afterColon(d.new, stringEnd(d.new, j))
		}
		d.path = append(d.path, segment)
		i, j = d.value(i, j)
		d.path = d.path[:len(d.path)-1]
		i, j = afterComma(d.old, i), afterComma(d.new, j)
	}
	return i + 1, j + 1
}

// afterColon answers where the value of a member begins whose name ends at i.
func afterColon(b []byte, i int) int { return skipSpace(b, skipSpace(b, i)+1) }

// afterComma answers where the next member or element begins after one that ends at i, or where the closing bracket is.
func afterComma(b []byte, i int) int {
	if i = skipSpace(b, i); b[i] == ',' {
		i = skipSpace(b, i+1)
	}
	return i
}
