// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// guardComparisons puts a guard before every ==, != and in.
func guardComparisons(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	if call, ok := i.(interpreter.InterpretableCall); ok && walks(call.Function()) && len(call.Args()) == 2 {
		return &guarded{call}, nil
	}
	return i, nil
}

// guarded is a comparison of values that may hold others. It is weighed before it
// is done, since CEL counts a step when it is over, and it is an error when a
// number in one of the values is: CEL takes what is not unequal for equal.
type guarded struct{ interpreter.InterpretableCall }

// Exec implements interpreter.InterpretableV2.
func (g *guarded) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	args := g.Args()
	var both [2]ref.Val
	plain := true
	for i := range both {
		v := args[i].Exec(frame)
		if types.IsUnknownOrError(v) {
			return v
		}
		both[i], plain = v, plain && !nested(v)
	}
	if !plain {
		if err := g.inspect(both[:]); err != nil {
			return err
		}
	}
	switch g.Function() {
	case operators.Equals:
		return types.Equal(both[0], both[1])
	case operators.NotEquals:
		return types.Bool(types.Equal(both[0], both[1]) != types.True)
	}
	in, ok := both[1].(traits.Container)
	if !ok {
		return types.MaybeNoSuchOverloadErr(both[1])
	}
	return in.Contains(both[0])
}

// Eval implements interpreter.Interpretable.
func (g *guarded) Eval(a interpreter.Activation) ref.Val { return g.Exec(interpreter.AsFrame(a)) }

func (g *guarded) inspect(both []ref.Val) ref.Val {
	if callUnits(g.Function(), operands(g.Function(), both), 0) > maxCost {
		panic(interpreter.EvalCancelledError{Cause: interpreter.CostLimitExceeded, Message: "the values are too large to compare"})
	}
	for _, v := range both {
		if err := fault(v); err != nil {
			return err
		}
	}
	return nil
}

func nested(v ref.Val) bool {
	switch v.(type) {
	case traits.Lister, traits.Mapper:
		return true
	}
	return false
}

// fault finds an error in a value at any depth, nil when there is none.
func fault(v ref.Val) ref.Val {
	switch v := v.(type) {
	case *types.Err:
		return v
	case *object:
		return v.fault()
	case traits.Lister:
		for it := v.Iterator(); it.HasNext() == types.True; {
			if err := fault(it.Next()); err != nil {
				return err
			}
		}
	case traits.Mapper:
		for it := v.Iterator(); it.HasNext() == types.True; {
			if value, ok := v.Find(it.Next()); ok {
				if err := fault(value); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
