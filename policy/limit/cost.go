// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"math/bits"

	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// maxCost bounds one run of an expression, in units of up to 50 ns, so that what
// runs without a deadline ends within maxTime: a few passes over every element of
// the largest arguments, but nothing quadratic. TestUnits holds the units.
const maxCost = 1_000_000

// endless is a cost or size that nothing bounds.
const endless = 1 << 60

func plus(a, b uint64) uint64 { return min(a+b, endless) } // neither is above endless

func times(a, b uint64) uint64 {
	if high, low := bits.Mul64(a, b); high == 0 && low < endless {
		return low
	}
	return endless
}

// kind is what the cost of a step depends on.
type kind int

const (
	anything kind = iota // known only when it runs
	scalar               // a number, true, null, a time
	textual              // text or bytes
	listing
	mapping
)

// operand is one argument of a call, or the most that it may be.
type operand struct {
	kind   kind
	length uint64 // elements of a list
	weight uint64 // bytes of text, and one for every element at any depth
	texts  bool   // every element is text
}

// callUnits is what one call costs. The estimate before a run and the meter
// during one both go by it. What is not known to be cheaper costs a pass over
// everything it is given.
func callUnits(function string, ops []operand, regexp uint64) uint64 {
	var all uint64
	for _, op := range ops {
		if op.kind != scalar {
			all = plus(all, op.weight)
		}
	}
	if all == 0 {
		return 1
	}
	switch function {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.NotStrictlyFalse, operators.Conditional, "dyn",
		"type":
		return 1
	case operators.Equals, operators.NotEquals:
		return comparison(ops[0], ops[1])
	case operators.In, operators.OldIn:
		return search(ops[0], ops[1])
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return 1 + lighter(ops[0], ops[1])/32
	case operators.Add:
		return sum(ops[0], ops[1])
	case operators.Index:
		return 1 + ops[1].weight/32
	case "size":
		if ops[0].kind == listing || ops[0].kind == mapping {
			return 1
		}
		return 1 + all/32
	case "startsWith", "endsWith":
		return 1 + lighter(ops[0], ops[1])/32
	case "contains":
		return 1 + all/10
	case "indexOf", "lastIndexOf":
		return plus(1+all/5, times(ops[0].weight, ops[1].weight)/64)
	case "split":
		return 2 + all
	case "matches":
		return times(1+ops[0].weight/8, regexp)
	}
	if len(ops) == 2 && ops[1].kind != scalar && zoned(function) {
		return 2000 + all // it reads a file
	}
	return 2 + all/5
}

// lighter is the weight of the lighter of two operands; scalars compare at once.
func lighter(a, b operand) uint64 {
	if a.kind == scalar || b.kind == scalar {
		return 0
	}
	return min(a.weight, b.weight)
}

func comparison(a, b operand) uint64 {
	if a.kind == textual || b.kind == textual {
		return 1 + lighter(a, b)/256
	}
	return 2 + 2*lighter(a, b)
}

func search(item, in operand) uint64 {
	if in.kind == mapping {
		return 1 + item.weight/32
	}
	switch {
	case item.kind == scalar:
		return 1 + in.length
	case item.kind == textual || in.texts:
		return 1 + times(in.length, 1+min(item.weight, in.weight)/256)
	}
	return 1 + plus(in.length, min(in.weight, times(in.length, plus(2, item.weight))))
}

func sum(a, b operand) uint64 {
	if a.kind == scalar || b.kind == scalar || a.kind == listing || b.kind == listing {
		return 1
	}
	return 1 + plus(a.weight, b.weight)/10
}

// zoned reports whether a function may take the name of a time zone.
func zoned(function string) bool {
	switch function {
	case "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes",
		"getMonth", "getSeconds":
		return true
	}
	return false
}

// meter implements interpreter.ActualCostEstimator. It goes by the values, not by
// the overload, which is unknown wherever arguments are of unknown type.
type meter struct {
	regexp uint64 // instructions of the largest regular expression
}

// CallCost implements interpreter.ActualCostEstimator.
func (m meter) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	units := callUnits(function, operands(function, args), m.regexp)
	return &units
}

// operands weighs values, as far as a call looks into them. A weight above
// maxCost is not exact.
func operands(function string, args []ref.Val) []operand {
	var room [3]operand
	ops := room[:0]
	for _, v := range args {
		ops = append(ops, operandOf(v, walks(function)))
	}
	return ops
}

func operandOf(v ref.Val, deep bool) operand {
	switch v := v.(type) {
	case types.String:
		return operand{kind: textual, weight: uint64(len(v))}
	case types.Bytes:
		return operand{kind: textual, weight: uint64(len(v))}
	case traits.Lister:
		op := operand{kind: listing}
		if n, ok := v.Size().(types.Int); ok {
			op.length = uint64(n)
		}
		if deep {
			op.weight = weigh(v, maxCost)
		}
		return op
	case traits.Mapper:
		op := operand{kind: mapping}
		if deep {
			op.weight = weigh(v, maxCost)
		}
		return op
	}
	return operand{kind: scalar, weight: 1}
}

// walks reports whether a function looks at what its arguments are made of.
func walks(function string) bool {
	switch function {
	case operators.In, operators.OldIn, operators.Equals, operators.NotEquals:
		return true
	}
	return false
}

// weigh counts the bytes of text and the elements in a value, until they are more
// than most: a list that holds another twice is twice as heavy, so a few nested
// ones may weigh more than could be counted.
func weigh(v ref.Val, most uint64) uint64 {
	switch v := v.(type) {
	case types.String:
		return 1 + uint64(len(v))
	case types.Bytes:
		return 1 + uint64(len(v))
	case array:
		return 1 + uint64(v.bytes)
	case *object:
		return 1 + uint64(len(v.raw))
	case traits.Lister:
		all := uint64(1)
		if n, ok := v.Size().(types.Int); ok && uint64(n) > most {
			return uint64(n)
		}
		for it := v.Iterator(); all <= most && it.HasNext() == types.True; {
			all += weigh(it.Next(), most-all)
		}
		return all
	case traits.Mapper:
		all := uint64(1)
		for it := v.Iterator(); all <= most && it.HasNext() == types.True; {
			key := it.Next()
			all += weigh(key, most-all)
			if value, ok := v.Find(key); ok && all <= most {
				all += weigh(value, most-all)
			}
		}
		return all
	}
	return 1
}
