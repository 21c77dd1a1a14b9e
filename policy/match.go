// SPDX-License-Identifier: Apache-2.0

package policy

import "regexp"

// Pattern is one parsed pattern; the package comment says how to write one.
type Pattern struct {
	p  pattern
	re *regexp.Regexp
}

// PatternError says what is wrong with a pattern and how to write it.
type PatternError struct{ Message, Hint string }

func (e *PatternError) Error() string { return e.Message }

// ParsePattern reads one pattern. The error is a *[PatternError].
func ParsePattern(text string) (*Pattern, error) {
	p, e := parsePattern(text)
	if e != nil {
		return nil, &PatternError{e.message, e.hint}
	}
	compiled, err := p.compile()
	if err != nil {
		return nil, &PatternError{Message: err.Error()}
	}
	return compiled, nil
}

func (p pattern) compile() (*Pattern, error) {
	re, err := regexp.Compile(anchored([]string{p.expression()}))
	return &Pattern{p, re}, err
}

// String is the pattern as it was written.
func (p *Pattern) String() string { return p.p.text }

// Match reports whether the object is one of those the pattern is about. It is
// safe for concurrent use.
func (p *Pattern) Match(o *Object) bool { return p.matchID(o.id(), o) }

// matchID is Match for an object whose id is at hand.
func (p *Pattern) matchID(id string, o *Object) bool {
	if !p.re.MatchString(id) {
		return false
	}
	for _, c := range p.p.conditions {
		if !c.holds(o) {
			return false
		}
	}
	return true
}
