// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"slices"
)

// Set returns obj with the member name set to value, which is valid JSON. An existing value is replaced where it stands,
// a new member is appended last, and everything else stays byte for byte. Should obj have the name several times, the first
// one is kept, so that afterwards every reader sees value. A nil or blank obj counts as {}; anything else that is no object
// is returned as it is. obj must have passed a check and is not modified.
func Set(obj []byte, name string, value []byte) []byte {
	s, ok := find(obj, name)
	if !ok {
		return appendMember(obj, name, value)
	}
	if _, again := findFrom(obj, s.end, name); again {
		first := s.start
		obj = filter(obj, func(m span) bool {
			return m.start == first || !equalKey(obj[m.start+1:m.keyEnd-1], name)
		})
	}
	out := make([]byte, 0, len(obj)+len(value))
	out = append(out, obj[:s.value]...)
	out = append(out, value...)
	return append(out, obj[s.end:]...)
}

func findFrom(obj []byte, end int, name string) (span, bool) {
	for s, ok := nextMember(obj, end); ok; s, ok = nextMember(obj, s.end) {
		if equalKey(obj[s.start+1:s.keyEnd-1], name) {
			return s, true
		}
	}
	return span{}, false
}

func appendMember(obj []byte, name string, value []byte) []byte {
	switch Kind(obj) {
	case 0:
		obj = []byte("{}")
	case '{':
	default:
		return slices.Clip(obj)
	}
	at, comma := skipSpace(obj, 0)+1, false
	for s, ok := firstMember(obj); ok; s, ok = nextMember(obj, s.end) {
		at, comma = s.end, true
	}
	out := make([]byte, 0, len(obj)+len(name)+len(value)+8)
	out = append(out, obj[:at]...)
	if comma {
		out = append(out, ',')
	}
	out = AppendString(out, name)
	out = append(out, ':')
	out = append(out, value...)
	return append(out, obj[at:]...)
}

// Delete returns obj without the members that have one of the names, together with the commas that belonged to them;
// everything else stays byte for byte. When there is nothing to delete the answer is obj itself. obj must have passed a
// check and is not modified.
func Delete(obj []byte, names ...string) []byte {
	return filter(obj, func(s span) bool {
		for _, name := range names {
			if equalKey(obj[s.start+1:s.keyEnd-1], name) {
				return false
			}
		}
		return true
	})
}

// filter returns obj with the members that keep accepts. Each kept member takes along what stands between it and the
// member before it, so exactly one comma; the first kept one leaves that behind.
func filter(obj []byte, keep func(span) bool) []byte {
	var out []byte // nil until something is dropped
	s, ok := firstMember(obj)
	done, kept := s.start, false
	for ; ok; s, ok = nextMember(obj, s.end) {
		switch {
		case !keep(s):
			if out == nil {
				out = append(make([]byte, 0, len(obj)), obj[:done]...)
			}
		case out != nil && !kept:
			out = append(out, obj[s.start:s.end]...)
			kept = true
		case out != nil:
			out = append(out, obj[done:s.end]...)
		default:
			kept = true
		}
		done = s.end
	}
	if out == nil {
		return slices.Clip(obj)
	}
	return append(out, obj[done:]...)
}

// OneLine returns b with every line break replaced by a space, for transports that end a message with a line break. In
// valid JSON line breaks stand only between tokens, so the meaning stays. Without any, the answer is b itself.
func OneLine(b []byte) []byte {
	if bytes.IndexByte(b, '\n') < 0 && bytes.IndexByte(b, '\r') < 0 {
		return b
	}
	out := bytes.Clone(b)
	for i, ch := range out {
		if ch == '\n' || ch == '\r' {
			out[i] = ' '
		}
	}
	return out
}
