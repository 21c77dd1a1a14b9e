// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/yosida95/uritemplate/v3"
)

const (
	// Bounds on templates and on the URIs that are tried on them. Matching is linear in both, so together with
	// maxTemplates they bound what one read may cost.
	maxTemplateBytes = 1 << 10
	maxTemplateVars  = 64
	maxTemplateURI   = 4 << 10
	// maxTemplates is how many templates of one upstream are shown.
	maxTemplates = 256
)

// uriPattern is a compiled RFC 6570 template. Safe for concurrent use.
type uriPattern struct {
	literal string // what every match starts with
	match   *regexp.Regexp
	named   []namedExpression // per capturing group of match; the zero value takes any text
}

// namedExpression is an expression that writes "name=value" pairs: {?a,b}, {&a} or {;a}.
type namedExpression struct {
	separator string
	names     []string // nil: not such an expression
}

// compileTemplate compiles a template. Errors say what its author has to change.
func compileTemplate(text string) (*uriPattern, error) {
	if len(text) > maxTemplateBytes {
		return nil, fmt.Errorf("the URI template is longer than %d bytes", maxTemplateBytes)
	}
	// Counted before the library compiles: a regular expression repeats at most 1000 times.
	if strings.Count(text, "{")+strings.Count(text, ",") > maxTemplateVars {
		return nil, fmt.Errorf("the URI template has more than %d variables", maxTemplateVars)
	}
	parsed, err := uritemplate.New(text)
	if err != nil {
		return nil, fmt.Errorf("the URI template is not RFC 6570: %w", err)
	}
	literal, _, found := strings.Cut(text, "{")
	if !found {
		return nil, errors.New("the URI template has no variable")
	}
	p := &uriPattern{literal: literal, match: parsed.Regexp()}
	for expression := range expressions(text) {
		p.named = append(p.named, parseNamed(expression))
	}
	if p.match.NumSubexp() != len(p.named) {
		return nil, errors.New("the URI template cannot be matched")
	}
	return p, nil
}

// expressions yields what stands between the braces of a well-formed template.
func expressions(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for {
			_, rest, found := strings.Cut(text, "{")
			if !found {
				return
			}
			expression, after, _ := strings.Cut(rest, "}")
			if !yield(expression) {
				return
			}
			text = after
		}
	}
}

func parseNamed(expression string) namedExpression {
	var n namedExpression
	switch expression[0] {
	case '?', '&':
		n.separator = "&"
	case ';':
		n.separator = ";"
	default:
		return n
	}
	n.names = []string{}
	for variable := range strings.SplitSeq(expression[1:], ",") {
		name, explode := strings.CutSuffix(variable, "*")
		if explode {
			return namedExpression{} // an exploded map brings names of its own
		}
		name, _, _ = strings.Cut(name, ":")
		n.names = append(n.names, name)
	}
	return n
}

// matches reports whether uri is an expansion of the template. Named pairs may come in any order: clients write queries
// as they like, and servers read them so.
func (p *uriPattern) matches(uri string) bool {
	if len(uri) > maxTemplateURI || !strings.HasPrefix(uri, p.literal) {
		return false
	}
	at := p.match.FindStringSubmatchIndex(uri)
	if at == nil {
		return false
	}
	for i := range p.named {
		start, end := at[2*i+2], at[2*i+3]
		if start >= 0 && !p.named[i].takes(uri[start:end]) {
			return false
		}
	}
	return true
}

func (n *namedExpression) takes(text string) bool {
	if n.names == nil {
		return true
	}
	for pair := range strings.SplitSeq(text, n.separator) {
		name, _, _ := strings.Cut(pair, "=")
		if !slices.Contains(n.names, name) {
			return false
		}
	}
	return true
}
