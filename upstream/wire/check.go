// SPDX-License-Identifier: Apache-2.0

package wire

import "fmt"

// MaxDepth is how many arrays and objects may be open at once. Deeper text is refused as soon as the limit is passed, so
// that a megabyte of brackets costs microseconds and a bounded stack.
const MaxDepth = 512

// SyntaxError says why some bytes are refused as JSON and where.
type SyntaxError struct {
	Offset int    // of the first byte that cannot stay, counted from 0
	Reason string // lower case, no trailing period
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Reason)
}

// Check is the strict rule for bytes that come from a client: one JSON value and nothing after it, valid UTF-8, no lone
// surrogate escapes, no member name twice in one object at any level (names are compared after unescaping), at most
// [MaxDepth] levels. It answers nil or a *[SyntaxError]. What passes has one meaning only: every parser, whichever of two
// equal names it prefers, reads the same. Check never allocates for ordinary messages.
func Check(b []byte) error {
	var names [inlineNames]name
	c := checker{b: b, names: names[:0], unique: allObjects}
	return c.check()
}

// CheckReply is the rule for bytes that come from an upstream: one JSON value and nothing after it, valid UTF-8, at most
// [MaxDepth] levels, and unique names in the envelope and in its params, result and error objects, which the gateway itself
// reads. Below that, repeated names and lone surrogate escapes pass: real servers send them, and the gateway relays them.
// It answers nil or a *[SyntaxError].
func CheckReply(b []byte) error {
	var names [inlineNames]name
	c := checker{b: b, names: names[:0], unique: envelopeObjects, lone: true}
	return c.check()
}

// CheckUnique is [CheckReply] for one definition out of an upstream's list: names are unique at every level, so that what
// was approved and hashed is what every client reads; lone surrogate escapes still pass.
func CheckUnique(b []byte) error {
	var names [inlineNames]name
	c := checker{b: b, names: names[:0], unique: allObjects, lone: true}
	return c.check()
}
