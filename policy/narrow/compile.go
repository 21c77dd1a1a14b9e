// SPDX-License-Identifier: Apache-2.0

package narrow

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tollgate/upstream/wire"
)

// The bounds of a schema that is used for checking (security.md, schema abuse). What narrowing adds to an upstream's schema
// comes on top.
const (
	maxSchemaBytes = 256 << 10
	maxSchemaDepth = 32
	maxSubschemas  = 2000
	// maxExpansion is how many schemas may apply to one value at the same time, with references followed.
	maxExpansion = 10_000
)

// node is one schema, ready for use. Nodes of recursive schemas form cycles.
type node struct {
	keywords []keyword // in the order in which they are evaluated
	span     int       // schemas that apply to the same value, itself included; 0 = not counted, -1 = being counted
}

// keyword is one member of a schema that asserts something.
type keyword interface {
	// eval answers nil when v satisfies the keyword. seen collects which members and items of v were looked at, for
	// unevaluatedProperties and unevaluatedItems; it is nil when nobody asks.
	eval(r *run, v any, seen *seen) *miss
}

// applicator is a keyword that applies other schemas to the same value.
type applicator interface{ inPlace() []*node }

// compiler makes nodes of a text. It follows only pointers into the text itself and never opens anything.
type compiler struct {
	root    []byte
	dialect dialect
	nodes   map[*byte]*node             // by the first byte of their text
	objects map[*byte]map[string][]byte // that references led into, by the first byte of their text
	refs    []*ref                      // to be resolved when the whole text is known
	tracks  bool                        // some unevaluated keyword was met
	bounds  bounds
}

type bounds struct{ bytes, depth, schemas int }

// compiled is a schema that can judge values. Many goroutines may use it.
type compiled struct {
	root   *node
	tracks bool
}

// The fuel of one evaluation: so much, and so much for each byte of the arguments. A step takes some tens of nanoseconds.
const (
	baseFuel    = 500_000
	fuelPerByte = 2
)

// run prepares an evaluation of a value that was written with so many bytes.
func (c *compiled) run(bytes int, path ...string) *run {
	return &run{fuel: baseFuel + fuelPerByte*bytes, tracks: c.tracks, path: path}
}

// fault says where in a schema a mistake is.
type fault struct {
	path []string
	err  error
}

func (f *fault) Error() string { return fmt.Sprintf("at %s: %v", clip(f.pointer()), f.err) }

func (f *fault) Unwrap() error { return f.err }

func (f *fault) pointer() string {
	var b strings.Builder
	for _, step := range f.path {
		b.WriteString("/" + escapeStep(step))
	}
	return b.String()
}

// below adds a step to the place of a mistake.
func below(step string, err error) error {
	if f, ok := errors.AsType[*fault](err); ok {
		return &fault{append([]string{step}, f.path...), f.err}
	}
	return &fault{[]string{step}, err}
}

// compile reads a schema. The text must have passed a check.
func compile(schema []byte, b bounds) (*compiled, error) {
	if len(schema) > b.bytes {
		return nil, fmt.Errorf("it has %d bytes, at most %d are allowed", len(schema), b.bytes)
	}
	schema, _ = wire.Lookup(schema) // without white space around it
	c := &compiler{root: schema, dialect: dialectOf(schema), bounds: b}
	c.nodes, c.objects = map[*byte]*node{}, map[*byte]map[string][]byte{}
	if c.dialect == otherwise {
		return nil, errors.New("its $schema is not known: only draft-07, 2019-09 and 2020-12 are")
	}
	root, err := c.schema(schema, 0)
	if err != nil {
		return nil, err
	}
	for len(c.refs) > 0 { // a target may hold references itself
		r := c.refs[0]
		c.refs = c.refs[1:]
		if err := c.resolve(r); err != nil {
			return nil, fmt.Errorf("$ref %s: %w", clip(r.to), err)
		}
	}
	for _, n := range c.nodes {
		if _, err := n.expand(); err != nil {
			return nil, err
		}
	}
	return &compiled{root: root, tracks: c.tracks}, nil
}

// schema compiles the schema that raw is. raw is a span of the root, so its address identifies it.
func (c *compiler) schema(raw []byte, depth int) (*node, error) {
	if len(raw) == 0 {
		return nil, errors.New("a schema is missing")
	}
	if n, ok := c.nodes[&raw[0]]; ok {
		return n, nil
	}
	n := &node{}
	c.nodes[&raw[0]] = n
	switch {
	case len(c.nodes) > c.bounds.schemas:
		return nil, fmt.Errorf("it has more than %d subschemas", c.bounds.schemas)
	case depth > c.bounds.depth:
		return nil, fmt.Errorf("its subschemas are nested deeper than %d", c.bounds.depth)
	case string(raw) == "true":
		return n, nil
	case string(raw) == "false":
		n.keywords = []keyword{never{}}
		return n, nil
	case raw[0] != '{':
		return nil, fmt.Errorf("%s is no schema", clip(string(raw)))
	}
	return n, c.object(n, raw, depth)
}

// object compiles the members of one schema.
func (c *compiler) object(n *node, raw []byte, depth int) error {
	members := slices.Collect(wire.Members(raw))
	if c.dialect.refAlone() && slices.ContainsFunc(members, func(m wire.Member) bool { return m.Name == "$ref" }) {
		members = slices.DeleteFunc(members, func(m wire.Member) bool { return m.Name != "$ref" })
	}
	p := part{compiler: c, raw: raw, depth: depth}
	for _, m := range members {
		k, err := p.keyword(m.Name, m.Value)
		if err != nil {
			return below(m.Name, err)
		}
		if k != nil {
			n.keywords = append(n.keywords, k)
		}
	}
	slices.SortStableFunc(n.keywords, func(a, b keyword) int { return turn(a) - turn(b) })
	return nil
}

// turn orders the keywords of a schema: cheap ones that say most first, patterns after lengths, unevaluated ones last.
func turn(k keyword) int {
	switch k.(type) {
	case never, types:
		return 0
	case oneOfValues, bound, count, multiple:
		return 1
	case matches, unique, required:
		return 2
	case unevaluatedProperties, unevaluatedItems:
		return 4
	}
	return 3
}

// expand counts the schemas that apply to one value.
func (n *node) expand() (int, error) {
	switch {
	case n.span > 0:
		return n.span, nil
	case n.span < 0:
		return 0, errors.New("a $ref leads to itself without end")
	}
	n.span = -1
	sum := 1
	for _, k := range n.keywords {
		a, ok := k.(applicator)
		if !ok {
			continue
		}
		for _, child := range a.inPlace() {
			span, err := child.expand()
			if err != nil {
				return 0, err
			}
			if sum += span; sum > maxExpansion {
				return 0, fmt.Errorf("more than %d of its schemas apply to one value", maxExpansion)
			}
		}
	}
	n.span = sum
	return sum, nil
}
