// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"context"
	"errors"
	"fmt"

	"tollgate/upstream/wire"
)

// Settle answers what a call did cost, in nano-USD: the sum over its limits, each
// at most its ceiling. overrun is what was cut off there. On an error the
// ceilings are charged and cost says so: a settle expression that fails must not
// make a call free. result is the JSON of the upstream's result; only members that
// an expression reads are converted. An Admission is settled by one goroutine.
func (a *Admission) Settle(ctx context.Context, result []byte) (cost, overrun int64, err error) {
	var failed []error
	for _, p := range a.priced {
		actual, over := p.ceiling, int64(0)
		if p.limit.settle != nil {
			value, err := p.settle(ctx, a.document, result)
			if err != nil {
				failed = append(failed, fmt.Errorf("limit %q: settle: %w", p.limit.name, err))
			} else {
				actual, over = min(value, p.ceiling), max(0, value-p.ceiling)
			}
		}
		cost += actual // no overflow: the ceilings were added before
		overrun += min(over, maxOverrun-overrun)
	}
	if len(failed) > 0 {
		return a.Cost, overrun, errors.Join(failed...)
	}
	return cost, overrun, nil
}

// maxOverrun is where the sum of overruns stays.
const maxOverrun = 1<<63 - 1

func (p *priced) settle(ctx context.Context, d *document, result []byte) (int64, error) {
	switch {
	case wire.Kind(result) != '{':
		return 0, errors.New("there is no result")
	case len(result) > maxResult:
		return 0, fmt.Errorf("the result is larger than %d MiB", maxResult>>20)
	}
	view := *d
	view.result, view.parsed = result, nil
	v, err := p.limit.settle.eval(ctx, &view)
	if err != nil {
		return 0, err
	}
	return dollars(v)
}
