// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"tollgate/policy"
)

const (
	maxExpression = 4096 // characters
	maxNodes      = 1000
	maxRegexp     = 250 // instructions of a compiled regular expression
)

// variables are what an expression sees; result only after the call.
func variables() []string {
	return []string{"principal", "object", "args", "arguments", "session", "client", "time", "source_ip", "action"}
}

// newEnv declares the document. settle adds the result.
func newEnv(settle bool, args *cel.Type, p types.Provider, a types.Adapter) (*cel.Env, error) {
	opts := []cel.EnvOption{
		cel.CustomTypeProvider(p),
		cel.CustomTypeAdapter(a),
		cel.StdLib(),
		ext.Strings(ext.StringsVersion(4), ext.StringsValidateFormatCalls(false)),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ExpressionNodeLimit(maxNodes),
		cel.Variable("principal", cel.ObjectType(typePrincipal)),
		cel.Variable("object", cel.ObjectType(typeObject)),
		cel.Variable("session", cel.ObjectType(typeSession)),
		cel.Variable("client", cel.ObjectType(typeClient)),
		cel.Variable("args", args),
		cel.Variable("arguments", args),
		cel.Variable("time", cel.TimestampType),
		cel.Variable("source_ip", cel.StringType),
		cel.Variable("action", cel.StringType),
	}
	if settle {
		opts = append(opts, cel.Variable("result", cel.DynType))
	}
	return cel.NewCustomEnv(opts...)
}

// withheld are functions whose result may be far larger than what goes in:
// their cost would be known only after the memory is taken.
func withheld(function string) bool {
	return slices.Contains([]string{"replace", "format", "join", "strings.quote"}, function)
}

// document is what programs read of one call. It serves one goroutine at a time.
type document struct {
	input  *policy.Input
	schema schema
	args   *object // made when first read
	result []byte  // nil before the call
	parsed *object // result, made when first read
	who    *person // made when first read
	what   *thing  // made when first read
}

// ResolveName implements cel.Activation.
func (d *document) ResolveName(name string) (any, bool) {
	in := d.input
	switch name {
	case "principal":
		if d.who == nil {
			d.who = &person{Principal: in.Principal}
		}
		return d.who, true
	case "object":
		if d.what == nil {
			d.what = &thing{Object: in.Object}
		}
		return d.what, true
	case "session":
		return &in.Session, true
	case "client":
		return &in.Client, true
	case "args", "arguments":
		return d.arguments(), true
	case "time":
		return types.Timestamp{Time: moment(in)}, true
	case "source_ip":
		return types.String(in.SourceIP), true
	case "action":
		return types.String(in.Action), true
	case "result":
		if d.result == nil {
			return nil, false
		}
		if d.parsed == nil {
			d.parsed = &object{raw: d.result}
		}
		return d.parsed, true
	}
	return nil, false
}

// moment is the time of the call as the document has it.
func moment(in *policy.Input) time.Time {
	if in.Time.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return in.Time.UTC()
}

// Parent implements cel.Activation.
func (d *document) Parent() cel.Activation { return nil }

func (d *document) arguments() *object {
	if d.args == nil {
		raw := []byte(d.input.Arguments)
		if len(raw) == 0 {
			raw = []byte("{}")
		}
		d.args = &object{raw: raw, schema: d.schema}
	}
	return d.args
}
