// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"testing"

	"tollgate/store/ledger"
	"tollgate/store/storetest"
)

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T, o *storetest.Options) ledger.Ledger {
		e, err := ledger.Open(&ledger.Options{Dir: o.Dir, Now: o.Now, Zone: o.Zone, Limiter: o.Limiter, Node: "test"})
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
}
