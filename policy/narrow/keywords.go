// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"

	"tollgate/upstream/wire"
)

// maxPattern bounds the compiled size of a regular expression, in instructions.
const maxPattern = 2000

// part is the schema object whose members are being compiled.
type part struct {
	*compiler
	raw   []byte
	depth int
}

// keyword compiles one member; nil for those that assert nothing of their own.
func (p *part) keyword(name string, raw []byte) (keyword, error) {
	switch name {
	case "type":
		return compileTypes(raw)
	case "enum":
		return compileEnum(raw)
	case "const":
		return compileConst(raw)
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		return compileBound(name, raw)
	case "multipleOf":
		return compileMultiple(raw)
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
		return compileCount(name, raw)
	case "pattern":
		re, err := compilePattern(raw)
		return matches{re}, err
	case "uniqueItems":
		if string(raw) == "true" {
			return unique{}, nil
		}
		return nil, boolean(raw)
	case "required":
		names, err := stringList(raw)
		return required(names), err
	}
	return p.applicator(name, raw)
}

// applicator compiles the keywords with schemas in them. Some exist only in some dialects; where a keyword does not exist,
// it asserts nothing.
func (p *part) applicator(name string, raw []byte) (keyword, error) {
	modern := p.dialect == draft2020 || p.dialect == draft2019
	switch {
	case name == "$ref":
		return p.ref(raw)
	case name == "$dynamicRef" && p.dialect == draft2020, name == "$recursiveRef" && p.dialect == draft2019:
		return nil, errors.New("references that depend on where they are used are not followed")
	case name == "allOf", name == "anyOf", name == "oneOf":
		nodes, err := p.list(raw)
		return group{name, nodes}, err
	case name == "not":
		n, err := p.child(raw)
		return not{n}, err
	case name == "if":
		return p.conditional(raw)
	case p.leads(name, "properties", "patternProperties", "additionalProperties"):
		return p.members()
	case name == "propertyNames":
		n, err := p.child(raw)
		return propertyNames{n}, err
	case p.leads(name, "prefixItems", "items", "additionalItems"):
		return p.items()
	case name == "contains":
		return p.contains(raw, modern)
	case name == "dependencies" && !modern, name == "dependentRequired" && modern, name == "dependentSchemas" && modern:
		return p.dependent(raw)
	case name == "unevaluatedProperties" && modern:
		p.tracks = true
		n, err := p.child(raw)
		return unevaluatedProperties{n}, err
	case name == "unevaluatedItems" && modern:
		p.tracks = true
		n, err := p.child(raw)
		return unevaluatedItems{n}, err
	}
	return nil, p.visit(name, raw)
}

// visit compiles the schemas of other keywords, so that mistakes and bombs in them show, and forgets them: the ones that
// are referred to are found again by their address.
func (p *part) visit(name string, raw []byte) error {
	if name == "$id" && p.depth > 0 {
		return errors.New("a schema with an identity of its own inside of another is not supported")
	}
	if name != "$defs" && name != "definitions" {
		return nil
	}
	_, err := p.children(raw)
	return err
}

// leads reports whether name is the first of some keywords that work together, so that they are compiled once.
func (p *part) leads(name string, together ...string) bool {
	i := slices.Index(together, name)
	return i >= 0 && !slices.ContainsFunc(together[:i], p.has)
}

func (p *part) has(name string) bool {
	_, ok := wire.Lookup(p.raw, name)
	return ok
}

func (p *part) child(raw []byte) (*node, error) { return p.schema(raw, p.depth+1) }

// optional compiles the schema under a keyword, nil when it is not there.
func (p *part) optional(name string) (*node, error) {
	raw, ok := wire.Lookup(p.raw, name)
	if !ok {
		return nil, nil
	}
	return p.child(raw)
}

func (p *part) list(raw []byte) ([]*node, error) {
	if wire.Kind(raw) != '[' {
		return nil, errors.New("must be an array of schemas")
	}
	nodes := []*node{}
	for e := range wire.Elements(raw) {
		n, err := p.child(e)
		if err != nil {
			return nil, below(strconv.Itoa(len(nodes)), err)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// entry is a schema with the name it stands under.
type entry struct {
	name string
	node *node
}

func (p *part) children(raw []byte) ([]entry, error) {
	if wire.Kind(raw) != '{' {
		return nil, errors.New("must be an object of schemas")
	}
	var entries []entry
	for m := range wire.Members(raw) {
		n, err := p.child(m.Value)
		if err != nil {
			return nil, below(m.Name, err)
		}
		entries = append(entries, entry{m.Name, n})
	}
	return entries, nil
}

// pattern is a regular expression. RE2 needs time in proportion to the text times its size.
type pattern struct {
	re     *regexp.Regexp
	source string
	size   int // instructions
}

func compilePattern(raw []byte) (*pattern, error) {
	source, ok := wire.String(raw)
	if !ok {
		return nil, errors.New("must be a string")
	}
	return newPattern(source)
}

func newPattern(source string) (*pattern, error) {
	parsed, err := syntax.Parse(source, syntax.Perl)
	if e, ok := errors.AsType[*syntax.Error](err); ok {
		return nil, fmt.Errorf("not a regular expression of RE2: %s in %s", e.Code, clip(e.Expr))
	}
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	if len(program.Inst) > maxPattern {
		return nil, fmt.Errorf("the regular expression is too large: %d steps, at most %d are allowed", len(program.Inst), maxPattern)
	}
	re, err := regexp.Compile(source)
	return &pattern{re, source, len(program.Inst)}, err
}

func (p *pattern) match(r *run, s string) bool {
	r.spend(1 + len(s)*p.size/16)
	return r.fuel >= 0 && p.re.MatchString(s)
}
